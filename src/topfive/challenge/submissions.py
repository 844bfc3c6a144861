"""Submissions: predictions in, one receipt out; whole or refused, counted by the database, never scored twice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from topfive.challenge.edition import Edition, check_name, edition_key, stamp, window_of
from topfive.challenge.vault import Vault
from topfive.records import BadInput, Interval, Predictions, WorkFailed
from topfive.scoring import PROTOCOL, score, wilson

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class LimitReached(BadInput):
    """The team's submissions of this window are used up; the message says when the next one opens."""


@dataclass(frozen=True)
class Entry:
    """What is submitted: the system's registry name (or `name:variant`), its year and title, the run it came from."""

    system: str
    title: str = ""
    year: int = 0
    run: str = ""
    seconds: float = 0.0
    contaminated: Literal["no", "likely", "unknown"] = "no"

    def check(self) -> None:
        """Raise BadInput naming the field that cannot be stored."""
        check_name(self.system, "system")
        check_name(self.title, "title", 200, empty=True)
        check_name(self.run, "run", 200, empty=True)
        if not (isfinite(self.seconds) and self.seconds >= 0):
            raise BadInput(f"{self.seconds} is no duration", where="seconds")
        if self.contaminated not in ("no", "likely", "unknown"):
            raise BadInput(f"is {self.contaminated!r}", where="contaminated", fix="Use no, likely or unknown")


@dataclass(frozen=True)
class Receipt:
    """What a team learns: its counts, and the slot used. `repeated` says that the same predictions had been scored
    before: the answer is that first one, and no slot was used. `left` counts the slots still free in the window now."""

    edition: str
    team: str
    system: str
    digest: str
    received: str
    window: str
    slot: int
    left: int
    repeated: bool
    n: int
    top1_correct: int
    top5_correct: int
    protocol: str

    @property
    def top1_error(self) -> float:
        """Fraction of images wrong at top-1."""
        return (self.n - self.top1_correct) / self.n

    @property
    def top5_error(self) -> float:
        """Fraction of images wrong at top-5."""
        return (self.n - self.top5_correct) / self.n

    @property
    def top1_error_interval(self) -> Interval:
        """Wilson's 95 % interval."""
        return wilson(self.n - self.top1_correct, self.n)

    @property
    def top5_error_interval(self) -> Interval:
        """Wilson's 95 % interval."""
        return wilson(self.n - self.top5_correct, self.n)

    def to_json(self) -> dict[str, Any]:
        """Every field, and the errors with their intervals."""
        return asdict(self) | {
            "top1_error": self.top1_error,
            "top5_error": self.top5_error,
            "top1_error_interval": list(self.top1_error_interval),
            "top5_error_interval": list(self.top5_error_interval),
        }


def submit(
    edition: Edition,
    predictions: Predictions,
    entry: Entry,
    *,
    team: str,
    vault: Vault,
    database: Engine,
    now: datetime,
) -> Receipt:
    """Score predictions of every image of the edition's split and record them as one of the team's submissions.

    Refused whole, without a slot, by rules that depend on nothing hidden: ids other than the split's, each once; a
    score that is not finite; a class that the edition's list lacks; too few guesses (BadInput); a full window
    (LimitReached). The receipt time is `now`, or the latest one recorded where the clock has gone back.
    """
    entry.check()
    check_name(team, "team")
    predictions.check("submission")
    values = {"team": team, "digest": predictions.digest} | asdict(entry)
    with database.connect() as connection:
        early = _admit(connection, edition, values, stamp(now))
        if early.found is not None:
            return _receipt(edition, early, repeated=True)
    if edition.protocol != PROTOCOL:
        raise WorkFailed(f"edition {edition.name!r} scores by {edition.protocol}, this topfive by {PROTOCOL}")
    scores = score(predictions, vault.frozen_truth(edition.split, edition.commitment), where="submission")
    if "n_guesses" in scores.extra:  # a slot is not spent on what was probably cut short
        need = min(5, len(predictions.classes))
        raise BadInput(
            f"holds {scores.extra['n_guesses']} guesses an image, and top-5 error needs {need}",
            where="submission",
            fix="Predict anew and keep the five best classes",
        )
    vault.keep_submission(predictions)
    values |= {"n": scores.n, "top1_correct": scores.top1_correct, "top5_correct": scores.top5_correct}
    return _record(database, edition, values, stamp(now))


@dataclass(frozen=True)
class _Place:
    """Where a submission would go, or the row that is there already."""

    edition_id: int
    received: str
    window: str
    used: int
    found: Any


def _admit(
    connection: Connection, edition: Edition, values: dict[str, Any], received: str, *, lock: bool = False
) -> _Place:
    """Find the same predictions of this team, or the next free slot; raises LimitReached where there is none."""
    from sqlalchemy import and_, func, select

    from topfive.storage.schema import submissions

    edition_id = edition_key(edition, connection, lock=lock)
    here = submissions.c.edition_id == edition_id
    latest = connection.execute(select(func.max(submissions.c.received)).where(here)).scalar()
    received = max(received, edition.created, latest or "")
    window, opens = window_of(edition.rules.window, received)
    own = and_(here, submissions.c.team == values["team"])
    used = connection.execute(
        select(func.count()).select_from(submissions).where(own, submissions.c.window_name == window)
    ).scalar_one()
    found = connection.execute(select(submissions).where(own, submissions.c.digest == values["digest"])).one_or_none()
    if found is None and used >= edition.rules.limit:
        when = "this edition takes no more" if opens is None else f"the next window opens at {opens}"
        raise LimitReached(
            f"team {values['team']!r} has used its {edition.rules.limit} submissions of window {window}",
            where=f"edition {edition.name!r}",
            fix=f"Predictions sent before cost nothing again; {when}",
        )
    return _Place(edition_id, received, window, used, found)


def _record(database: Engine, edition: Edition, values: dict[str, Any], received: str) -> Receipt:
    from sqlalchemy import insert, select
    from sqlalchemy.exc import IntegrityError

    from topfive.storage import writing
    from topfive.storage.schema import submissions

    try:
        with writing(database) as connection:
            place = _admit(connection, edition, values, received, lock=True)
            if place.found is not None:
                return _receipt(edition, place, repeated=True)
            row = values | {
                "edition_id": place.edition_id,
                "slot_limit": edition.rules.limit,
                "window_name": place.window,
                "slot": place.used + 1,
                "received": place.received,
            }
            key = connection.execute(insert(submissions).values(row)).inserted_primary_key
            assert key is not None
            made = connection.execute(select(submissions).where(submissions.c.submission_id == key[0])).one()
            place = replace(place, used=place.used + 1, found=made)
    except IntegrityError as error:  # the database's own last word on slots
        raise WorkFailed(f"edition {edition.name!r}: the submission was not recorded, send it again") from error
    return _receipt(edition, place, repeated=False)


def _receipt(edition: Edition, place: _Place, *, repeated: bool) -> Receipt:
    row = place.found
    return Receipt(
        edition=edition.name,
        team=row.team,
        system=row.system,
        digest=row.digest,
        received=row.received,
        window=row.window_name,
        slot=row.slot,
        left=edition.rules.limit - place.used,
        repeated=repeated,
        n=row.n,
        top1_correct=row.top1_correct,
        top5_correct=row.top5_correct,
        protocol=edition.protocol,
    )
