"""Dense SIFT: histograms of gradients in 4 x 4 cells and 8 directions on a regular grid, as `vl_dsift` defines them.

The definition is that of the flat window of VLFeat 0.9.21 (Vedaldi and Fulkerson): cells are summed with a triangular
kernel alone, then weighted with the mean of the Gaussian window over each cell. Several sizes follow `vl_phow`: the
picture is smoothed by bin / magnif for each, and the grids of all sizes begin at the same centre. Square roots are
exact here; VLFeat's are within 5e-6 of them, and 0 for squares below 1e-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]

CELLS = 4
DIRECTIONS = 8
DESCRIPTOR = CELLS * CELLS * DIRECTIONS
"""Values of a descriptor, in the order cell row, cell column, direction."""

_EPSILON = np.float32(1.1920929e-07)
_CLIP = np.float32(0.2)
# Sums may be reordered (8 at a time); NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


@dataclass(frozen=True)
class DenseSift:
    """Which descriptors are taken of a picture: cells of each of `bins_px`, a descriptor every `step_px` pixels.

    The picture is smoothed with standard deviation bin / `magnif`; `window` is the Gaussian window's, in cells.
    Descriptors whose mean gradient (of pixels in [0, 1]) is below `contrast` become zero. `root` takes the square root
    of the L1-normalised descriptor (Arandjelovic and Zisserman, CVPR 2012), which has length 1 again.
    """

    bins_px: tuple[int, ...] = (4, 6, 8, 10)
    step_px: int = 2
    magnif: float = 6.0
    window: float = 1.5
    contrast: float = 0.005
    root: bool = False

    def check(self) -> None:
        """Raise BadInput naming the first field that no descriptor can be taken with."""
        wrong = {
            "bins_px": not self.bins_px or min(self.bins_px) < 1,
            "step_px": self.step_px < 1,
            "magnif": not self.magnif > 0,
            "window": not self.window > 0,
            "contrast": not self.contrast >= 0,
        }
        for name, bad in wrong.items():
            if bad:
                raise BadInput(f"takes no descriptor with {name} = {getattr(self, name)}", where="dense SIFT", row=name)

    def centres(self, height: int, width: int) -> Floats:
        """Centre (x, y) in pixels of each descriptor, float32 [N, 2]: size by size, row by row, column by column."""
        reach = 0.5 * (CELLS - 1)
        parts = [np.empty((0, 2))]
        for bin_px in self.bins_px:
            x, y = (self._corners(side, bin_px) + reach * bin_px for side in (width, height))
            parts.append(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
        return np.concatenate(parts).astype(np.float32)

    def describe(self, grey: Floats) -> Floats:
        """Descriptors of pictures of one size, float32 [n, h, w] in [0, 1] to [n, N, 128], in the order of `centres`.

        N is 0 where a picture is too small for any. The loops are compiled and hold no lock, so threads scale.
        """
        n, height, width = grey.shape
        counts = [len(self._corners(height, b)) * len(self._corners(width, b)) for b in self.bins_px]
        out = np.empty((n, sum(counts), DESCRIPTOR), dtype=np.float32)
        stop = 0
        for bin_px, count in zip(self.bins_px, counts, strict=True):
            start, stop = stop, stop + count
            if n and count:
                _describe(
                    _smooth(np.ascontiguousarray(grey), _gaussian(bin_px / self.magnif)),
                    (bin_px, self.step_px, self._first(bin_px)),
                    _weights(bin_px, self.window),
                    (np.float32(self.contrast), self.root),
                    # The whole array and a place in it: a slice would have another layout, hence be compiled twice,
                    # and to sums in another order.
                    (out, start),
                )
        return out

    def _first(self, bin_px: int) -> int:
        return (CELLS - 1) * (max(self.bins_px) - bin_px) // 2

    def _corners(self, side: int, bin_px: int) -> NDArray[np.int64]:
        """The first cell's centre of each descriptor along one side; the last cell's lies inside the picture, too."""
        return np.arange(self._first(bin_px), side - (CELLS - 1) * bin_px, self.step_px)


def grey(images: NDArray[np.uint8]) -> Floats:
    """Luma (ITU-R BT.601) in [0, 1] of RGB pictures: uint8 [n, h, w, 3] to float32 [n, h, w]."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32) / np.float32(255.0)
    return np.asarray(images @ weights, dtype=np.float32)


