"""Local coordinate coding: by hand, against the constrained least squares, and where words or descriptors coincide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput
from topfive.systems.features.local_coding import LocalCoding, fit_words

LINE = LocalCoding(np.array([[0.0], [1.0], [9.0]], np.float32), 2)


def test_a_point_between_two_words_by_hand() -> None:
    near, share = LINE.code(np.array([[0.25], [1.0], [5.5]], np.float32))
    assert [set(row) for row in near.tolist()] == [{0, 1}, {0, 1}, {1, 2}]
    found = np.zeros((3, 3))
    np.put_along_axis(found, near, share.astype(np.float64), axis=1)
    np.testing.assert_allclose(found, [[0.75, 0.25, 0], [0, 1, 0], [0, 0.4375, 0.5625]], atol=2e-3)


def test_the_largest_coefficient_of_each_word_is_kept() -> None:
    found = LINE.encode(np.array([[0.25], [0.9]], np.float32), (slice(None), np.array([1]), np.arange(0)))
    pooled = np.array([[0.75, 0.9, 0], [0.1, 0.9, 0], [0, 0, 0]])
    np.testing.assert_allclose(found, pooled / np.linalg.norm(pooled), atol=2e-3)
    assert np.linalg.norm(found) == pytest.approx(1.0)


def test_negative_coefficients_are_pooled_as_zero() -> None:
    found = LINE.encode(np.array([[-1.0]], np.float32))
    np.testing.assert_allclose(found, [[1, 0, 0]], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(k=st.integers(2, 5), n=st.integers(1, 8), seed=st.integers(0, 999))
def test_coefficients_are_the_constrained_least_squares(k: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    words, points = rng.normal(size=(12, 6)).astype(np.float32), rng.normal(size=(n, 6)).astype(np.float32)
    near, share = LocalCoding(words, k).code(points)
    np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-4)
    for point, chosen, found in zip(points, near, share, strict=True):
        distances = np.linalg.norm(words - point, axis=1)
        assert set(chosen) == set(np.argsort(distances)[:k])
        # Minimum of |point - B' c|^2 + ridge tr(C) |c|^2 with sum(c) = 1, by its Lagrange conditions.
        apart = (words[chosen] - point).astype(np.float64)
        system = np.zeros((k + 1, k + 1))
        system[:k, :k] = apart @ apart.T
        system[np.arange(k), np.arange(k)] += 1e-4 * np.trace(system)
        system[k, :k] = system[:k, k] = 1.0
        np.testing.assert_allclose(found, np.linalg.solve(system, [0.0] * k + [1.0])[:k], atol=1e-3)


def test_a_point_on_words_that_coincide_is_shared_evenly() -> None:
    coding = LocalCoding(np.zeros((3, 2), np.float32), 3)
    np.testing.assert_allclose(coding.code(np.zeros((1, 2), np.float32))[1], 1 / 3, rtol=1e-5)


def test_no_descriptors_give_zeros() -> None:
    assert not LINE.encode(np.zeros((0, 1), np.float32)).any()


def test_words_are_the_middles_of_heaps_and_repeat() -> None:
    rng = np.random.default_rng(0)
    heaps = (rng.normal(0, 0.1, (300, 2)) + np.array([[0, 0], [5, 5], [9, 0]])[np.arange(300) % 3]).astype(np.float32)
    words = fit_words(heaps, 3, seed=4)
    np.testing.assert_allclose(words[np.argsort(words[:, 0])], [[0, 0], [5, 5], [9, 0]], atol=0.05)
    np.testing.assert_array_equal(fit_words(heaps, 3, seed=4), words)


def test_too_few_descriptors_are_refused() -> None:
    with pytest.raises(BadInput, match="3 descriptors are too few for 4 words"):
        fit_words(np.zeros((3, 2), np.float32), 4, seed=0)
