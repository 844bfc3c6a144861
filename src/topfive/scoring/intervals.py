"""95 % intervals: Wilson's for one share, Bonett and Price's and a paired bootstrap for a difference of two."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, Interval

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: every interval here covers 95 %."""


def wilson(correct: int, n: int) -> Interval:
    """Wilson's score interval of the share correct / n; raises BadInput unless 0 <= correct <= n and n > 0."""
    if not 0 <= correct <= n or n == 0:
        raise BadInput(f"{correct} of {n} is no share", where="wilson")
    centre = (correct + Z * Z / 2) / (n + Z * Z)
    half = Z * sqrt(correct * (n - correct) / n + Z * Z / 4) / (n + Z * Z)
    # The ends are 0 and 1 exactly where nothing or everything counts; rounding would miss them by 1e-17.
    return (0.0 if correct == 0 else centre - half, 1.0 if correct == n else centre + half)


def paired_difference(first_only: int, second_only: int, n: int) -> Interval:
    """Interval of (first_only - second_only) / n for n pairs of which that many count on one side only.

    Wald's interval on counts raised by one each (Bonett and Price 2012), which keeps its coverage where few pairs
    differ and does not shrink to a point where none does; cut to [-1, 1].
    """
    if min(first_only, second_only) < 0 or first_only + second_only > n or n == 0:
        raise BadInput(f"{first_only} and {second_only} of {n} pairs cannot be", where="paired difference")
    a, b = (first_only + 1) / (n + 2), (second_only + 1) / (n + 2)
    half = Z * sqrt((a + b - (a - b) ** 2) / (n + 2))
    return (max(-1.0, a - b - half), min(1.0, a - b + half))


def bootstrap_difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], *, seed: int, n_resamples: int = 10_000
) -> Interval:
    """Paired percentile bootstrap of mean(first) - mean(second), both bool [n] over the same images.

    Resampling images changes only how many differ each way, so the resamples are drawn as those counts (multinomial):
    the same distribution as drawing n images each time, at a cost that does not grow with n.
    """
    n = len(first)
    if n == 0 or len(second) != n:
        raise BadInput(f"{n} and {len(second)} results are no pairs", where="bootstrap")
    gained = int(np.count_nonzero(first & ~second))
    lost = int(np.count_nonzero(second & ~first))
    shares = [gained / n, lost / n, (n - gained - lost) / n]
    drawn = np.random.default_rng(seed).multinomial(n, shares, size=n_resamples)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, [0.025, 0.975])
    return (float(low), float(high))
