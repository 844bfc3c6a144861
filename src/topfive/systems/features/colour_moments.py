"""Local colour statistics: mean and deviation of red, green and blue in 4 x 4 cells of square patches on a grid.

The second descriptor of XRCE's Fisher vectors, 96 values a patch (Clinchant et al., ImageEval 2007; Perronnin, Sanchez
and Mensink, ECCV 2010). Sums come from integral images of whole numbers, so they are exact for every size of patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]

CELLS = 4
DESCRIPTOR = CELLS * CELLS * 6
"""Values of a descriptor, in the order cell row, cell column, mean of R, G, B, deviation of R, G, B."""


@dataclass(frozen=True)
class ColourMoments:
    """Which patches are taken of a picture: 4 x 4 cells of each of `bins_px`, a patch every `step_px` pixels.

    The grids of all sizes begin at the same centre.
    """

    bins_px: tuple[int, ...] = (4, 6, 8)
    step_px: int = 4

    def check(self) -> None:
        """Raise BadInput naming the first field that no patch can be taken with."""
        for name, bad in (
            ("bins_px", not self.bins_px or min(self.bins_px) < 1),
            ("step_px", self.step_px < 1),
        ):
            if bad:
                raise BadInput(f"takes no patch with {name} = {getattr(self, name)}", where="colour moments", row=name)

    def centres(self, height: int, width: int) -> Floats:
        """Centre (x, y) in pixels of each patch, float32 [N, 2]: size by size, row by row, column by column."""
        parts = [np.empty((0, 2))]
        for bin_px in self.bins_px:
            # A patch of s pixels from x on covers x to x + s - 1.
            x, y = (self._corners(side, bin_px) + 0.5 * (CELLS * bin_px - 1) for side in (width, height))
            parts.append(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
        return np.concatenate(parts).astype(np.float32)

    def describe(self, images: NDArray[np.uint8]) -> Floats:
        """Descriptors in [0, 1] of RGB pictures, uint8 [n, h, w, 3] to float32 [n, N, 96], in the order of `centres`.

        N is 0 where a picture is too small for any. The loops are compiled and hold no lock, so threads scale.
        """
        n, height, width, _ = images.shape
        corners = [(self._corners(height, b), self._corners(width, b)) for b in self.bins_px]
        out = np.empty((n, sum(len(y) * len(x) for y, x in corners), DESCRIPTOR), dtype=np.float32)
        for i in range(n):
            sums, squares = _integrals(np.ascontiguousarray(images[i]))
            start = 0
            for bin_px, (y, x) in zip(self.bins_px, corners, strict=True):
                _describe((sums, squares), y, x, bin_px, (out[i], start))
                start += len(y) * len(x)
        return out

    def _corners(self, side: int, bin_px: int) -> NDArray[np.int64]:
        """The first pixel of each patch along one side."""
        first = CELLS * (max(self.bins_px) - bin_px) // 2
        return np.arange(first, side - CELLS * bin_px + 1, self.step_px)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _integrals(image: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sums of values and of squares over all pixels above and to the left, int64 [h + 1, w + 1, 3]."""
    height, width, _ = image.shape
    sums = np.zeros((height + 1, width + 1, 3), dtype=np.int64)
    squares = np.zeros((height + 1, width + 1, 3), dtype=np.int64)
    for y in range(height):
        for c in range(3):
            row_sum, row_squares = 0, 0
            for x in range(width):
                value = int(image[y, x, c])
                row_sum += value
                row_squares += value * value
                sums[y + 1, x + 1, c] = sums[y, x + 1, c] + row_sum
                squares[y + 1, x + 1, c] = squares[y, x + 1, c] + row_squares
    return sums, squares


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _describe(
    integrals: tuple[NDArray[np.int64], NDArray[np.int64]],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    bin_px: int,
    place: tuple[Floats, int],
) -> None:
    """Fill an array [N, 96] from a descriptor on."""
    sums, squares = integrals
    out, at = place
    pixels = bin_px * bin_px
    for top in rows:
        for left in columns:
            for cell in range(CELLS * CELLS):
                y, x = top + cell // CELLS * bin_px, left + cell % CELLS * bin_px
                below, right = y + bin_px, x + bin_px
                for c in range(3):
                    total = sums[below, right, c] - sums[y, right, c] - sums[below, x, c] + sums[y, x, c]
                    square = squares[below, right, c] - squares[y, right, c] - squares[below, x, c] + squares[y, x, c]
                    out[at, 6 * cell + c] = total / (pixels * 255.0)
                    # n sum(v^2) - sum(v)^2 in whole numbers: no cancellation, and exactly 0 for a flat cell.
                    out[at, 6 * cell + 3 + c] = np.sqrt(pixels * square - total * total) / (pixels * 255.0)
            at += 1
