from __future__ import annotations

import json
from datetime import timedelta
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topfive.challenge import PUBLISHED, Entry, Rules, board, submit
from topfive.records import BadInput, Board, Claim, WorkFailed
from topfive.scoring import mark, rank_intervals, wilson

CLAIM = Claim("top5_error", 0.164, "ILSVRC2012", "test", "5 networks", "paper")


def fill(stage: Any, held: Any, sent: list[tuple[str, str, int]], **more: Any) -> list[Any]:
    """Submit (team, system, right) one after the other, a minute apart."""
    receipts = []
    for minute, (team, system, right) in enumerate(sent):
        made = held.guess(right, seed=minute)
        now = stage.NOON + timedelta(minutes=minute)
        entry = Entry(system, f"The {system}", 2012, f"{system}-run", 1.5)
        receipts.append(submit(held.edition, made, entry, team=team, vault=held.vault, database=held.database, now=now))
    return receipts


def test_ranks_follow_counts_and_ties_share(stage: Any, tmp_path: Path) -> None:
    held = stage.hold(Rules("top1", 9, "day"))
    fill(stage, held, [("a", "s1", 10), ("a", "s2", 40), ("b", "s1", 40), ("c", "s3", 9), ("c", "s3", 25)])
    made = board(held.edition, vault=held.vault, database=held.database, claims={"s1": CLAIM})
    assert [(r.rank, r.team, r.system) for r in made.rows] == [
        (1, "a", "s2"),
        (1, "b", "s1"),
        (3, "c", "s3"),
        (4, "a", "s1"),
    ]
    first, last = made.rows[1], made.rows[3]
    assert (first.top1_error, first.n, first.seconds) == (pytest.approx(8 / 48), 48, 1.5)
    assert first.top1_error_interval == wilson(8, 48)
    assert (first.published_top5_error, first.published_top1_error) == (0.164, None)
    assert first.published == CLAIM.to_json() and made.rows[0].published is None
    assert (first.year, first.title, first.run) == (2012, "The s1", "s1-run")
    assert last.published is not None
    made.write(tmp_path / "board.json")
    assert Board.read(tmp_path / "board.json") == made


def test_rank_intervals_come_from_pairs_of_results(stage: Any) -> None:
    held = stage.hold(Rules("top1", 9, "day"))
    receipts = fill(stage, held, [("a", "s", 44), ("b", "s", 41), ("c", "s", 12)])
    truth = held.vault.truth("test")
    correct = np.array([mark(held.vault.submission(r.digest), truth).correct(1) for r in receipts])
    made = board(held.edition, vault=held.vault, database=held.database)
    assert [row.rank_interval for row in made.rows] == rank_intervals(correct) == [(1, 2), (1, 2), (3, 3)]


def test_ranking_by_top5(stage: Any) -> None:
    held = stage.hold(Rules("top5", 9, "day"))
    best1, best5 = held.guess(30), held.guess(40)
    # The second side has its right label second on every one of its 40 images.
    logits = best5.logits.copy()
    rows = np.arange(40)
    logits[rows, held.labels[:40]] = 0.99
    logits[rows, (held.labels[:40] + 1) % 6] = 1.0
    later = type(best5).from_logits(best5.ids, logits, best5.classes)
    for team, made in (("one", best1), ("five", later)):
        entry = Entry("s")
        submit(held.edition, made, entry, team=team, vault=held.vault, database=held.database, now=stage.NOON)
    made_board = board(held.edition, vault=held.vault, database=held.database)
    assert [row.team for row in made_board.rows] == ["five", "one"]
    assert made_board.rows[0].top1_error > made_board.rows[1].top1_error
    assert made_board.about["rank_by"] == "top5"


def test_claims_find_variants(stage: Any) -> None:
    held = stage.hold()
    fill(stage, held, [("a", "alexnet:tiny", 10), ("a", "alexnet:wide", 9)])
    other = Claim("top1_error", 0.4, "ILSVRC2012", "val", "1 network", "paper")
    made = board(
        held.edition, vault=held.vault, database=held.database, claims={"alexnet": CLAIM, "alexnet:wide": other}
    )
    assert [row.published_top5_error for row in made.rows] == [0.164, None]
    assert [row.published_top1_error for row in made.rows] == [None, 0.4]


def test_references_and_what_was_told(stage: Any) -> None:
    held = stage.hold(Rules("top1", 9, "day"))
    fill(stage, held, [("a", "s", 1), ("a", "s", 2), ("b", "s", 3)])
    made = board(held.edition, vault=held.vault, database=held.database)
    assert made.reference["chance"] == {"top1_error": pytest.approx(5 / 6), "top5_error": pytest.approx(1 / 6)}
    assert [p["name"] for p in made.reference["human"]] == ["human A1", "human A2"]
    assert len(made.reference["published"]) == sum(p.kind in ("winner", "entry") for p in PUBLISHED)
    assert made.reference["agreement"] == []
    assert made.about["scored"] == {"a": 2, "b": 1}
    assert made.about["bits_told"]["a"] == pytest.approx(2 * log2(49 * 50 / 2), abs=0.01)
    assert {"commitment", "limit", "window", "n", "protocol"} <= made.about.keys()
    json.dumps(made.to_json())


def test_a_board_of_some_runs_ranks_only_those(stage: Any) -> None:
    held = stage.hold(Rules("top1", 9, "day"))
    fill(stage, held, [("a", "s", 40), ("b", "t", 30), ("b", "u", 20)])
    entry = Entry("s", run="s-later")
    submit(held.edition, held.guess(9), entry, team="a", vault=held.vault, database=held.database, now=stage.NOON)
    made = board(held.edition, vault=held.vault, database=held.database, runs={"s-later", "t-run"})
    assert [(row.rank, row.run, row.top1_error) for row in made.rows] == [
        (1, "t-run", pytest.approx(18 / 48)),
        (2, "s-later", pytest.approx(39 / 48)),
    ]
    assert made.about["scored"] == {"a": 2, "b": 2}


def test_an_empty_board(stage: Any) -> None:
    held = stage.hold()
    made = board(held.edition, vault=held.vault, database=held.database, published=())
    assert (made.rows, made.about["scored"], made.reference["human"]) == ((), {}, [])


def test_a_board_of_changed_evidence_is_refused(stage: Any) -> None:
    held = stage.hold()
    receipts = fill(stage, held, [("a", "s", 1), ("a", "s", 2)])
    folder = held.vault.folder / "submissions"
    (folder / f"{receipts[1].digest}.parquet").write_bytes((folder / f"{receipts[0].digest}.parquet").read_bytes())
    with pytest.raises(WorkFailed, match="no longer has the digest"):
        board(held.edition, vault=held.vault, database=held.database)
    (folder / f"{receipts[1].digest}.parquet").unlink()
    with pytest.raises(BadInput, match="there is no such file"):
        board(held.edition, vault=held.vault, database=held.database)
