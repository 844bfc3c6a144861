"""Projection, mixture and Fisher vectors: known cases, a loop from the formula, VLFeat."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from topfive.records import BadInput
from topfive.systems.features.fisher import Mixture, fit_mixture, improve, pyramid
from topfive.systems.features.pca import fit_projection

ONE = Mixture(np.ones(1, np.float32), np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32))


def some_mixture(k: int, d: int, seed: int) -> Mixture:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(k, 3.0)).astype(np.float32)
    means = rng.normal(size=(k, d)).astype(np.float32)
    return Mixture(weights, means, rng.uniform(0.2, 2.0, size=(k, d)).astype(np.float32))


def slow(mixture: Mixture, data: NDArray[np.float32]) -> NDArray[np.float64]:
    """The gradient from the formula, a descriptor and a component at a time."""
    n, (k, d) = len(data), mixture.means.shape
    mean, variance = np.zeros((k, d)), np.zeros((k, d))
    for x in data.astype(np.float64):
        log = [
            math.log(mixture.weights[j])
            - 0.5 * float((np.log(mixture.variances[j]) + (x - mixture.means[j]) ** 2 / mixture.variances[j]).sum())
            for j in range(k)
        ]
        share = np.exp(np.array(log) - max(log))
        share /= share.sum()
        for j in range(k):
            z = (x - mixture.means[j]) / np.sqrt(mixture.variances[j])
            mean[j] += share[j] * z / (n * math.sqrt(mixture.weights[j]))
            variance[j] += share[j] * (z**2 - 1) / (n * math.sqrt(2 * mixture.weights[j]))
    return np.concatenate([mean, variance]).reshape(-1)


def test_one_component_in_one_dimension_by_hand() -> None:
    # For the standard normal: mean of x, and mean of (x^2 - 1) / sqrt(2).
    vector = ONE.encode(np.array([[1.0], [3.0]], np.float32), improved=False)
    np.testing.assert_allclose(vector, [[2.0, (0.0 + 8.0) / 2 / math.sqrt(2)]], rtol=1e-6)


def test_the_roots_keep_their_signs_and_the_length_is_one() -> None:
    np.testing.assert_allclose(improve(np.array([[9.0, -16.0]], np.float32)), [[0.6, -0.8]], rtol=1e-6)
    assert not improve(np.zeros((1, 3), np.float32)).any()


@settings(max_examples=25, deadline=None)
@given(k=st.integers(1, 5), d=st.integers(1, 6), n=st.integers(1, 30), seed=st.integers(0, 999))
def test_vectors_are_those_of_the_formula(k: int, d: int, n: int, seed: int) -> None:
    mixture = some_mixture(k, d, seed)
    data = np.random.default_rng(seed + 1).normal(size=(n, d)).astype(np.float32)
    np.testing.assert_allclose(mixture.encode(data, improved=False)[0], slow(mixture, data), atol=2e-4)


@pytest.mark.parametrize("improved", [False, True])
def test_vectors_are_vlfeats(vlfeat: Any, improved: bool) -> None:
    mixture = some_mixture(16, 24, 3)
    data = (1.2 * np.random.default_rng(4).normal(size=(500, 24))).astype(np.float32)
    expected = vlfeat.fisher(data, mixture.weights, mixture.means, mixture.variances, improved=improved)
    found = mixture.encode(data, improved=improved)[0]
    assert np.abs(found - expected).max() < 1e-3
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_a_narrow_component_far_from_0_keeps_its_spread() -> None:
    rng = np.random.default_rng(5)
    means = np.array([[0.5, -0.7], [0.0, 0.3]], np.float32)
    mixture = Mixture(np.array([0.3, 0.7], np.float32), means, np.array([[5e-6, 5e-6], [0.2, 0.3]], np.float32))
    data = np.concatenate([means[:1] + rng.normal(0, 2e-3, (40, 2)), rng.normal(0, 0.5, (60, 2))]).astype(np.float32)
    np.testing.assert_allclose(mixture.encode(data, improved=False)[0], slow(mixture, data), atol=2e-5)


def test_no_descriptors_give_zeros_and_far_ones_stay_finite() -> None:
    mixture = some_mixture(3, 2, 0)
    assert not mixture.encode(np.zeros((0, 2), np.float32)).any()
    assert np.isfinite(mixture.encode(np.full((2, 2), 1e4, np.float32))).all()


def test_each_region_is_encoded_by_itself() -> None:
    mixture = some_mixture(4, 3, 1)
    data = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
    regions = (slice(None), np.arange(5, 20), np.arange(0))
    found = mixture.encode(data, regions)
    assert found.shape == (3, mixture.length)
    np.testing.assert_array_equal(found[0], mixture.encode(data)[0])
    np.testing.assert_allclose(found[1], mixture.encode(data[5:])[0], atol=1e-5)
    assert not found[2].any()
    np.testing.assert_allclose(np.linalg.norm(found[:2], axis=1), 1.0, rtol=1e-5)


def test_a_pyramid_parts_the_picture_into_rows_and_columns() -> None:
    centres = np.array([[1, 1], [8, 1], [1, 4], [8, 9]], np.float32)
    regions = pyramid(centres, 9, 9, ("1x1", "3x1", "1x2"))
    assert [region.tolist() for region in regions] == [[0, 1, 2, 3], [0, 1], [2], [3], [0, 2], [1, 3]]
    for wrong in ("3", "0x1", "axb"):
        with pytest.raises(BadInput, match="no level of a pyramid"):
            pyramid(centres, 9, 9, (wrong,))


def test_a_mixture_finds_two_heaps() -> None:
    rng = np.random.default_rng(0)
    data = np.concatenate([rng.normal(-3, 1, (600, 2)), rng.normal(3, 0.5, (200, 2))]).astype(np.float32)
    mixture = fit_mixture(data, 2, seed=0)
    by_mean = np.argsort(mixture.means[:, 0])
    np.testing.assert_allclose(mixture.weights[by_mean], [0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(mixture.means[by_mean, 0], [-3, 3], atol=0.1)
    np.testing.assert_allclose(mixture.variances[by_mean, 0], [1.0, 0.25], atol=0.15)
    again = fit_mixture(data, 2, seed=0)
    np.testing.assert_array_equal(again.means, mixture.means)


def test_variances_have_a_floor() -> None:
    data = np.concatenate([np.zeros((50, 2)), np.random.default_rng(0).normal(100, 30, (50, 2))]).astype(np.float32)
    mixture = fit_mixture(data, 2, seed=0)
    assert mixture.variances.min() >= 0.99e-4 * mixture.variances.max()


def test_too_few_descriptors_are_refused() -> None:
    with pytest.raises(BadInput, match="7 descriptors are too few for 4 components"):
        fit_mixture(np.zeros((7, 2), np.float32), 4, seed=0)
    with pytest.raises(BadInput, match="5 axes cannot be found"):
        fit_projection(np.zeros((9, 4), np.float32), 5)


def test_a_projection_keeps_the_axes_of_largest_variance() -> None:
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    data = (rng.normal(size=(5000, 4)) * [3.0, 2.0, 0.1, 0.1] @ turn + 7).astype(np.float32)
    projection = fit_projection(data, 2)
    np.testing.assert_allclose(projection.axes.T @ projection.axes, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(projection(data).std(axis=0), [3.0, 2.0], rtol=0.05)
    np.testing.assert_allclose(projection(data).mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(np.abs(projection.axes[:, 0] @ turn[0]), 1.0, atol=0.01)


@pytest.mark.slow
def test_a_seed_gives_one_vocabulary_in_every_process() -> None:
    """k-means with several threads adds in another order from run to run; only a fresh process shows it."""
    code = (
        "import numpy as np; from topfive.systems.features.fisher import fit_mixture; "
        "x = np.random.default_rng(0).standard_normal((20000, 16), dtype=np.float32); "
        "print(fit_mixture(x, 8, seed=0).means.tobytes().hex())"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    said = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
        for _ in range(4)
    }
    assert len(said) == 1
