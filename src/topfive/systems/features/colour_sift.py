"""CSIFT: dense SIFT of the intensity and of two opponent colours divided by it.

The C-invariant of Burghouts and Geusebroek, CVIU 2009, in the form of van de Sande, Gevers and Snoek, PAMI 2010: with
opponent channels O1 = (R - G) / sqrt 2, O2 = (R + G - 2 B) / sqrt 6 and O3 = (R + G + B) / sqrt 3, descriptors are of
O3, O1 / O3 and O2 / O3. Dividing makes the colours independent of shadow and of the light's strength; plain opponent
SIFT does not divide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.systems.features.dense_sift import DESCRIPTOR, DenseSift

Floats = NDArray[np.float32]

CHANNELS = 3
_DARKEST = 0.05
"""Brightness, of 1, below which a pixel's colour is more noise than colour: it is divided by this instead."""


@dataclass(frozen=True)
class ColourSift:
    """The descriptors of `sift` on each channel, side by side: intensity, red-green, yellow-blue."""

    sift: DenseSift

    @property
    def length(self) -> int:
        """Values of a descriptor."""
        return CHANNELS * DESCRIPTOR

    def check(self) -> None:
        """Raise BadInput naming the first field that no descriptor can be taken with."""
        self.sift.check()

    def centres(self, height: int, width: int) -> Floats:
        """Centre (x, y) in pixels of each descriptor, float32 [N, 2], in the order of the plain ones."""
        return self.sift.centres(height, width)

    def describe(self, images: NDArray[np.uint8]) -> Floats:
        """Descriptors of RGB pictures, uint8 [n, h, w, 3] to float32 [n, N, 384], in the order of `centres`."""
        planes = invariants(images)
        parts = [self.sift.describe(np.ascontiguousarray(planes[..., i])) for i in range(CHANNELS)]
        return np.concatenate(parts, axis=-1)


def invariants(images: NDArray[np.uint8]) -> Floats:
    """Intensity in [0, 1] and the two colours over it, uint8 [n, h, w, 3] to float32 [n, h, w, 3]; grey has none."""
    red, green, blue = np.moveaxis(images.astype(np.float32) / np.float32(255.0), -1, 0)
    intensity = (red + green + blue) / np.float32(3.0)
    # O3 is sqrt(3) times the mean of the channels.
    under = np.float32(np.sqrt(3.0)) * np.maximum(intensity, np.float32(_DARKEST))
    red_green = (red - green) / np.float32(np.sqrt(2.0)) / under
    yellow_blue = (red + green - 2 * blue) / np.float32(np.sqrt(6.0)) / under
    return np.stack([intensity, red_green, yellow_blue], axis=-1)
