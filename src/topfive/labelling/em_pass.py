"""The two halves of an expectation-maximisation pass over the votes, compiled.

The exponentials between them are NumPy's (vectorised, 20 times faster than one call each), so a pass over 924,810 votes
takes about 5 ms on one core. Importing this file imports numba (0.3 s), so only the methods that run it do.

Votes are sorted by task: those of task i are `saying[first_vote[i]:first_vote[i + 1]]`, each the row (worker, answer)
of a table [n_workers * n_answers, K]. `gold` is the known class of each task, or -1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _score_tasks(
    first_vote: NDArray[np.int64],
    saying: NDArray[np.int32],
    log_error: Floats,
    log_prior: Floats,
    gold: NDArray[np.int32],
    scores: Floats,
) -> float:
    """Write log P(class, votes) minus its largest value into `scores` [n, K]; returns the sum of what was taken off."""
    taken_off = 0.0
    for task in range(len(scores)):
        for k in range(len(log_prior)):
            scores[task, k] = log_prior[k]
        for vote in range(first_vote[task], first_vote[task + 1]):
            said = saying[vote]
            for k in range(len(log_prior)):
                scores[task, k] += log_error[said, k]
        if gold[task] >= 0:
            taken_off += scores[task, gold[task]]
            continue
        largest = scores[task, 0]
        for k in range(1, len(log_prior)):
            largest = max(largest, scores[task, k])
        for k in range(len(log_prior)):
            scores[task, k] -= largest
        taken_off += largest
    return taken_off


def _count_votes(
    first_vote: NDArray[np.int64],
    saying: NDArray[np.int32],
    weights: Floats,
    gold: NDArray[np.int32],
    truth: Floats,
    counts: Floats,
    class_total: Floats,
) -> tuple[float, float]:
    """Normalise `weights` into `truth` [n, K], then count votes by it; returns (largest change, sum of log totals)."""
    counts[:] = 0.0
    class_total[:] = 0.0
    change = 0.0
    logs = 0.0
    product = 1.0
    for task in range(len(truth)):
        if gold[task] < 0:
            total = 0.0
            for k in range(len(class_total)):
                total += weights[task, k]
            # Totals lie in [1, K]: their product is one logarithm for hundreds of tasks.
            product *= total
            if product > 1e200:
                logs += math.log(product)
                product = 1.0
            for k in range(len(class_total)):
                now = weights[task, k] / total
                change = max(change, abs(now - truth[task, k]))
                truth[task, k] = now
        for k in range(len(class_total)):
            class_total[k] += truth[task, k]
        for vote in range(first_vote[task], first_vote[task + 1]):
            said = saying[vote]
            for k in range(len(class_total)):
                counts[said, k] += truth[task, k]
    return change, logs + math.log(product)


_VOTES = "int64[::1], int32[::1]"
_TABLE = "float64[:, ::1]"
score_tasks: Any = njit(f"float64({_VOTES}, {_TABLE}, float64[::1], int32[::1], {_TABLE})", cache=True)(_score_tasks)
count_votes: Any = njit(
    f"UniTuple(float64, 2)({_VOTES}, {_TABLE}, int32[::1], {_TABLE}, {_TABLE}, float64[::1])", cache=True
)(_count_votes)
