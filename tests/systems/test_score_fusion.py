"""The weights of a sum of scores: by hand, and of a machine that knows nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from topfive.systems.features.linear_svm import fit_scale
from topfive.systems.features.score_fusion import fit_sum


def test_one_machine_right_in_three_of_four_by_hand() -> None:
    scores = np.tile(np.array([[1.0, 0.0]], np.float32), (4, 1))
    (weight,), loss = fit_sum([scores], np.array([0, 0, 0, 1]))
    assert weight == pytest.approx(math.log(3), rel=1e-3)
    assert loss == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), rel=1e-4)


def test_noise_gets_little_and_the_sum_beats_its_parts() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 4000)
    truth = np.eye(6)[labels]
    good, other = (2 * truth + rng.normal(size=(2, 4000, 6))).astype(np.float32)
    noise = rng.normal(size=(4000, 6)).astype(np.float32)
    weights, loss = fit_sum([good, 100 * other, noise], labels)
    # Equal machines in other units get equal weights in theirs; unit noise in both makes the best weight 2.
    assert weights[0] == pytest.approx(2.0, rel=0.1)
    assert 100 * weights[1] == pytest.approx(2.0, rel=0.1)
    assert weights[2] < 0.05
    assert loss < min(fit_scale(good, labels)[1], fit_scale(other, labels)[1])


def test_weights_are_never_negative_and_a_constant_machine_does_no_harm() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    right = np.eye(3, dtype=np.float32)[labels] + rng.normal(size=(300, 3)).astype(np.float32)
    weights, loss = fit_sum([right, -right, np.ones((300, 3), np.float32)], labels)
    assert (weights >= 0).all() and np.isfinite(weights).all() and weights.max() < 100
    assert loss == pytest.approx(fit_scale(right, labels)[1], abs=1e-4)
