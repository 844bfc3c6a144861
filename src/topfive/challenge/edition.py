"""Editions: one sealed split, the rules of submission, and the public commitment to its labels; frozen once made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from topfive.challenge.vault import Vault
from topfive.records import UNKNOWN, BadInput, Dataset
from topfive.scoring import PROTOCOL, rank_by

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Metric = Literal["top1", "top5"]
WindowKind = Literal["day", "week", "edition"]


@dataclass(frozen=True)
class Rules:
    """Ranking by correct images at top-1 or top-5, by default as `scoring.rank_by` has it for the year in which the
    edition is made; `limit` scored submissions for each team in each window: a UTC day, an ISO week in UTC, or the
    whole edition."""

    rank_by: Metric | None = None
    limit: int = 2
    window: WindowKind = "week"

    def check(self) -> None:
        """Raise BadInput on a rule that cannot be kept."""
        if self.rank_by not in (None, "top1", "top5"):
            raise BadInput(f"is no metric: {self.rank_by!r}", where="rank_by", fix="Use top1 or top5")
        if self.window not in ("day", "week", "edition"):
            raise BadInput(f"is no window: {self.window!r}", where="window", fix="Use day, week or edition")
        if not 1 <= self.limit <= 1_000_000:
            raise BadInput(f"{self.limit} submissions", where="limit", fix="Allow 1 or more")


@dataclass(frozen=True)
class Edition:
    """`classes` and `dataset` are digests (of the class keys, and of the split's public rows), `n` counts the images
    that are scored, `commitment` fixes the labels, `created` is UTC."""

    name: str
    split: str
    rules: Rules
    classes: str
    dataset: str
    n: int
    commitment: str
    created: str
    protocol: str = PROTOCOL

    def to_json(self) -> dict[str, Any]:
        """A flat JSON object with every field."""
        value = asdict(self)
        rules: dict[str, Any] = value.pop("rules")
        return value | rules


def create(
    name: str, dataset: Dataset, split: str, rules: Rules, *, vault: Vault, database: Engine, now: datetime
) -> Edition:
    """Open an edition on a sealed split; the same call again returns the edition that is there.

    Raises BadInput where the split is not sealed, the vault holds other images, or the name stands for other rules.
    """
    from sqlalchemy import insert

    from topfive.storage import writing
    from topfive.storage.schema import editions

    check_name(name, "edition")
    rules.check()
    rows = dataset.manifest.rows(split)
    if (rows.class_index != UNKNOWN).any():
        raise BadInput(f"split {split!r} is not sealed", where=dataset.root, fix="Seal it first")
    truth = vault.truth(split)
    if truth.ids != rows.ids or truth.classes.digest != dataset.classes.digest:
        raise BadInput(f"holds other images than split {split!r}", where=vault.folder, fix="Name the vault of this set")
    made = stamp(now)
    edition = Edition(
        name=name,
        split=split,
        rules=rules if rules.rank_by else replace(rules, rank_by=rank_by(int(made[:4]))),
        classes=dataset.classes.digest,
        dataset=rows.digest,
        n=int((truth.n_labels > 0).sum()),
        commitment=vault.commitment(split),
        created=made,
    )
    with writing(database) as connection:
        found = _find(connection, name)
        if found is None:
            connection.execute(insert(editions).values(_to_row(edition)))
            return edition
    there = found[1]
    if rules.rank_by is None:  # the year is that of the first call
        edition = replace(edition, rules=replace(rules, rank_by=there.rules.rank_by))
    for field in fields(Edition):
        old, new = getattr(there, field.name), getattr(edition, field.name)
        if old != new and field.name != "created":
            raise BadInput(
                f"stands already, with another {field.name} ({old}, not {new})",
                where=f"edition {name!r}",
                fix="An edition is frozen: give the new one a name of its own",
            )
    return there


def read_edition(name: str, *, database: Engine) -> Edition:
    """The edition of this name; raises BadInput naming those there are."""
    from sqlalchemy import select

    from topfive.storage.schema import editions

    with database.connect() as connection:
        found = _find(connection, name)
        if found is None:
            names = connection.execute(select(editions.c.name).order_by(editions.c.name)).scalars().all()
            raise BadInput(
                f"there is no edition {name!r}", where="challenge", fix=f"Editions: {', '.join(names) or '-'}"
            )
        return found[1]


def edition_key(edition: Edition, connection: Connection, *, lock: bool = False) -> int:
    """The edition's key in the database; `lock` holds other submissions to it until the transaction ends.

    Raises BadInput where the database does not know it, or knows it by other rules.
    """
    found = _find(connection, edition.name, lock=lock)
    if found is None or found[1] != edition:
        raise BadInput(f"edition {edition.name!r} is not in this database as it is here", where="challenge")
    return found[0]


def check_name(name: str, what: str, longest: int = 100, *, empty: bool = False) -> None:
    """Raise BadInput on a name that is empty, too long for its column, or holds what does not print."""
    if (not name.strip() and not (empty and not name)) or len(name) > longest or not name.isprintable():
        raise BadInput(f"is no name: {name[:120]!r}", where=what, fix=f"Use 1 to {longest} printable characters")


def stamp(now: datetime) -> str:
    """UTC as text of one length, which sorts by time; raises BadInput on a time without zone."""
    if now.tzinfo is None:
        raise BadInput(f"{now} has no time zone", where="now", fix="Pass an aware datetime")
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def window_of(kind: WindowKind, received: str) -> tuple[str, str | None]:
    """The window that a receipt time falls in, and when the next one opens (None: never)."""
    day = datetime.fromisoformat(received).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "day":
        return f"{day:%Y-%m-%d}", stamp(day + timedelta(days=1))
    if kind == "week":
        year, week, weekday = day.isocalendar()
        return f"{year}-W{week:02d}", stamp(day + timedelta(days=8 - weekday))
    return "all", None


def _find(connection: Connection, name: str, *, lock: bool = False) -> tuple[int, Edition] | None:
    from sqlalchemy import select

    from topfive.storage.schema import editions

    query = select(editions).where(editions.c.name == name)
    # SQLite, whose transactions that write exclude each other anyway, ignores the lock.
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    rules = Rules(row.rank_by, row.slot_limit, row.window_kind)
    told = {f.name: getattr(row, f.name) for f in fields(Edition) if f.name != "rules"}
    return row.edition_id, Edition(rules=rules, **told)


def _to_row(edition: Edition) -> dict[str, Any]:
    told = {f.name: getattr(edition, f.name) for f in fields(Edition) if f.name != "rules"}
    rules = edition.rules
    return told | {"rank_by": rules.rank_by, "slot_limit": rules.limit, "window_kind": rules.window}
