"""Confident learning (Northcutt et al. 2021): from thresholds to how many labels of each pair to distrust.

Written to give cleanlab 2.9's answers to the last bit, since counts that end in exactly .5 round either way otherwise:
thresholds are means in the probabilities' own precision, and the joint is summed in (guessed, given) memory order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN

Floats = NDArray[np.floating[Any]]

LEAST_THRESHOLD = 2e-6
_NEVER = 2.0
"""The threshold of a class without images: no probability reaches it."""


def class_thresholds(self_confidence: Floats, by_class: tuple[NDArray[np.int64], ...]) -> tuple[Floats, int]:
    """Mean self-confidence of each class [K], raised to LEAST_THRESHOLD; and how many were raised.

    `by_class[k]` holds the rows labelled k in ascending order.
    """
    means = np.array([self_confidence[rows].mean() if len(rows) else _NEVER for rows in by_class])
    return np.clip(means, LEAST_THRESHOLD, None), int((means < LEAST_THRESHOLD).sum())


def confident_joint(labels: NDArray[np.int64], guess: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Counts int64 [given, guessed] over rows with a confident guess (not UNKNOWN), the diagonal at least 1."""
    sure = guess != UNKNOWN
    cells = np.bincount(guess[sure] * n_classes + labels[sure], minlength=n_classes * n_classes)
    joint = cells.reshape(n_classes, n_classes).T
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    return joint


def calibrate(joint: NDArray[np.int64], n_given: NDArray[np.int64]) -> NDArray[np.int64]:
    """The joint scaled to `n_given` rows of each given class and rounded, int64 [given, guessed]."""
    scaled = joint / joint.sum(axis=1, keepdims=True) * n_given[:, None]
    scaled = scaled / scaled.sum() * n_given.sum()
    return round_rows(np.ascontiguousarray(scaled))


def round_rows(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round each row to whole numbers that keep its sum: what rounding moved most is moved by one more."""
    whole = values.round()
    wanted = values.sum(axis=1).round()
    for row in np.flatnonzero(whole.sum(axis=1) != wanted):
        while (missing := int(wanted[row] - whole[row].sum())) != 0:
            step = 1 if missing > 0 else -1
            order = np.argsort(values[row] - whole[row])[::-step]
            whole[row, order[: abs(missing)]] += step
    return np.asarray(whole, dtype=np.int64)


def prune_counts(calibrated: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows to move from each given class to each guessed one, int64 [given, guessed]; the diagonal stays.

    Each class keeps at least one row, taken evenly from its other cells.
    """
    stay = np.maximum(calibrated.diagonal(), 1)
    n_others = np.maximum(np.count_nonzero(calibrated, axis=1) - 1, 1)
    moved = calibrated - ((stay - calibrated.diagonal()) / n_others)[:, None]
    counts: NDArray[np.int64] = np.maximum(moved, 0.0).astype(np.int64)
    np.fill_diagonal(counts, stay)
    return counts
