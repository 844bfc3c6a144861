"""Product quantisation: by hand, against a search of every centroid and scikit-learn's k-means, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from topfive.records import BadInput
from topfive.systems.features.product_quantiser import ProductQuantiser, affordable, fit_quantiser

BY_HAND = ProductQuantiser(np.array([[[0, 0], [4, 0]], [[1, 1], [1, 1]]], np.float32))


def test_codes_and_values_by_hand() -> None:
    vectors = np.array([[1, 1, 9, 9], [3, 0, 0, 0], [2, 0, 1, 1]], np.float32)
    codes = BY_HAND.encode(vectors)
    # Of equally near centroids the first.
    assert codes.tolist() == [[0, 0], [1, 0], [0, 0]]
    assert codes.dtype == np.uint8
    assert BY_HAND.decode(codes).tolist() == [[0, 0, 1, 1], [4, 0, 1, 1], [0, 0, 1, 1]]
    # Squared errors 2 + 128, 1 + 2, 4 + 0 of squared lengths 164, 9, 6.
    assert BY_HAND.lost(vectors) == pytest.approx(137 / 179)
    assert BY_HAND.lost(np.zeros((0, 4), np.float32)) == 0.0
    assert (BY_HAND.dimension, BY_HAND.bits) == (4, 0.5)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 20), subs=st.integers(1, 4), count=st.integers(1, 16), seed=st.integers(0, 99))
def test_each_code_names_the_nearest_centroid(n: int, subs: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    quantiser = ProductQuantiser(rng.normal(size=(subs, count, 3)).astype(np.float32))
    vectors = rng.normal(size=(n, subs * 3)).astype(np.float32)
    codes = quantiser.encode(vectors)
    away = np.square(vectors.reshape(n, subs, 1, 3) - quantiser.centroids.astype(np.float64)).sum(axis=-1)
    chosen = np.take_along_axis(away, codes[..., None].astype(int), axis=-1)[..., 0]
    np.testing.assert_allclose(chosen, away.min(axis=-1), atol=1e-6)
    np.testing.assert_array_equal(quantiser.encode(quantiser.decode(codes)), codes)


def test_it_is_as_good_as_scikit_learns_k_means() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(600, 16)) * np.linspace(2, 0.2, 16)).astype(np.float32)
    quantiser = fit_quantiser([vectors], seed=0, n_centroids=16, iterations=20)
    error = np.square(vectors - quantiser.decode(quantiser.encode(vectors))).sum()
    inertia = sum(
        KMeans(16, n_init=1, init="random", max_iter=20, random_state=0).fit(vectors[:, part]).inertia_
        for part in (slice(0, 8), slice(8, 16))
    )
    assert error < 1.03 * inertia
    assert quantiser.lost(vectors) == pytest.approx(error / np.square(vectors).sum(), rel=1e-5)


def test_it_is_one_quantiser_in_any_cut_and_number_of_threads() -> None:
    vectors = np.random.default_rng(1).normal(size=(100, 32)).astype(np.float32)
    whole = fit_quantiser([vectors], seed=3, n_centroids=8)
    cut = fit_quantiser((vectors[:, i : i + 16] for i in (0, 16)), seed=3, n_centroids=8, workers=3)
    np.testing.assert_array_equal(cut.centroids, whole.centroids)
    other = fit_quantiser([vectors], seed=4, n_centroids=8)
    assert not np.array_equal(other.centroids, whole.centroids)


def test_every_distinct_vector_has_a_centroid_where_there_are_enough() -> None:
    # Half of the vectors are zeros, as Fisher vectors of Gaussians that a picture does not touch.
    vectors = np.zeros((32, 8), np.float32)
    vectors[16:, 0] = np.repeat(np.arange(1, 8), (3, 3, 2, 2, 2, 2, 2))
    quantiser = fit_quantiser([vectors], seed=0, n_centroids=8)
    assert quantiser.lost(vectors) == pytest.approx(0.0, abs=1e-9)


def test_few_vectors_afford_few_centroids() -> None:
    assert [affordable(n) for n in (8, 15, 16, 1000, 1023, 1024, 10**6)] == [2, 2, 4, 128, 128, 256, 256]
    assert affordable(10**6, 100) == 64
    with pytest.raises(BadInput, match="7 vectors are too few"):
        affordable(7)


def test_what_cannot_be_coded_is_refused() -> None:
    vectors = np.zeros((10, 8), np.float32)
    for centroids, part in ((257, vectors), (0, vectors), (16, vectors), (2, vectors[:, :7])):
        with pytest.raises(BadInput):
            fit_quantiser([part], seed=0, n_centroids=centroids)
    with pytest.raises(BadInput, match="no vectors"):
        fit_quantiser([], seed=0)
    with pytest.raises(BadInput, match=r"has shape \[10, 8\]"):
        BY_HAND.encode(vectors)
