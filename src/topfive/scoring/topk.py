"""Where a label stands among all scores, by counting: no sort, no temporary, one stated rule for ties."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

_UNRANKED = -1


def rank_of_label(
    logits: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    rows: NDArray[np.integer[Any]] | None = None,
    *,
    workers: int = 2,
) -> NDArray[np.int32]:
    """How many classes stand before label i in its row of `logits` [n, K]: int32 [m], 0 for the first guess.

    Equal scores are ordered by class_index, as in `Predictions.from_logits`, so `rank < k` is top-k exactly. `rows`
    names the row of each label where an image has several (default: label i belongs to row i). Raises BadInput on a
    label or row outside the array and on a NaN, which cannot be ranked. float32 and float64 are read in place.
    """
    scores = logits if logits.dtype in (np.float32, np.float64) else logits.astype(np.float32)
    n, k = scores.shape
    chosen, wanted = np.arange(n) if rows is None else rows.astype(np.int64), labels.astype(np.int64)
    if wanted.shape != chosen.shape:
        raise BadInput(f"{len(wanted)} labels do not fit {len(chosen)} rows of scores", where="logits")
    for name, values, size in (("label", wanted, k), ("row", chosen, n)):
        bad = np.flatnonzero((values < 0) | (values >= size))
        if len(bad):
            raise BadInput(f"{name} {values[bad[0]]} is not among {size}", where="logits", row=int(bad[0]))
    rank = np.empty(len(wanted), dtype=np.int32)
    parts = (np.array_split(values, workers) for values in (chosen, wanted, rank))  # views: each thread fills its own
    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(_compiled(), repeat(scores), *parts))
    bad = np.flatnonzero(rank == _UNRANKED)
    if len(bad):
        raise BadInput(
            "a score is not a number",
            where="logits",
            row=int(chosen[bad[0]]),
            fix="Predict it anew: NaN cannot be ranked",
        )
    return rank


def _count(logits: Any, rows: Any, labels: Any, rank: Any) -> None:
    k = logits.shape[1]
    for i in range(len(labels)):
        row = logits[rows[i]]
        mine = row[labels[i]]
        # 32-bit counts let the compiler compare 16 scores at once: 6.6 ms for 50,000 x 1,000 on one core, not 36.
        above = np.int32(0)
        below = np.int32(0)
        for j in range(k):
            above += np.int32(row[j] > mine)
            below += np.int32(row[j] < mine)
        if k - above - below != 1:  # a tie, or a NaN, which is neither above nor below
            for j in range(labels[i]):
                above += np.int32(row[j] == mine)
            for j in range(k):
                if np.isnan(row[j]):
                    above = np.int32(_UNRANKED)
        rank[i] = above


@cache
def _compiled() -> Callable[..., None]:
    import numba

    compiled: Callable[..., None] = numba.njit(nogil=True, cache=True)(_count)
    return compiled
