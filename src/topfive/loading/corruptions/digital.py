"""What happens after the lens: less contrast, a picture that is stretched here and there, coarse pixels, JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.corruptions.blur import unit

Pixels = NDArray[np.float32]

_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
_ELASTIC = ((1.6, 8.0), (2.0, 7.5), (2.6, 7.0), (3.2, 6.5), (3.8, 6.0))
"""How far a pixel moves (root mean square) and over what length the movement changes, px."""
_PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)
_QUALITY = (25, 18, 15, 10, 7)


def contrast(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Every value moves towards its colour's mean."""
    mean = x.mean(axis=(0, 1), keepdims=True)
    return np.asarray((x - mean) * np.float32(_CONTRAST[level]) + mean, dtype=np.float32)


def elastic(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Small regions are stretched and pressed by a smooth random field of displacements."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    far, smooth = (value * unit(x) for value in _ELASTIC[level])
    height, width = x.shape[:2]
    at = np.mgrid[:height, :width].astype(np.float64)
    for axis in range(2):
        field = gaussian_filter(rng.standard_normal((height, width)), smooth, mode="reflect")
        spread = float(np.sqrt(np.mean(field**2)))
        at[axis] += field * (far / spread if spread > 0 else 0)
    planes = [map_coordinates(x[:, :, channel], at, order=1, mode="reflect") for channel in range(3)]
    return np.stack(planes, axis=2).astype(np.float32)


def pixelate(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Made smaller by means over boxes, and larger again without smoothing."""
    height, width = x.shape[:2]
    small = tuple(max(1, round(side * _PIXELATE[level])) for side in (width, height))
    image = Image.fromarray(_bytes(x)).resize((small[0], small[1]), Image.Resampling.BOX)
    return _floats(image.resize((width, height), Image.Resampling.NEAREST))


def jpeg(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Through JPEG at a low quality."""
    buffer = io.BytesIO()
    Image.fromarray(_bytes(x)).save(buffer, "JPEG", quality=_QUALITY[level])
    buffer.seek(0)
    with Image.open(buffer) as image:
        return _floats(image)


def _bytes(x: Pixels) -> NDArray[np.uint8]:
    return np.asarray(np.rint(x.clip(0, 1) * 255), dtype=np.uint8)


def _floats(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.float32) / np.float32(255)
