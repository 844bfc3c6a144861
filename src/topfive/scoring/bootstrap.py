"""The bootstrap: how far a number would move on other images of the same kind; seeded, vectorised over resamples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, Interval

N_RESAMPLES = 1000
_AT_A_TIME = 1 << 20
"""Weights held at once: 4 MB of float32, which stay in a core's cache."""

Statistic = Callable[[NDArray[np.float32]], NDArray[Any]]
"""From weights [b, n] (how often each image was drawn; each row sums to n) to one row of numbers a resample, [b, s]."""


def resampled(
    n: int, statistic: Statistic, rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> NDArray[np.float64]:
    """The statistic on resamples of n images drawn with replacement, float64 [n_resamples, s].

    The weights are multinomial: n draws, counted. Raises BadInput where there is no image.
    """
    if n == 0:
        raise BadInput("has no image to draw from", where="bootstrap")
    rows = max(1, _AT_A_TIME // n)
    found = []
    for start in range(0, n_resamples, rows):
        b = min(rows, n_resamples - start)
        weights = np.empty((b, n), dtype=np.float32)
        for row in weights:  # one at a time its draws stay in cache: 0.15 ms for 50,000 images, not 0.4
            row[:] = np.bincount(rng.integers(0, n, size=n, dtype=np.uint32), minlength=n)
        found.append(np.asarray(statistic(weights), dtype=np.float64).reshape(b, -1))
    return np.concatenate(found)


def percentile_interval(samples: NDArray[np.float64]) -> Interval:
    """The middle 95 % of one statistic's resamples, float64 [n_resamples]; those without a value (NaN) are left out.

    Raises BadInput where none has a value.
    """
    known = samples[~np.isnan(samples)]
    if not len(known):
        raise BadInput("has no value in any resample", where="bootstrap")
    low, high = np.quantile(known, [0.025, 0.975])
    return (float(low), float(high))
