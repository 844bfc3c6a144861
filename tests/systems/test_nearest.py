"""Nearest neighbours against a slow search in double precision: ties, copies, scales, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from topfive.records import BadInput
from topfive.systems.features.nearest import nearest

pytest.importorskip("torch")

Floats = NDArray[np.float32]


def slow(queries: Floats, rows: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    index, similarity = [], []
    for query in queries:
        products = [np.float32(row.astype(np.float64) @ query.astype(np.float64)) for row in rows]
        order = sorted(range(len(rows)), key=lambda i: (-products[i], i))[:k]
        index.append(order)
        similarity.append([products[i] for i in order])
    return np.array(index), np.array(similarity, dtype=np.float32)


@settings(max_examples=40, deadline=None)
@given(
    m=st.integers(1, 5), n=st.integers(1, 60), d=st.integers(1, 40), share=st.floats(0.01, 1), seed=st.integers(0, 999),
    scale=st.sampled_from([1e-3, 1.0, 1e3]), copies=st.booleans(),
)  # fmt: skip
def test_it_finds_what_a_slow_search_finds(
    m: int, n: int, d: int, share: float, seed: int, scale: float, copies: bool
) -> None:
    rng = np.random.default_rng(seed)
    queries, rows = (scale * rng.normal(size=(size, d)).astype(np.float32) for size in (m, n))
    if copies:
        rows = rows[rng.integers(0, max(1, n // 3), n)]
    k = max(1, round(share * n))
    index, similarity = nearest(queries, rows, k)
    expected, products = slow(queries, rows, k)
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_array_equal(similarity, products)


def test_neighbours_that_half_precision_cannot_tell_apart() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=64)
    rows = (base + 1e-4 * rng.normal(size=(500, 64))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index, _ = nearest(rows[:3], rows, 10)
    np.testing.assert_array_equal(index, slow(rows[:3], rows, 10)[0])


def test_a_query_finds_the_same_in_any_company() -> None:
    rng = np.random.default_rng(1)
    queries, rows = (rng.normal(size=(size, 48)).astype(np.float32) for size in (600, 2000))
    index, similarity = nearest(queries, rows, 20)
    some = rng.permutation(600)[:77]
    again, products = nearest(queries[some], rows, 20)
    np.testing.assert_array_equal(again, index[some])
    np.testing.assert_array_equal(products, similarity[some])


def test_ties_go_to_the_lower_row() -> None:
    rows = np.array([[0, 1], [1, 0], [1, 0], [0, 1], [1, 0]], dtype=np.float32)
    index, similarity = nearest(np.array([[1, 0], [0, 0]], dtype=np.float32), rows, 4)
    np.testing.assert_array_equal(index, [[1, 2, 4, 0], [0, 1, 2, 3]])
    np.testing.assert_array_equal(similarity, [[1, 1, 1, 0], [0, 0, 0, 0]])


def test_nothing_to_search_for_gives_nothing() -> None:
    index, similarity = nearest(np.empty((0, 3), np.float32), np.ones((4, 3), np.float32), 2)
    assert index.shape == similarity.shape == (0, 2)


def test_what_cannot_be_searched_is_refused() -> None:
    queries, rows = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)
    for k in (0, 5):
        with pytest.raises(BadInput, match=f"{k} neighbours are not to be found among 4 rows"):
            nearest(queries, rows, k)
    with pytest.raises(BadInput, match="queries of 3 values"):
        nearest(queries, rows[:, :2], 1)
    for bad in (np.nan, np.inf):
        with pytest.raises(BadInput, match="not finite"):
            nearest(np.full((2, 3), bad, np.float32), rows, 1)
        with pytest.raises(BadInput, match="not finite"):
            nearest(queries, np.full((4, 3), bad, np.float32), 1)