def _gaussian(sigma: float) -> Floats:
    """A Gaussian cut at 4 sigma with sum 1; below 0.01 pixels no smoothing, as in `vl_imsmooth`."""
    reach = int(np.ceil(4.0 * sigma)) if sigma > 0.01 else 0
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 0.01)) ** 2)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _weights(bin_px: int, window: float) -> Floats:
    """The mean of the Gaussian window over each cell, row by row, float32 [16]."""
    inside = np.arange(-bin_px + 1, bin_px)
    offset = bin_px * (np.arange(CELLS) - 0.5 * (CELLS - 1))
    mean = np.exp(-0.5 * ((inside[:, None] - offset) / (bin_px * window)) ** 2).mean(axis=0)
    return np.outer(mean, mean).reshape(-1).astype(np.float32)


def _compiled(function: Any) -> Any:
    return njit(nogil=True, cache=True, fastmath=_FAST)(function)


@_compiled
def _smooth(pictures: Floats, kernel: Floats) -> Floats:
    """Convolve rows and columns; the border pixels go on outside."""
    n, height, width = pictures.shape
    reach = len(kernel) // 2
    out = np.zeros_like(pictures)
    padded = np.empty(width + 2 * reach, dtype=np.float32)
    down = np.empty(width, dtype=np.float32)
    for i in range(n):
        for y in range(height):
            down[:] = 0.0
            for d in range(len(kernel)):
                weight, source = kernel[d], pictures[i, min(max(y + d - reach, 0), height - 1)]
                for x in range(width):
                    down[x] += weight * source[x]
            padded[:reach] = down[0]
            padded[reach : reach + width] = down
            padded[reach + width :] = down[width - 1]
            row = out[i, y]
            for d in range(len(kernel)):
                weight = kernel[d]
                for x in range(width):
                    row[x] += weight * padded[x + d]
    return out


@_compiled
def _directions(picture: Floats, planes: Floats) -> None:
    """Share each pixel's gradient between its two nearest directions, into float32 [h, w, 8].

    The angle is VLFeat's cubic approximation (off by up to 0.01 radians): it is part of the definition.
    """
    height, width = picture.shape
    quarter, scale = np.float32(np.pi / 4), np.float32(DIRECTIONS / (2 * np.pi))
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            gy = (picture[below, x] - picture[above, x]) / np.float32(max(below - above, 1))
            gx = (picture[y, right] - picture[y, left]) / np.float32(max(right - left, 1))
            size = abs(gy) + _EPSILON
            if gx >= 0:
                ratio, angle = (gx - size) / (gx + size), quarter
            else:
                ratio, angle = (gx + size) / (size - gx), np.float32(3) * quarter
            angle += (np.float32(0.1821) * ratio * ratio - np.float32(0.9675)) * ratio
            turn = (angle if gy >= 0 else -angle) * scale
            if turn < 0:
                turn += np.float32(DIRECTIONS)
            lower = int(turn)
            share = turn - np.float32(lower)
            length = np.sqrt(gx * gx + gy * gy)
            planes[y, x, :] = 0.0
            planes[y, x, lower % DIRECTIONS] = (np.float32(1) - share) * length
            planes[y, x, (lower + 1) % DIRECTIONS] = share * length


