"""Dense GIST: how strongly a bank of Gabor filters answers in the cells of a patch.

Oliva and Torralba, "Modeling the shape of the scene", IJCV 2001, with the filters' constants and the contrast
normalisation of the authors' published toolbox: polar Gabors in the frequency domain, one-sided, so that the modulus of
an answer is the local energy. One patch over the whole picture with 4 x 4 cells is the usual GIST; here many patches of
one filtered picture are taken, as descriptors for Fisher vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, fftfreq, ifft2, next_fast_len

from topfive.records import BadInput
from topfive.systems.features.dense_cells import DenseCells

Floats = NDArray[np.float32]

FINEST = 0.3
"""Centre frequency of the finest scale in cycles a pixel; each coarser one is 1.85 times lower."""

_RATIO, _RADIAL, _CUT, _CONTRAST = 1.85, 0.35, 4.0, 0.2


@dataclass(frozen=True)
class Gist:
    """Patches of `cells` x `cells` cells of `cell_px`, one every `step_px`; `directions` of filters a scale, finest
    first. The picture is mirrored by `border_px` on each side before it is filtered."""

    cell_px: int = 8
    step_px: int = 4
    cells: int = 4
    directions: tuple[int, ...] = (8, 8, 4)
    border_px: int = 16

    @property
    def length(self) -> int:
        """Values of a descriptor, in the order cell row, cell column, filter."""
        return self.cells * self.cells * sum(self.directions)

    def check(self) -> None:
        """Raise BadInput naming the first field that no descriptor can be taken with."""
        self._grid().check("GIST")
        for name, bad in {
            "directions": not self.directions or min(self.directions) < 1,
            "border_px": self.border_px < 0,
        }.items():
            if bad:
                raise BadInput(f"takes no descriptor with {name} = {getattr(self, name)}", where="GIST", row=name)

    def centres(self, height: int, width: int) -> Floats:
        """Centre (x, y) in pixels of each descriptor, float32 [N, 2]: row by row, column by column."""
        return self._grid().centres(height, width)

    def describe(self, grey: Floats) -> Floats:
        """Descriptors of pictures of one size, float32 [n, h, w] in [0, 1] to [n, N, length], in order of `centres`."""
        means = self._grid().means(energies(even_contrast(grey, self.border_px), self.directions, self.border_px))
        return means.reshape(*means.shape[:2], self.length).astype(np.float32)

    def _grid(self) -> DenseCells:
        return DenseCells(self.cell_px, self.cells, self.step_px)


def gabors(height: int, width: int, directions: tuple[int, ...]) -> Floats:
    """Transfer functions float32 [F, height, width] in the order of `fftfreq`: 1 at a filter's own frequency.

    A filter falls off as a Gaussian of the frequency's ratio to its own and of the angle from its own, scale by scale.
    """
    down, across = fftfreq(height)[:, None], fftfreq(width)
    frequency, angle = np.hypot(down, across), np.arctan2(down, across)
    bank = []
    for scale, n_directions in enumerate(directions):
        radial = 10.0 * _RADIAL * (frequency / (FINEST / _RATIO**scale) - 1.0) ** 2
        narrow = 2.0 * np.pi * 16.0 * n_directions**2 / 32.0**2
        for i in range(n_directions):
            # As in the toolbox, filter i lies at -pi i / n.
            turned = (angle + np.pi * i / n_directions + np.pi) % (2.0 * np.pi) - np.pi
            bank.append(np.exp(-radial - narrow * turned**2))
    return np.stack(bank).astype(np.float32)


def even_contrast(grey: Floats, border_px: int) -> Floats:
    """Logarithm less its low frequencies (below 4 cycles a picture), over 0.2 + the local deviation; same shape."""
    n, height, width = grey.shape
    shape, padded = _mirrored(np.log1p(255.0 * grey.astype(np.float64)), border_px)
    # The cut is where a Gaussian of the frequency has fallen to a half.
    frequency = np.hypot(shape[0] * fftfreq(shape[0])[:, None], shape[1] * fftfreq(shape[1]))
    low = np.exp(-np.log(2.0) * (frequency / _CUT) ** 2)
    detail = padded - ifft2(low * fft2(padded)).real
    spread = np.sqrt(np.abs(ifft2(low * fft2(np.square(detail))).real))
    inside = (slice(n), slice(border_px, border_px + height), slice(border_px, border_px + width))
    return np.asarray((detail / (_CONTRAST + spread))[inside], dtype=np.float32)


def energies(pictures: Floats, directions: tuple[int, ...], border_px: int) -> Floats:
    """Modulus of each filter's answer, float32 [n, h, w] to [n, h, w, F]."""
    n, height, width = pictures.shape
    shape, padded = _mirrored(pictures, border_px)
    answers = ifft2(fft2(padded.astype(np.float32))[:, None] * _bank(*shape, directions))
    inside = answers[:n, :, border_px : border_px + height, border_px : border_px + width]
    return np.ascontiguousarray(np.abs(inside).transpose(0, 2, 3, 1), dtype=np.float32)


@lru_cache(maxsize=8)
def _bank(height: int, width: int, directions: tuple[int, ...]) -> Floats:
    return gabors(height, width, directions)


def _mirrored(pictures: NDArray[np.floating], border_px: int) -> tuple[tuple[int, int], NDArray[np.floating]]:
    """The pictures with at least `border_px` mirrored pixels on each side, at a size that is fast to transform."""
    _, height, width = pictures.shape
    down, across = (next_fast_len(side + 2 * border_px) - side - border_px for side in (height, width))
    padded = np.pad(pictures, ((0, 0), (border_px, down), (border_px, across)), mode="symmetric")
    return (padded.shape[1], padded.shape[2]), padded
