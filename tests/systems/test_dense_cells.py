"""Cells of overlapping patches against plain loops, and where there is no room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from topfive.records import BadInput
from topfive.systems.features.dense_cells import DenseCells


def slow(planes: NDArray[np.float64], grid: DenseCells) -> NDArray[np.float64]:
    """Sums over the cells of one picture [h, w, F], a patch and a cell at a time."""
    height, width, _ = planes.shape
    side, c = grid.cells * grid.cell_px, grid.cell_px
    out = []
    for top in range(0, height - side + 1, grid.step_px):
        for left in range(0, width - side + 1, grid.step_px):
            patch = planes[top : top + side, left : left + side]
            out.append(
                [
                    [patch[i * c : (i + 1) * c, j * c : (j + 1) * c].sum(axis=(0, 1)) for j in range(grid.cells)]
                    for i in range(grid.cells)
                ]
            )
    return np.array(out).reshape(-1, grid.cells, grid.cells, planes.shape[2])


@settings(max_examples=30, deadline=None)
@given(
    cell_px=st.integers(1, 5),
    cells=st.integers(1, 3),
    step_px=st.integers(1, 7),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_cells_are_those_of_plain_loops(
    cell_px: int, cells: int, step_px: int, height: int, width: int, seed: int
) -> None:
    grid, rng = DenseCells(cell_px, cells, step_px), np.random.default_rng(seed)
    codes, weights = rng.integers(0, 4, (2, height, width)), rng.random((2, height, width))
    one_hot = (codes[..., None] == np.arange(4)) * weights[..., None]
    sums, counts, means = grid.histograms(codes, 4, weights), grid.histograms(codes, 4), grid.means(one_hot)
    n_patches = len(grid.centres(height, width))
    assert sums.shape == (2, n_patches, cells, cells, 4)
    for i in range(2):
        expected = slow(one_hot[i], grid)
        np.testing.assert_allclose(sums[i], expected, atol=1e-12)
        np.testing.assert_allclose(means[i], expected / cell_px**2, atol=1e-12)
        np.testing.assert_array_equal(counts[i], slow(1.0 * (codes[i][..., None] == np.arange(4)), grid))


def test_one_patch_by_hand() -> None:
    codes = np.array([[[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 1]]])
    found = DenseCells(2, 2, 1).histograms(codes, 2)
    assert found.tolist() == [[[[[3, 1], [0, 4]], [[0, 4], [3, 1]]]]]
    assert DenseCells(2, 2, 1).centres(4, 4).tolist() == [[1.5, 1.5]]


def test_centres_go_row_by_row() -> None:
    assert DenseCells(2, 1, 3).centres(5, 8).tolist() == [[x, y] for y in (0.5, 3.5) for x in (0.5, 3.5, 6.5)]


@pytest.mark.parametrize("field", ["cell_px", "cells", "step_px"])
def test_sizes_below_one_are_refused(field: str) -> None:
    with pytest.raises(BadInput, match=f"{field} = 0"):
        DenseCells(**{"cell_px": 2, "cells": 2, "step_px": 2, field: 0}).check("patch")
