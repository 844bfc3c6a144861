"""The leaderboard: an edition's measured systems, ranked by whole counts, beside what has been published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topfive.challenge.edition import Edition, edition_key
from topfive.challenge.published import PUBLISHED
from topfive.challenge.vault import Vault
from topfive.records import Board, BoardRow, Claim, Published, Truth, WorkFailed
from topfive.scoring import mark, rank_intervals, wilson

if TYPE_CHECKING:
    from sqlalchemy import Engine


def board(
    edition: Edition,
    *,
    vault: Vault,
    database: Engine,
    claims: Mapping[str, Claim] | None = None,
    published: Sequence[Published] = PUBLISHED,
    runs: Collection[str] | None = None,
) -> Board:
    """Rank each team's best submission of each system by its count of correct images; equal counts share a rank.

    `claims` are published numbers by system name, `published` everything else that stands beside the board (kinds
    human and agreement go under keys of their own). Rank intervals come from the per-image results, which are computed
    here from the stored predictions and never leave; `about` says how many submissions each team had scored, and how
    many bits about the labels these may have told. `runs` limits rows and ranks to submissions of these runs.
    """
    every = _submissions(edition, database)
    rows = _best(edition, [row for row in every if runs is None or row.run in runs])
    truth = vault.frozen_truth(edition.split, edition.commitment)
    correct = np.zeros((len(rows), edition.n), dtype=bool)
    for place, row in enumerate(rows):
        correct[place] = _correct(edition, row, truth, vault)
    counts = [_count(edition, row) for row in rows]
    made = Board(
        edition=edition.name,
        rows=tuple(
            _row(row, 1 + sum(other > own for other in counts), interval, claims or {})
            for row, own, interval in zip(rows, counts, rank_intervals(correct), strict=True)
        ),
        reference=_reference(len(truth.classes), published),
        about=_about(edition, every),
    )
    made.check()
    return made


def _best(edition: Edition, every: Sequence[Any]) -> list[Any]:
    """The best row of each team and system, best first, the earlier of equals."""
    best: dict[tuple[str, str], Any] = {}
    for row in sorted(every, key=lambda r: (-_count(edition, r), r.received, r.submission_id)):
        best.setdefault((row.team, row.system), row)
    return list(best.values())


def _submissions(edition: Edition, database: Engine) -> Sequence[Any]:
    from sqlalchemy import select

    from topfive.storage.schema import submissions

    with database.connect() as connection:
        query = select(submissions).where(submissions.c.edition_id == edition_key(edition, connection))
        return connection.execute(query).all()


def _count(edition: Edition, row: Any) -> int:
    return int(row.top5_correct if edition.rules.rank_by == "top5" else row.top1_correct)


def _correct(edition: Edition, row: Any, truth: Truth, vault: Vault) -> NDArray[np.bool_]:
    marks = mark(vault.submission(row.digest), truth)
    top1, top5 = marks.correct(1), marks.correct(5)
    if (len(top1), int(top1.sum()), int(top5.sum())) != (row.n, row.top1_correct, row.top5_correct):
        raise WorkFailed(f"submission {row.digest[:12]}: its stored counts are not what its predictions score")
    return top5 if edition.rules.rank_by == "top5" else top1


def _row(row: Any, rank: int, interval: tuple[int, int], claims: Mapping[str, Claim]) -> BoardRow:
    claim = claims.get(row.system) or claims.get(row.system.partition(":")[0])
    wrong1, wrong5 = row.n - row.top1_correct, row.n - row.top5_correct
    return BoardRow(
        rank=rank,
        rank_interval=interval,
        system=row.system,
        year=row.year,
        title=row.title,
        run=row.run,
        top1_error=wrong1 / row.n,
        top5_error=wrong5 / row.n,
        top1_error_interval=wilson(wrong1, row.n),
        top5_error_interval=wilson(wrong5, row.n),
        n=row.n,
        seconds=row.seconds,
        published_top1_error=claim.value if claim and claim.metric == "top1_error" else None,
        published_top5_error=claim.value if claim and claim.metric == "top5_error" else None,
        published=claim.to_json() if claim else None,
        contaminated=row.contaminated,
        team=row.team,
    )


def _reference(n_classes: int, published: Sequence[Published]) -> dict[str, Any]:
    told = {kind: [p.to_json() for p in published if p.kind == kind] for kind in ("human", "agreement")}
    return {
        "human": told["human"],
        "chance": {"top1_error": 1 - 1 / n_classes, "top5_error": 1 - min(5, n_classes) / n_classes},
        "published": [p.to_json() for p in published if p.kind in ("winner", "entry")],
        "agreement": told["agreement"],
    }


def _about(edition: Edition, every: Sequence[Any]) -> dict[str, Any]:
    scored = Counter(row.team for row in every)
    # An answer is one of the pairs top1_correct <= top5_correct <= n.
    bits = log2((edition.n + 1) * (edition.n + 2) / 2)
    return edition.to_json() | {
        "scored": dict(sorted(scored.items())),
        "bits_told": {team: round(times * bits, 2) for team, times in sorted(scored.items())},
    }
