from __future__ import annotations

from math import comb

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.scoring import bootstrap_difference, paired_difference, wilson
from topfive.scoring.intervals import Z


def test_the_human_intervals() -> None:
    assert [round(100 * end, 2) for end in wilson(77, 1500)] == [4.13, 6.37]
    assert [round(100 * end, 1) for end in wilson(31, 258)] == [8.6, 16.6]


def test_wilson_ends_solve_its_equation() -> None:
    # The score interval holds the p with |p - share| = z sqrt(p (1 - p) / n) at its ends.
    for correct, n in [(1, 7), (3, 10), (50, 100), (999, 1000)]:
        for end in wilson(correct, n):
            assert abs(end - correct / n) == pytest.approx(Z * (end * (1 - end) / n) ** 0.5)


def test_wilson_at_nothing_and_everything() -> None:
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
    assert 0.0 < wilson(0, 20)[1] < 0.2
    assert {wilson(0, n)[0] for n in range(1, 200)} == {0.0}, "exactly, however it rounds"
    assert {wilson(n, n)[1] for n in range(1, 200)} == {1.0}
    for correct, n in [(0, 0), (3, 2), (-1, 5)]:
        with pytest.raises(BadInput, match=f"^wilson: {correct} of {n} is no share$"):
            wilson(correct, n)


def test_paired_difference_by_hand() -> None:
    low, high = paired_difference(3, 1, 98)
    a, b = 4 / 100, 2 / 100
    half = 1.959964 * ((a + b - 0.0004) / 100) ** 0.5
    assert (low, high) == (pytest.approx(0.02 - half), pytest.approx(0.02 + half))
    assert paired_difference(0, 0, 10)[0] < 0 < paired_difference(0, 0, 10)[1]
    assert paired_difference(10, 0, 10)[1] == 1.0 and paired_difference(0, 10, 10)[0] == -1.0
    assert paired_difference(1, 0, 1)[1] == 1.0
    for gained, lost, n in [(6, 5, 10), (-1, 2, 5), (2, -1, 5), (0, 0, 0)]:
        with pytest.raises(BadInput, match=f"^paired difference: {gained} and {lost} of {n} pairs cannot be$"):
            paired_difference(gained, lost, n)


def test_paired_difference_covers_in_exact_enumeration() -> None:
    n = 40
    for p, q in [(0.02, 0.02), (0.1, 0.05), (0.3, 0.1), (0.0, 0.05)]:
        covered = 0.0
        for gained in range(n + 1):
            for lost in range(n + 1 - gained):
                weight = comb(n, gained) * comb(n - gained, lost) * p**gained * q**lost
                low, high = paired_difference(gained, lost, n)
                if low <= p - q <= high:
                    covered += weight * (1 - p - q) ** (n - gained - lost)
        assert covered > 0.935


def test_bootstrap_equals_resampling_images() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.random(400) < 0.7, rng.random(400) < 0.62
    slow = []
    for _ in range(4000):
        drawn = rng.integers(0, 400, 400)
        slow.append(first[drawn].mean() - second[drawn].mean())
    fast = bootstrap_difference(first, second, seed=1)
    assert fast == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.008)
    assert fast == bootstrap_difference(first, second, seed=1)
    few = [bootstrap_difference(first, second, seed=seed, n_resamples=5) for seed in range(4)]
    assert len(set(few)) > 1
    assert fast == bootstrap_difference(first, second, seed=1, n_resamples=10_000)


def test_bootstrap_degenerate() -> None:
    same = np.ones(10, dtype=bool)
    assert bootstrap_difference(same, same, seed=0) == (0.0, 0.0)
    with pytest.raises(BadInput, match=r"^bootstrap: 0 and 0 results are no pairs$"):
        bootstrap_difference(same[:0], same[:0], seed=0)
    with pytest.raises(BadInput, match=r"^bootstrap: 10 and 5 results are no pairs$"):
        bootstrap_difference(same, same[:5], seed=0)
