"""Marking: predictions and truth joined on id and wnid; for each image, how far down its first allowed label stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN, BadInput, ClassList, Predictions, Truth, in_blocks
from topfive.scoring.topk import rank_of_label

_ROWS = 1_024
"""Rows of logits cut to some classes at a time: 4 MB of 1,000 float32."""


@dataclass(frozen=True)
class Marks:
    """Image `ids[i]` has its best-placed allowed label at `rank[i]` (0 is the first guess), int32 [n].

    A rank of `n_guesses` or more means that none of the guesses is allowed. `guess` is the first guess, int32 [n]
    into the predictions' classes, and `score` its score. `dropped` images have no valid label and are not here.
    Image i is row `rows[i]` of the predictions (int64 [n]) and may be called any of
    `labels[offsets[i]:offsets[i + 1]]`, int32 into the predictions' classes, which stand at `place` (int32).
    """

    ids: tuple[str, ...]
    rank: NDArray[np.int32]
    guess: NDArray[np.int32]
    score: NDArray[np.float32]
    n_guesses: int
    dropped: int
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int32]
    place: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def n_labels(self) -> NDArray[np.int64]:
        """Number of allowed labels of each image, int64 [n]; one or more."""
        return np.diff(self.offsets)

    @cached_property
    def image(self) -> NDArray[np.int64]:
        """The image of each of `labels`, int64."""
        return np.repeat(np.arange(len(self)), self.n_labels)

    def correct(self, k: int) -> NDArray[np.bool_]:
        """Whether an allowed label is among the first k guesses, bool [n]."""
        return self.rank < min(k, self.n_guesses)


def rows_by_id(wanted: Sequence[str], given: Sequence[str], where: str | Path) -> NDArray[np.int64]:
    """The position in `given` of each wanted id, int64; both must hold the same ids, each once, in any order."""
    if tuple(wanted) == tuple(given):  # a Truth's ids are wanted, which stand once each
        return np.arange(len(given))  # under 1 ms for 50,000, where looking each up takes 15
    row = {image_id: position for position, image_id in enumerate(given)}
    if len(row) != len(given):
        twice = next(image_id for position, image_id in enumerate(given) if row[image_id] != position)
        raise BadInput(f"{len(given) - len(row)} ids stand again, the first is {twice!r}", where=where)
    missing = [image_id for image_id in wanted if image_id not in row]
    if missing:
        raise BadInput(
            f"{len(missing)} of {len(wanted)} images are missing, the first is {missing[0]!r}",
            where=where,
            fix="Predict every image of the split",
        )
    if len(given) != len(wanted):
        known = set(wanted)
        unknown = [image_id for image_id in given if image_id not in known]
        raise BadInput(
            f"{len(unknown)} ids are not in the truth, the first is {unknown[0]!r}",
            where=where,
            fix="Predict the images of this split only",
        )
    return np.fromiter((row[image_id] for image_id in wanted), dtype=np.int64, count=len(wanted))


def positions_of_classes(truth: ClassList, model: ClassList, where: str | Path) -> NDArray[np.int32]:
    """The model's class_index of each of the truth's classes, looked up by wnid; raises BadInput where one is missing.

    Equal lists, another order and a subset all work; the number of classes decides nothing.
    """
    positions = truth.positions_in(model)
    missing = np.flatnonzero(positions == UNKNOWN)
    if len(missing):
        raise BadInput(
            f"lack {len(missing)} of the truth's {len(truth)} classes, the first is {truth.wnids[missing[0]]}",
            where=where,
            fix="Score against a truth whose classes the model knows",
        )
    return positions


def mark(predictions: Predictions, truth: Truth, *, restrict: bool = False, where: str | Path = "predictions") -> Marks:
    """Join and mark, in the truth's order; `restrict` ranks among the truth's classes only and needs logits.

    Raises BadInput on ids that differ, on a class that the model does not know, and where nothing is left to mark.
    """
    at = rows_by_id(truth.ids, predictions.ids, where)
    positions = positions_of_classes(truth.classes, predictions.classes, where)
    kept = np.flatnonzero(truth.n_labels > 0)
    if len(kept) == 0:
        raise BadInput(f"none of {len(truth)} images has a valid label", where=f"truth {truth.name!r}")
    labels = positions[truth.labels]
    image = np.repeat(np.arange(len(kept)), truth.n_labels[kept])  # the image of each allowed label
    rows = at[kept]
    if restrict:
        order = np.sort(positions)  # the model's own order, so that ties fall as they do without the limit
        place, guess, score = _restricted(predictions, order, rows[image], np.searchsorted(order, labels), where)
        guess, score, n_guesses = guess[rows], score[rows], len(order)
    else:
        n_guesses = predictions.top_index.shape[1]
        guesses = predictions.top_index[rows[image]]
        place = np.full(len(labels), n_guesses)
        for column in range(n_guesses - 1, -1, -1):
            place[guesses[:, column] == labels] = column
        guess, score = predictions.top_index[rows, 0], predictions.top_score[rows, 0]
    ids = truth.ids if len(kept) == len(truth) else tuple(compress(truth.ids, (truth.n_labels > 0).tolist()))
    offsets = np.concatenate([[0], np.cumsum(truth.n_labels[kept])])
    place = place.astype(np.int32)
    rank = np.minimum.reduceat(place, offsets[:-1])
    return Marks(ids, rank, guess, score, n_guesses, len(truth) - len(kept), rows, offsets, labels, place)


def _restricted(
    predictions: Predictions,
    order: NDArray[np.int32],
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    where: str | Path,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Rank of each (row, label) among the classes `order`, and the first guess and its score for every row."""
    if predictions.logits is None:
        raise BadInput(
            "have no logits, and without them the classes cannot be restricted",
            where=where,
            fix="Predict with logits kept, or score without --restrict",
        )
    whole = len(order) == len(predictions.classes)
    best = np.empty(len(predictions), dtype=np.int64)
    score = np.empty(len(predictions), dtype=np.float32)
    place = np.empty(len(labels), dtype=np.int32)
    by_row = np.argsort(rows, kind="stable")
    for part, block in in_blocks(predictions.logits, size=_ROWS):
        logits = block if whole else np.ascontiguousarray(block[:, order])
        first, last = np.searchsorted(rows, (part.start, part.stop), sorter=by_row)
        mine = by_row[first:last]
        place[mine] = rank_of_label(logits, labels[mine], rows[mine] - part.start)
        best[part] = logits.argmax(axis=1)  # argmax names the first of equals: the smaller class_index
        score[part] = logits[np.arange(len(logits)), best[part]]
    return place, order[best], score
