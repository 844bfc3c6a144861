"""Canvas: one decoded picture as RGBX pixels in memory that a thread uses again for the next."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

PAD = 16
"""Bytes after the last pixel that may be read: pixels are read in fours."""
_KEPT = 16 * 2**20
"""Larger pictures than 4 megapixels get memory of their own, so that one of them does not hold 200 MB for good."""


class Canvas(threading.local):
    """`pixels` uint8 holds height x width x 4 bytes (and more behind them). Each thread has its own.

    Fresh memory for each picture costs 0.3 ms: the kernel hands it out page by page, each filled with zeros.
    """

    def __init__(self) -> None:
        self.width = self.height = 0
        self.pixels = np.zeros(PAD, dtype=np.uint8)
        self._between = np.zeros(PAD, dtype=np.uint8)

    def sized(self, width: int, height: int) -> NDArray[np.uint8]:
        """Room for a picture of this size, uint8 [height, width, 4], with whatever was there before."""
        self.pixels = _room(self.pixels, width * height * 4)
        self.width, self.height = width, height
        return self.pixels[: width * height * 4].reshape(height, width, 4)

    def between(self, n_bytes: int) -> NDArray[np.uint8]:
        """Room for what lies between two passes."""
        self._between = _room(self._between, n_bytes)
        return self._between


def _room(held: NDArray[np.uint8], n_bytes: int) -> NDArray[np.uint8]:
    if n_bytes + PAD <= len(held) <= max(_KEPT, 2 * n_bytes):
        return held
    return np.empty(n_bytes + PAD, dtype=np.uint8)
