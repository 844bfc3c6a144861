"""Dense HOG: histograms of unsigned gradient directions in cells, normalised over a patch of cells.

Dalal and Triggs, "Histograms of oriented gradients for human detection", CVPR 2005, in the form of scikit-image's
`hog`: central differences (none at the border), a pixel's magnitude goes whole to one of nine directions and to the
cell it lies in, and a patch is scaled to length 1, clipped at 0.2 and scaled again. Here patches stand at every
`step_px`, not only at whole cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput
from topfive.systems.features.dense_cells import DenseCells

Floats = NDArray[np.float32]

DIRECTIONS = 9
"""Bins over half a turn, 20 degrees each."""

_EPSILON = 1e-5
_CLIP = 0.2


@dataclass(frozen=True)
class Hog:
    """Patches of `cells` x `cells` cells of each of `cells_px`, one every `step_px` pixels."""

    cells_px: tuple[int, ...] = (4, 6, 8)
    step_px: int = 4
    cells: int = 4

    @property
    def length(self) -> int:
        """Values of a descriptor, in the order cell row, cell column, direction."""
        return self.cells * self.cells * DIRECTIONS

    def check(self) -> None:
        """Raise BadInput naming the first field that no descriptor can be taken with."""
        if not self.cells_px:
            raise BadInput("takes no descriptor with cells_px = ()", where="HOG", row="cells_px")
        for grid in self._grids():
            grid.check("HOG")

    def centres(self, height: int, width: int) -> Floats:
        """Centre (x, y) in pixels of each descriptor, float32 [N, 2]: size by size, row by row, column by column."""
        return np.concatenate([grid.centres(height, width) for grid in self._grids()])

    def describe(self, grey: Floats) -> Floats:
        """Descriptors of pictures of one size, float32 [n, h, w] in [0, 1] to [n, N, length], in order of `centres`."""
        direction, magnitude = gradients(grey)
        parts = []
        for grid in self._grids():
            sums = grid.histograms(direction, DIRECTIONS, magnitude) / grid.cell_px**2
            parts.append(_normalised(sums.reshape(*sums.shape[:2], self.length)))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _grids(self) -> list[DenseCells]:
        return [DenseCells(cell_px, self.cells, self.step_px) for cell_px in self.cells_px]


def gradients(grey: Floats) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bin of the direction, int64 [n, h, w] in [0, 9), and length of the gradient of float32 [n, h, w]."""
    wide = grey.astype(np.float64)
    down, across = np.zeros_like(wide), np.zeros_like(wide)
    down[:, 1:-1] = wide[:, 2:] - wide[:, :-2]
    across[:, :, 1:-1] = wide[:, :, 2:] - wide[:, :, :-2]
    degrees = np.rad2deg(np.arctan2(down, across)) % 180.0
    # A tiny negative angle becomes 180 itself.
    return (degrees * (DIRECTIONS / 180.0)).astype(np.int64) % DIRECTIONS, np.hypot(across, down)


def _normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length 1, at most 0.2, length 1 again (L2-Hys); a flat patch stays zero."""
    values = values / np.sqrt(np.square(values).sum(axis=-1, keepdims=True) + _EPSILON**2)
    values = np.minimum(values, _CLIP)
    return np.asarray(values / np.sqrt(np.square(values).sum(axis=-1, keepdims=True) + _EPSILON**2))
