"""What probabilities say of each image: one pass over the logits, a few rows at a time, no copy of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, in_blocks

N_BINS = 15
_ROWS = 256
"""Rows at a time: 1 MB of 1,000 float32, which stays in a core's cache through the passes over it."""
_TINY = np.float32(1e-30)


@dataclass(frozen=True, eq=False)
class Logits:
    """Logits [n, K] made as they are read: the `columns` (None: all) of `scores`, or the logarithms of these."""

    scores: NDArray[np.float32]
    columns: NDArray[np.int32] | None = None
    logarithms: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and classes."""
        return len(self.scores), self.scores.shape[1] if self.columns is None else len(self.columns)

    def __len__(self) -> int:
        return len(self.scores)


Scored = NDArray[np.float32] | Logits


def blocks_of(logits: Scored, rows: NDArray[np.int64] | None = None) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """`logits[rows]` (all where None) a few rows at a time, each with its place; to be read, not written to."""
    if not isinstance(logits, Logits):
        yield from in_blocks(logits, rows, _ROWS)
        return
    for place, block in in_blocks(logits.scores, rows, _ROWS):
        part = block if logits.columns is None else block[:, logits.columns]
        yield place, np.log(np.maximum(part, _TINY)) if logits.logarithms else part


def own_scores(logits: Scored, rows: NDArray[np.int64], labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """The logit of label i in row `rows[i]`, float64 [n]."""
    found = np.empty(len(rows))
    for place, block in blocks_of(logits, rows):
        found[place] = block[np.arange(len(block)), labels[place]]
    return found


@dataclass(frozen=True, eq=False)
class Softmax:
    """Of n images: `log_sum` float64 [n] is the logarithm of the sum of exponentials, `doubt` float64 [n] that sum's
    logarithm less the largest logit (confidence is `exp(-doubt)`; it keeps apart what float32 would round to 1),
    `squares` float64 [n] the sum of squared probabilities.

    `bin_count` and `bin_sum` [K, N_BINS] are, for each class, how many of its n probabilities fall into each bin and
    what they sum to. Bins are of equal width and closed above; 0 lies in the first.
    """

    log_sum: NDArray[np.float64]
    doubt: NDArray[np.float64]
    squares: NDArray[np.float64]
    bin_count: NDArray[np.float64]
    bin_sum: NDArray[np.float64]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The largest probability of each image, float64 [n]."""
        return np.exp(-self.doubt)


def bin_of(probability: NDArray[Any], n_bins: int = N_BINS) -> NDArray[np.int64]:
    """The bin (lower end open, upper end closed) of each probability."""
    place: NDArray[np.int64] = np.ceil(probability * n_bins).astype(np.int64) - 1
    return np.clip(place, 0, n_bins - 1)


def are_probabilities(logits: Scored) -> bool:
    """Whether the scores are probabilities already: none below 0 and every row sums to 1 (within 1e-3)."""
    return all(
        (np.abs(block.sum(axis=1) - 1) <= 1e-3).all() and bool(block.min() >= 0) for _, block in blocks_of(logits)
    )


def as_logits(scores: Scored) -> tuple[Scored, bool]:
    """Scores whose softmax are the model's probabilities, and whether they were probabilities and had to be undone.

    Softmax of probabilities would be nearly flat (the double softmax); softmax of their logarithm gives them back.
    """
    if scores.shape[1] < 2 or not are_probabilities(scores):
        return scores, False
    whole = scores if isinstance(scores, Logits) else Logits(scores)
    return replace(whole, logarithms=True), True


def softmax(
    logits: Scored, rows: NDArray[np.int64] | None = None, *, beta: float = 1.0, by_class: bool = True
) -> Softmax:
    """The softmax of `beta` (one over the temperature) times the logits [N, K], of all rows or of `rows`.

    Without `by_class` the arrays by class are zeros. Raises BadInput where there is no row.
    """
    n, k = (len(logits) if rows is None else len(rows)), logits.shape[1]
    if n == 0:
        raise BadInput("has no image", where="softmax")
    log_sum, doubt, squares = np.empty(n), np.empty(n), np.empty(n)
    total = np.zeros(k)
    cells: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float32]] = []
    for place, part in blocks_of(logits, rows):
        block = part * np.float32(beta)
        top = block.max(axis=1, keepdims=True)
        block -= top
        at_top = block == 0
        np.exp(block, out=block)
        # The largest term is 1; the others are summed apart, so that a sum of 1 + 1e-12 keeps its 1e-12.
        n_top = np.count_nonzero(at_top, axis=1)
        others = np.where(at_top, np.float32(0), block).sum(axis=1, dtype=np.float64) + (n_top - 1)
        doubt[place] = np.log1p(others)
        log_sum[place] = doubt[place] + top[:, 0]
        block /= (1.0 + others).astype(np.float32)[:, None]
        squares[place] = np.einsum("ij,ij->i", block, block)
        if by_class:
            total += block.sum(axis=0, dtype=np.float64)
            row, column = np.nonzero(block > np.float32(1 / N_BINS))
            large = block[row, column]
            cells.append(column * N_BINS + np.maximum(bin_of(large), 1))
            values.append(large)
    bin_count, bin_sum = np.zeros((k, N_BINS)), np.zeros((k, N_BINS))
    if by_class:
        cell = np.concatenate(cells)
        bin_count[:] = np.bincount(cell, minlength=k * N_BINS).reshape(k, N_BINS)
        bin_sum[:] = np.bincount(cell, weights=np.concatenate(values), minlength=k * N_BINS).reshape(k, N_BINS)
        # At most 14 of a row's probabilities lie above the first bin: that one is what is left.
        bin_count[:, 0] = n - bin_count.sum(axis=1)
        bin_sum[:, 0] = np.maximum(0.0, total - bin_sum.sum(axis=1))
    return Softmax(log_sum, doubt, squares, bin_count, bin_sum)
