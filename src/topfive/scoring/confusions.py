"""Which classes are taken for which: wrong first guesses, grouped by what was given and what was guessed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from topfive.records import Predictions, Truth
from topfive.scoring.marking import mark


@dataclass(frozen=True)
class Confusion:
    """`n` images of class `given` (a wnid) have `guessed` as their first guess; `ids` by score, the surest first."""

    given: str
    guessed: str
    n: int
    ids: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field."""
        return asdict(self) | {"ids": list(self.ids)}


def confusions(predictions: Predictions, truth: Truth, limit: int) -> tuple[Confusion, ...]:
    """The `limit` most frequent confusions, ties in class order.

    A first guess is wrong where it is none of the allowed labels; `given` is then the first of those. Raises BadInput
    as `score` does.
    """
    marks = mark(predictions, truth)
    given = truth.labels[truth.offsets[:-1][truth.n_labels > 0]]
    wrong = np.flatnonzero(marks.rank > 0)
    # By pair, then by falling score, then in the truth's order (lexsort is stable and sorts by its last key first).
    wrong = wrong[np.lexsort((-marks.score[wrong], marks.guess[wrong], given[wrong]))]
    pairs = np.stack([given[wrong], marks.guess[wrong]], axis=1)
    ends = np.flatnonzero((pairs[1:] != pairs[:-1]).any(axis=1)) + 1
    groups = np.split(wrong, ends)
    groups.sort(key=len, reverse=True)  # stable: equal counts stay in class order
    return tuple(
        Confusion(
            truth.classes.wnids[given[group[0]]],
            predictions.classes.wnids[marks.guess[group[0]]],
            len(group),
            tuple(marks.ids[row] for row in group),
        )
        for group in groups[:limit]
        if len(group)
    )