@_compiled
def _places(corners: int, geometry: tuple[int, int, int], side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pixels along one side where a cell's centre lies, in order, and each pixel's place among them."""
    bin_px, step, first = geometry
    place = np.full(side, -1)
    for i in range(corners):
        for cell in range(CELLS):
            place[first + i * step + cell * bin_px] = 0
    pixels = np.flatnonzero(place == 0)
    place[pixels] = np.arange(len(pixels))
    return pixels, place


@_compiled
def _cells(planes: Floats, bin_px: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
    """Sums under a triangle of height 1 and half-width `bin_px`, at these rows and columns only, [rows, columns, 8]."""
    height, width, _ = planes.shape
    flat = planes.reshape(height, width * DIRECTIONS)
    out = np.zeros((len(rows), len(columns), DIRECTIONS), dtype=np.float32)
    down = np.empty(width * DIRECTIONS, dtype=np.float32)
    for r in range(len(rows)):
        down[:] = 0.0
        for d in range(-bin_px + 1, bin_px):
            weight = np.float32(bin_px - abs(d)) / np.float32(bin_px)
            source = flat[min(max(rows[r] + d, 0), height - 1)]
            for j in range(width * DIRECTIONS):
                down[j] += weight * source[j]
        for c in range(len(columns)):
            for d in range(-bin_px + 1, bin_px):
                weight = np.float32(bin_px - abs(d)) / np.float32(bin_px)
                at = min(max(columns[c] + d, 0), width - 1) * DIRECTIONS
                for t in range(DIRECTIONS):
                    out[r, c, t] += weight * down[at + t]
    return out


@_compiled
def _normalise(values: Floats, contrast: np.float32, root: bool) -> None:
    """In place: length 1, no value above 0.2, length 1; then the root of the shares where asked."""
    mass, squares = np.float32(0), np.float32(0)
    for j in range(DESCRIPTOR):
        mass += values[j]
        squares += values[j] * values[j]
    if mass < contrast:
        values[:] = 0.0
        return
    norm, squares = np.sqrt(squares) + _EPSILON, np.float32(0)
    for j in range(DESCRIPTOR):
        values[j] = min(values[j] / norm, _CLIP)
        squares += values[j] * values[j]
    norm, mass = np.sqrt(squares) + _EPSILON, np.float32(0)
    for j in range(DESCRIPTOR):
        values[j] /= norm
        mass += values[j]
    if root:
        mass += _EPSILON
        for j in range(DESCRIPTOR):
            values[j] = np.sqrt(values[j] / mass)


@_compiled
def _describe(
    pictures: Floats,
    geometry: tuple[int, int, int],
    weights: Floats,
    finish: tuple[np.float32, bool],
    place: tuple[Floats, int],
) -> None:
    """Fill an array [n, N, 128] from a descriptor on; `geometry` is bin size, step and first corner, `finish` least
    contrast and root."""
    out, start = place
    n, height, width = pictures.shape
    bin_px, step, first = geometry
    reach = (CELLS - 1) * bin_px
    down, across = (height - reach - first - 1) // step + 1, (width - reach - first - 1) // step + 1
    rows, row_place = _places(down, geometry, height)
    columns, column_place = _places(across, geometry, width)
    # VLFeat's mean gradient is the sum of all values over the (3 bin + 1)^2 pixels between the outer cells' centres.
    least = finish[0] * np.float32((reach + 1) * (reach + 1))
    planes = np.empty((height, width, DIRECTIONS), dtype=np.float32)
    for i in range(n):
        _directions(pictures[i], planes)
        cells = _cells(planes, bin_px, rows, columns)
        for k in range(down * across):
            y, x = first + k // across * step, first + k % across * step
            values = out[i, start + k]
            for cell in range(CELLS * CELLS):
                weight = weights[cell]
                source = cells[row_place[y + cell // CELLS * bin_px], column_place[x + cell % CELLS * bin_px]]
                for t in range(DIRECTIONS):
                    values[cell * DIRECTIONS + t] = weight * source[t]
            _normalise(values, least, finish[1])
