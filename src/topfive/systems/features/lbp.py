"""Dense local binary patterns: which of eight neighbours are at least as bright, counted in cells.

Ojala, Pietikainen and Maenpaa, PAMI 2002: eight samples on a circle of radius 1, the diagonal ones interpolated. The 58
patterns with at most two changes around the circle have a bin each, all others share one, as in scikit-image's
`nri_uniform`. A patch is the square root of its cells' shares, at length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput
from topfive.systems.features.dense_cells import DenseCells

Floats = NDArray[np.float32]

BINS = 59
"""58 uniform patterns and one bin for the rest."""

_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""Rows and columns of the neighbours, counter-clockwise from the right: bit 0 first."""


@dataclass(frozen=True)
class Lbp:
    """Patches of `cells` x `cells` cells of each of `cells_px`, one every `step_px` pixels."""

    cells_px: tuple[int, ...] = (8, 12)
    step_px: int = 4
    cells: int = 2

    @property
    def length(self) -> int:
        """Values of a descriptor, in the order cell row, cell column, pattern."""
        return self.cells * self.cells * BINS

    def check(self) -> None:
        """Raise BadInput naming the first field that no descriptor can be taken with."""
        if not self.cells_px:
            raise BadInput("takes no descriptor with cells_px = ()", where="LBP", row="cells_px")
        for grid in self._grids():
            grid.check("LBP")

    def centres(self, height: int, width: int) -> Floats:
        """Centre (x, y) in pixels of each descriptor, float32 [N, 2]: size by size, row by row, column by column."""
        return np.concatenate([grid.centres(height, width) for grid in self._grids()])

    def describe(self, grey: Floats) -> Floats:
        """Descriptors of pictures of one size, float32 [n, h, w] to [n, N, length], in the order of `centres`."""
        codes = patterns(grey)
        parts = []
        for grid in self._grids():
            shares = grid.histograms(codes, BINS) / (self.cells * grid.cell_px) ** 2
            parts.append(np.sqrt(shares).reshape(*shares.shape[:2], self.length))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _grids(self) -> list[DenseCells]:
        return [DenseCells(cell_px, self.cells, self.step_px) for cell_px in self.cells_px]


def patterns(grey: Floats) -> NDArray[np.int64]:
    """Bin of the pattern at each pixel, [n, h, w] to int64 in [0, 59); the border pixels go on outside."""
    _, height, width = grey.shape
    padded = np.pad(grey.astype(np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    # Differences are interpolated, not brightnesses: a flat surface gives exactly zero, hence one pattern.
    above = {
        (y, x): padded[:, 1 + y : 1 + y + height, 1 + x : 1 + x + width] - padded[:, 1:-1, 1:-1] for y, x in _AROUND
    }
    near = np.sqrt(0.5)
    bits = np.zeros(grey.shape, dtype=np.int64)
    for bit, (y, x) in enumerate(_AROUND):
        sample = above[y, x]
        if y and x:
            sample = near * near * sample + near * (1 - near) * (above[y, 0] + above[0, x])
        bits |= (sample >= 0).astype(np.int64) << bit
    return _bins()[bits]


@cache
def _bins() -> NDArray[np.int64]:
    """The bin of each of the 256 bit patterns, in scikit-image's order: none set, then by how many are set and how far
    clockwise their arc begins from bit 0, then all set, then the rest."""
    table = np.full(256, BINS - 1)
    table[0] = 0
    for n_set in range(1, 8):
        for turn in range(8):
            bits = sum(1 << (i - turn) % 8 for i in range(n_set))
            table[bits] = 1 + (n_set - 1) * 8 + turn
    table[255] = BINS - 2
    return table
