"""Weights for the sum of several machines' scores: those under which held-out labels are likeliest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fit_sum(
    scores: Sequence[NDArray[np.floating[Any]]], class_index: NDArray[np.integer]
) -> tuple[NDArray[np.float64], float]:
    """Weights [M] of at least zero of M arrays [n, K], and the loss of softmax(their weighted sum) that they leave.

    The problem is convex. Weights also set the scale of the sum, so that it can be read as logits.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    wide = np.stack(scores).astype(np.float64)
    # In units of their deviation all machines' weights are of one size: a search steps alike in each.
    unit = wide.std(axis=(1, 2))
    unit[unit == 0] = 1.0
    wide /= unit[:, None, None]
    rows = np.arange(len(class_index))

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        likely = log_softmax(np.tensordot(weights, wide, 1), axis=1)
        value = -float(likely[rows, class_index].mean())
        share = np.exp(likely)
        share[rows, class_index] -= 1.0
        return value, np.tensordot(wide, share, 2) / len(rows)

    start, bounds = np.full(len(wide), 1.0 / len(wide)), [(0.0, 100.0)] * len(wide)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x / unit, dtype=np.float64), float(found.fun)
