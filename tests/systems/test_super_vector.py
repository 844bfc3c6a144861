"""Super-vectors: by hand, against a loop from the formula, regions, and beside Fisher vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from topfive.systems.features.fisher import Mixture
from topfive.systems.features.super_vector import SuperVector

ONE = Mixture(np.ones(1, np.float32), np.zeros((1, 1), np.float32), np.full((1, 1), 4.0, np.float32))


def some_mixture(k: int, d: int, seed: int) -> Mixture:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(k, 3.0)).astype(np.float32)
    means = rng.normal(size=(k, d)).astype(np.float32)
    return Mixture(weights, means, rng.uniform(0.2, 2.0, size=(k, d)).astype(np.float32))


def slow(mixture: Mixture, data: NDArray[np.float32], count: float) -> NDArray[np.float64]:
    """The definition, a descriptor and a Gaussian at a time."""
    n, (k, d) = len(data), mixture.means.shape
    shares = np.zeros((n, k))
    for i, x in enumerate(data.astype(np.float64)):
        log = [
            math.log(mixture.weights[j])
            - 0.5 * float((np.log(mixture.variances[j]) + (x - mixture.means[j]) ** 2 / mixture.variances[j]).sum())
            for j in range(k)
        ]
        shares[i] = np.exp(np.array(log) - max(log))
        shares[i] /= shares[i].sum()
    out = np.zeros((k, d + 1))
    for j in range(k):
        p = shares[:, j].mean()
        out[j, 0] = count * math.sqrt(p)
        for i in range(n):
            out[j, 1:] += shares[i, j] * (data[i] - mixture.means[j]) / np.sqrt(mixture.variances[j]) / n / math.sqrt(p)
    return (out / np.linalg.norm(out)).reshape(-1)


def test_one_gaussian_in_one_dimension_by_hand() -> None:
    # Its share is all; the mean difference is 2, in units of its deviation 2 one. With a count of 1: (1, 1) / sqrt 2.
    found = SuperVector(ONE, 1.0).encode(np.array([[1.0], [3.0]], np.float32))
    np.testing.assert_allclose(found, [[math.sqrt(0.5), math.sqrt(0.5)]], rtol=1e-6)


def test_two_far_gaussians_share_by_hand() -> None:
    mixture = Mixture(np.full(2, 0.5, np.float32), np.array([[0.0], [100.0]], np.float32), np.ones((2, 1), np.float32))
    found = SuperVector(mixture, 1.0).encode(np.array([[1.0], [1.0], [1.0], [98.0]], np.float32))
    # Three in four lie 1 above the first, one 2 below the second: roots of 3/4 and 1/4.
    expected = np.array([math.sqrt(3) / 2, math.sqrt(3) / 2, 0.5, -1.0])
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(k=st.integers(1, 5), d=st.integers(1, 6), n=st.integers(1, 30), seed=st.integers(0, 999))
def test_vectors_are_those_of_the_formula(k: int, d: int, n: int, seed: int) -> None:
    mixture = some_mixture(k, d, seed)
    data = np.random.default_rng(seed + 1).normal(size=(n, d)).astype(np.float32)
    np.testing.assert_allclose(SuperVector(mixture).encode(data)[0], slow(mixture, data, 0.1), atol=1e-3)


def test_each_region_is_encoded_by_itself_and_all_have_length_one_together() -> None:
    coding, data = SuperVector(some_mixture(4, 3, 1)), np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
    found = coding.encode(data, (slice(None), np.arange(5, 20), np.arange(0)))
    assert found.shape == (3, coding.length)
    assert np.linalg.norm(found) == pytest.approx(1.0, rel=1e-5)
    for row, part in ((0, data), (1, data[5:])):
        alone = coding.encode(part)[0]
        np.testing.assert_allclose(found[row] / np.linalg.norm(found[row]), alone, atol=1e-5)
    assert not found[2].any()


def test_no_descriptors_give_zeros_and_far_ones_stay_finite() -> None:
    coding = SuperVector(some_mixture(3, 2, 0))
    assert not coding.encode(np.zeros((0, 2), np.float32)).any()
    assert np.isfinite(coding.encode(np.full((2, 2), 1e4, np.float32))).all()
