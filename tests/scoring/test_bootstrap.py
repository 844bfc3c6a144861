from __future__ import annotations

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.scoring import percentile_interval, resampled


def test_weights_count_draws_with_replacement() -> None:
    seen = []

    def statistic(weights: np.ndarray) -> np.ndarray:
        seen.append(weights.copy())
        return weights.sum(axis=1)

    sums = resampled(7, statistic, np.random.default_rng(0), 400)
    weights = np.concatenate(seen)
    assert weights.shape == (400, 7) and weights.dtype == np.float32
    assert sums.shape == (400, 1) and (sums == 7).all()
    assert (weights == np.round(weights)).all() and weights.min() == 0 and weights.max() > 1
    # Each image is drawn once on average, with the binomial's variance 1 - 1/n.
    assert np.abs(weights.mean(axis=0) - 1).max() < 0.2
    assert weights.var() == pytest.approx(6 / 7, abs=0.05)


def test_many_images_come_in_several_parts() -> None:
    sizes = []

    def statistic(weights: np.ndarray) -> np.ndarray:
        sizes.append(len(weights))
        assert (weights.sum(axis=1) == weights.shape[1]).all()
        return np.stack([weights[:, 0], weights[:, -1]], axis=1)

    samples = resampled(300_000, statistic, np.random.default_rng(1), 8)
    assert sizes == [3, 3, 2]
    assert samples.shape == (8, 2)
    assert resampled(3_000_000, lambda w: w.sum(axis=1), np.random.default_rng(1), 2).tolist() == [[3e6], [3e6]]


def test_the_mean_moves_as_its_standard_error_says() -> None:
    rng = np.random.default_rng(2)
    values = rng.random(500).astype(np.float32)
    samples = resampled(500, lambda w: w @ values / 500, np.random.default_rng(3), 2000)[:, 0]
    assert samples.mean() == pytest.approx(values.mean(), abs=0.002)
    assert samples.std() == pytest.approx(values.std() / np.sqrt(500), rel=0.08)
    low, high = percentile_interval(samples)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(500), rel=0.1)


def test_same_seed_same_interval() -> None:
    first, second, other = (
        resampled(50, lambda w: w[:, :3], np.random.default_rng(seed), 20) for seed in (5, 5, 6)
    )  # fmt: skip
    assert (first == second).all() and (first != other).any()


def test_the_interval_is_the_middle_of_what_has_a_value() -> None:
    assert percentile_interval(np.append(np.arange(101.0), [np.nan] * 7)) == (2.5, 97.5)
    with pytest.raises(BadInput, match="bootstrap: has no value in any resample"):
        percentile_interval(np.array([np.nan]))
    with pytest.raises(BadInput, match="bootstrap: has no image to draw from"):
        resampled(0, lambda w: w.sum(axis=1), np.random.default_rng(0))


def test_a_thousand_resamples_of_a_stream_that_stays() -> None:
    """Published intervals are drawn again from their seed: numbers of 32 bits, image by image."""
    samples = resampled(5, lambda w: w, np.random.default_rng(4))
    assert samples.shape == (1000, 5) and samples.dtype == np.float64
    rng = np.random.default_rng(4)
    for row in range(3):
        drawn = rng.integers(0, 5, size=5, dtype=np.uint32).tolist()
        assert samples[row].tolist() == [drawn.count(image) for image in range(5)]


def test_a_set_larger_than_a_part_is_drawn_one_resample_at_a_time() -> None:
    sizes = []

    def statistic(weights: np.ndarray) -> np.ndarray:
        sizes.append(len(weights))
        return weights[:, 0]

    resampled((1 << 20) + 1, statistic, np.random.default_rng(0), 2)
    assert sizes == [1, 1]
