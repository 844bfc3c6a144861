"""Blur: out of focus, through frosted glass, a moving camera, a camera that moves towards its object."""

from __future__ import annotations

from math import ceil, cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]

_RADIUS_PX = (3.0, 4.0, 6.0, 8.0, 10.0)
_GLASS = ((0.7, 1.0, 2), (0.9, 2.0, 1), (1.0, 2.0, 3), (1.1, 3.0, 2), (1.5, 4.0, 2))
"""Softness px, reach px and rounds of moving."""
_MOTION = ((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0))
"""Length and fall-off of the trail, px."""
_ZOOM = (1.11, 1.16, 1.21, 1.26, 1.31)
_ZOOM_STEP = 0.02


def defocus(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Each point spreads over a disc."""
    return filtered(x, _disc(_RADIUS_PX[level] * unit(x)))


def glass(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Each pixel takes the colour of a random neighbour, some rounds of it, between two soft blurs."""
    from scipy.ndimage import gaussian_filter

    soft, reach, rounds = _GLASS[level]
    softness = (soft * unit(x), soft * unit(x), 0)
    x = gaussian_filter(x, softness, mode="mirror" if min(x.shape[:2]) > 1 else "nearest")
    most = max(1, round(reach * unit(x)))
    height, width = x.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    for _ in range(rounds):
        down, across = rng.integers(-most, most + 1, (2, height, width))
        x = x[(rows + down).clip(0, height - 1), (columns + across).clip(0, width - 1)]
    return np.asarray(gaussian_filter(x, softness, mode="nearest"), dtype=np.float32)


def motion(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Each point leaves a fading trail in one direction, at most 45 degrees off the horizontal."""
    length, fall = (value * unit(x) for value in _MOTION[level])
    return filtered(x, trail(length, fall, rng.uniform(-pi / 4, pi / 4)))


def zoom(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """The mean of the picture and of its enlargements about the centre, up to a factor."""
    height, width = x.shape[:2]
    factors = np.arange(1.0, _ZOOM[level] + 1e-9, _ZOOM_STEP)
    total = np.zeros_like(x)
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(x[:, :, channel]))
        for factor in factors:
            across, down = width * (1 - 1 / factor) / 2, height * (1 - 1 / factor) / 2
            box = (across, down, width - across, height - down)
            total[:, :, channel] += np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR, box=box))
    return total / np.float32(len(factors))


def unit(x: Pixels) -> float:
    """How many pixels here are one of a 224 px crop."""
    return float(min(x.shape[0], x.shape[1])) / 224


def filtered(x: Pixels, kernel: NDArray[np.float64]) -> Pixels:
    """Convolved with an odd kernel, the edge pixels repeated outwards."""
    from scipy.signal import fftconvolve

    down, across = kernel.shape[0] // 2, kernel.shape[1] // 2
    wide = np.pad(x, ((down, down), (across, across), (0, 0)), mode="edge")
    return np.asarray(fftconvolve(wide, kernel[:, :, None], mode="valid", axes=(0, 1)), dtype=np.float32)


def trail(length: float, fall: float, angle: float) -> NDArray[np.float64]:
    """A kernel of sum 1: points from the centre outwards, weights falling as a normal curve."""
    reach = max(1, ceil(length))
    steps = np.linspace(0, length, 4 * reach + 1)
    weights = np.exp(-0.5 * (steps / fall) ** 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    at = np.stack([reach + steps * sin(angle), reach + steps * cos(angle)])
    low = np.floor(at).astype(int)
    part = at - low
    for down in (0, 1):
        for across in (0, 1):
            share = np.abs(1 - down - part[0]) * np.abs(1 - across - part[1])
            rows, columns = ((low[i] + step).clip(0, 2 * reach) for i, step in enumerate((down, across)))
            np.add.at(kernel, (rows, columns), weights * share)
    return np.asarray(kernel / kernel.sum())


def _disc(radius: float) -> NDArray[np.float64]:
    """A kernel of sum 1, its rim smoothed over one pixel."""
    reach = ceil(radius + 0.5)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (radius + 0.5 - np.hypot(rows, columns)).clip(0, 1)
    return np.asarray(disc / disc.sum())
