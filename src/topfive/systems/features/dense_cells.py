"""Dense squares of cells: what HOG, local binary patterns and local GIST have in common.

A patch is a square of cells x cells cells; patches stand on a regular grid and overlap. Pixels are first summed in the
tiles between all edges of cells, then tiles are accumulated, so that a cell costs four look-ups whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]
Sums = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class DenseCells:
    """Patches of `cells` x `cells` cells of `cell_px` pixels, one every `step_px` pixels from the upper left corner."""

    cell_px: int
    cells: int
    step_px: int

    def check(self, where: str) -> None:
        """Raise BadInput naming the first field that makes no patch."""
        for name in ("cell_px", "cells", "step_px"):
            if getattr(self, name) < 1:
                raise BadInput(f"takes no descriptor with {name} = {getattr(self, name)}", where=where, row=name)

    def corners(self, side: int) -> Places:
        """The first pixel of each patch along one side."""
        return np.arange(0, side - self.cells * self.cell_px + 1, self.step_px)

    def centres(self, height: int, width: int) -> Floats:
        """Centre (x, y) in pixels of each patch, float32 [N, 2]: row by row, column by column."""
        x, y = (self.corners(side) + 0.5 * (self.cells * self.cell_px - 1) for side in (width, height))
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)

    def histograms(self, codes: NDArray[np.integer], n_bins: int, weights: Sums | None = None) -> Sums:
        """Sums of `weights` (or ones) by code in each cell: [n, h, w] in [0, n_bins) to [n, N, cells, cells, bins]."""
        n, height, width = codes.shape
        rows, columns = self._edges(height), self._edges(width)
        if not len(rows) or not len(columns):
            return np.zeros((n, 0, self.cells, self.cells, n_bins))
        down = np.searchsorted(rows, np.arange(rows[-1]), side="right") - 1
        across = np.searchsorted(columns, np.arange(columns[-1]), side="right") - 1
        shape = (n, len(rows) - 1, len(columns) - 1, n_bins)
        tile = (np.arange(n)[:, None, None] * shape[1] + down[:, None]) * shape[2] + across
        inside = (slice(None), slice(rows[-1]), slice(columns[-1]))
        given = None if weights is None else weights[inside].reshape(-1)
        tiles = np.bincount((tile * n_bins + codes[inside]).reshape(-1), given, minlength=int(np.prod(shape)))
        return self._cells(tiles.reshape(shape), height, width)

    def means(self, planes: NDArray[np.floating]) -> Sums:
        """Mean of each plane over each cell: [n, h, w, F] to [n, N, cells, cells, F]."""
        n, height, width, n_planes = planes.shape
        rows, columns = self._edges(height), self._edges(width)
        if not len(rows) or not len(columns):
            return np.zeros((n, 0, self.cells, self.cells, n_planes))
        inside = planes[:, : rows[-1], : columns[-1]]
        tiles = np.add.reduceat(inside, rows[:-1], axis=1, dtype=np.float64)
        return self._cells(np.add.reduceat(tiles, columns[:-1], axis=2), height, width) / self.cell_px**2

    def _edges(self, side: int) -> Places:
        """Every pixel where a cell begins or ends, in order; the first is 0."""
        return np.unique(self._bounds(side))

    def _bounds(self, side: int) -> Places:
        """Where the cells of each patch begin, and the last one ends: [patches, cells + 1]."""
        return self.corners(side)[:, None] + self.cell_px * np.arange(self.cells + 1)

    def _cells(self, tiles: NDArray[np.number], height: int, width: int) -> Sums:
        """From sums of tiles [n, rows, columns, F] to those of the cells of each patch; never below 0 by rounding."""
        n, down, across, depth = tiles.shape
        total = np.zeros((n, down + 1, across + 1, depth))
        total[:, 1:, 1:] = tiles.cumsum(axis=1).cumsum(axis=2)
        rows, columns = (np.searchsorted(self._edges(side), self._bounds(side)) for side in (height, width))
        corner = total[:, rows[:, :, None, None], columns]
        found = np.diff(np.diff(corner, axis=2), axis=4).transpose(0, 1, 3, 2, 4, 5)
        return np.maximum(found.reshape(n, len(rows) * len(columns), self.cells, self.cells, depth), 0.0)
