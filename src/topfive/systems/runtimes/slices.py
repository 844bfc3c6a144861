"""Batches of any size to slices of one size, which compiled graphs need, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def slices(batches: Iterator[NDArray[np.uint8]], size: int) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """uint8 [size, h, w, 3] and how many of them count; only the last has fewer than `size`, filled with its first.

    Slices are views of the batches where these are multiples of `size`: no pixel is copied.
    """
    left: NDArray[np.uint8] | None = None
    for batch in batches:
        images = batch if left is None else np.concatenate([left, batch])
        whole = len(images) // size * size
        for start in range(0, whole, size):
            yield images[start : start + size], size
        left = images[whole:] if whole < len(images) else None
    if left is not None:
        n = len(left)
        yield np.concatenate([left, np.repeat(left[:1], size - n, axis=0)]), n


def normal(view: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and shift of each channel: uint8 times scale plus shift is (x / 255 - mean) / std."""
    mean, std = np.array(view.mean), np.array(view.std)
    return (1.0 / 255.0 / std).astype(np.float32), (-mean / std).astype(np.float32)
