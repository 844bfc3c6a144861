from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.challenge import Rules, Vault, create, read_edition, seal
from topfive.challenge.edition import stamp, window_of
from topfive.records import BadInput, Dataset


def test_an_edition_says_what_it_is(stage: Any) -> None:
    held = stage.hold(Rules("top5", 3, "day"))
    edition = held.edition
    assert (edition.n, edition.protocol, edition.created) == (48, "ilsvrc-top5/1", "2026-11-24T12:00:00.000000Z")
    assert edition.classes == stage.CLASSES.digest
    assert edition.dataset == held.public.manifest.rows("test").digest
    assert edition.commitment == held.vault.commitment("test") == held.public.about["sealed"]["test"]["commitment"]
    value = edition.to_json()
    assert (value["rank_by"], value["limit"], value["window"], value["name"]) == ("top5", 3, "day", "first")
    assert read_edition("first", database=held.database) == edition


def test_an_edition_is_frozen(stage: Any) -> None:
    held = stage.hold()
    told = {"vault": held.vault, "database": held.database, "now": stage.NOON + timedelta(days=1)}
    assert create("first", held.public, "test", held.edition.rules, **told) == held.edition
    with pytest.raises(BadInput, match=r"edition 'first': stands already, with another rules .*name of its own"):
        create("first", held.public, "test", Rules("top1", 6, "day"), **told)
    assert create("second", held.public, "test", Rules("top1", 6, "day"), **told).rules.limit == 6


@pytest.mark.parametrize(
    ("now", "metric"),
    [
        (datetime(2012, 9, 30, tzinfo=UTC), "top5"),
        (datetime(2017, 12, 31, 23, 59, tzinfo=UTC), "top5"),
        (datetime(2018, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "top5"),  # in UTC it is still 2017
        (datetime(2018, 1, 1, tzinfo=UTC), "top1"),
        (datetime(2026, 11, 24, tzinfo=UTC), "top1"),
    ],
)
def test_the_year_says_what_is_ranked_by_where_nobody_does(stage: Any, now: datetime, metric: str) -> None:
    held = stage.hold()
    told: dict[str, Any] = {"vault": held.vault, "database": held.database}
    edition = create("of its year", held.public, "test", Rules(limit=3), now=now, **told)
    assert edition.rules == Rules(metric, 3, "week")  # type: ignore[arg-type]
    assert read_edition("of its year", database=held.database) == edition
    later = now + timedelta(days=400)
    assert create("of its year", held.public, "test", Rules(limit=3), now=later, **told) == edition
    other = Rules("top1" if metric == "top5" else "top5", 3)
    assert create("told", held.public, "test", other, now=now, **told).rules.rank_by == other.rank_by
    with pytest.raises(BadInput, match="stands already, with another rules"):
        create("of its year", held.public, "test", other, now=now, **told)


def test_refusals(stage: Any, leaky: Dataset, tmp_path: Path) -> None:
    held = stage.hold()
    told = {"vault": held.vault, "database": held.database, "now": stage.NOON}
    with pytest.raises(BadInput, match="split 'test' is not sealed"):
        create("x", leaky, "test", Rules(), **told)
    other = seal(
        leaky, "test", vault=tmp_path / "other vault", public=tmp_path / "other", salt=bytes(reversed(stage.SALT))
    )
    with pytest.raises(BadInput, match="holds other images than split 'test'"):
        create("x", other, "test", Rules(), **told)
    with pytest.raises(BadInput, match="has no time zone"):
        create("x", held.public, "test", Rules(), **(told | {"now": datetime(2026, 1, 1)}))
    for name in ("", "  ", "x" * 101, "a\nb", "a\x00"):
        with pytest.raises(BadInput, match="edition: is no name"):
            create(name, held.public, "test", Rules(), **told)
    for rules, message in [
        (Rules("top3"), "is no metric: 'top3'"),  # type: ignore[arg-type]
        (Rules(window="month"), "is no window: 'month'"),  # type: ignore[arg-type]
        (Rules(limit=0), "0 submissions"),
    ]:
        with pytest.raises(BadInput, match=message):
            create("x", held.public, "test", rules, **told)
    with pytest.raises(BadInput, match=r"no edition 'x'\. Editions: first"):
        read_edition("x", database=held.database)
    with pytest.raises(BadInput, match="is no vault"):
        create("x", held.public, "test", Rules(), **(told | {"vault": Vault(tmp_path / "none")}))


def test_windows_by_hand() -> None:
    noon = "2026-11-24T12:00:00.000000Z"  # a Tuesday
    assert window_of("day", noon) == ("2026-11-24", "2026-11-25T00:00:00.000000Z")
    assert window_of("week", noon) == ("2026-W48", "2026-11-30T00:00:00.000000Z")
    assert window_of("edition", noon) == ("all", None)
    # The ISO year of the first of January 2027, a Friday, is still 2026.
    assert window_of("week", "2027-01-01T00:00:00.000000Z") == ("2026-W53", "2027-01-04T00:00:00.000000Z")


def test_stamps_are_utc() -> None:
    east = timezone(timedelta(hours=9))
    assert stamp(datetime(2026, 11, 25, 8, 59, 59, 999999, tzinfo=east)) == "2026-11-24T23:59:59.999999Z"
    assert window_of("day", stamp(datetime(2026, 11, 25, 8, 59, tzinfo=east)))[0] == "2026-11-24"


MOMENTS = st.datetimes(datetime(1970, 1, 5), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, MOMENTS, st.sampled_from(["day", "week"]))
def test_windows_tile_time(one: datetime, two: datetime, kind: Any) -> None:
    early, late = sorted((stamp(one), stamp(two)))
    name, opens = window_of(kind, early)
    assert opens is not None and early < opens
    assert (late < opens) == (window_of(kind, late)[0] == name)
    assert window_of(kind, opens)[0] != name
    assert len(early) == 27
