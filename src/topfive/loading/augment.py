"""Augmentation that any worker repeats exactly: what happens to an image depends on seed, epoch and its position."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.loading.order import draws, integers
from topfive.records import BadInput


def crop_flip(
    images: NDArray[np.uint8], crop_px: int, *, seed: int, epoch: int, positions: NDArray[np.integer[Any]]
) -> NDArray[np.uint8]:
    """A random crop of each image, mirrored half of the time: uint8 [n, H, W, 3] -> [n, crop, crop, 3].

    `positions` are the images' places in their split (Krizhevsky, Sutskever and Hinton 2012, section 4.1).
    """
    n, height, width, _ = images.shape
    if not 1 <= crop_px <= min(height, width):
        raise BadInput(f"a crop of {crop_px} px does not fit into {width} x {height} px", where="crop_flip")
    if len(positions) != n:
        raise BadInput(f"{n} images have {len(positions)} positions", where="crop_flip")
    top = integers(draws("crop top", seed, epoch, positions), height - crop_px + 1)
    left = integers(draws("crop left", seed, epoch, positions), width - crop_px + 1)
    mirrored = draws("mirror", seed, epoch, positions) >> np.uint64(63) == 1
    out = np.empty((n, crop_px, crop_px, 3), dtype=np.uint8)
    # A loop of block copies: fancy indexing would gather 3-byte pixels one by one, several times slower.
    for i, (y, x, mirror) in enumerate(zip(top, left, mirrored, strict=True)):
        crop = images[i, y : y + crop_px, x : x + crop_px]
        out[i] = crop[:, ::-1] if mirror else crop
    return out
