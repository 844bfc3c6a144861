"""Weather and light: snow, frost on the lens, fog, a brighter day. All of it is drawn, none of it photographed."""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

from topfive.loading.corruptions.blur import filtered, trail, unit

Pixels = NDArray[np.float32]
Field = NDArray[np.float32]
"""[h, w]."""

_SNOW = ((0.005, 6.0, 0.10), (0.007, 8.0, 0.15), (0.009, 9.0, 0.20), (0.012, 10.0, 0.25), (0.015, 11.0, 0.30))
"""Flakes a pixel, length of their streaks px, how far the picture pales."""
_FROST = (0.40, 0.55, 0.68, 0.78, 0.88)
"""How much of the picture the ice hides where it is thickest."""
_FOG = ((0.8, 1.5), (1.1, 1.5), (1.4, 1.4), (1.7, 1.35), (2.2, 1.3))
"""Thickness against the picture's brightness, and how fast the cloud's fine structure falls off."""
_BRIGHTER = (0.1, 0.2, 0.3, 0.4, 0.5)
_ICE = np.array([0.88, 0.93, 0.97], dtype=np.float32)


def snow(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """The picture pales towards grey, and flakes of two sizes streak across it in the wind."""
    share, length, pale = _SNOW[level]
    angle = rng.uniform(pi / 4, 3 * pi / 4)
    grey = x.mean(axis=2, keepdims=True)
    paled = (1 - pale) * x + pale * (0.5 * grey + 0.5)
    flakes = np.zeros(x.shape[:2], dtype=np.float32)
    chance, brightness = rng.random((2, *x.shape[:2]), dtype=np.float32)
    for part, size in ((0.8, 1.0), (0.2, 2.0)):
        # Low chances fall as small flakes, high ones as large: thicker snow keeps the flakes that it has.
        seeds = np.where(chance < share * part, 0.5 + 0.5 * brightness, 0).astype(np.float32)[:, :, None]
        long = max(1.0, length * size * unit(x))
        streaks = filtered(seeds, trail(long, long / 2, angle))[:, :, 0]
        flakes += streaks * np.float32(long * size)
        chance = 1 - chance
    flakes = flakes.clip(0, 1)[:, :, None]
    return np.asarray(paled * (1 - flakes) + flakes, dtype=np.float32)


def frost(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Ice with needles and ferns, thickest at the rim, hides part of the picture and lights it coldly."""
    ice = ice_field((x.shape[0], x.shape[1]), rng)[:, :, None] * np.float32(_FROST[level])
    dimmed = x * np.float32(1 - 0.25 * _FROST[level])
    return np.asarray(dimmed * (1 - ice) + _ICE * ice, dtype=np.float32)


def fog(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """A cloud without scale lies over the picture, which keeps its brightest value."""
    thick, fall = _FOG[level]
    brightest = max(float(x.max()), 1 / 255)
    cloud = cloud_field((x.shape[0], x.shape[1]), fall, rng)[:, :, None]
    return np.asarray((x + np.float32(thick) * cloud) * np.float32(brightest / (brightest + thick)), dtype=np.float32)


def brightness(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """The value of hue, saturation and value grows by a fixed step; hue and saturation stay."""
    value = x.max(axis=2, keepdims=True)
    raised = np.minimum(value + np.float32(_BRIGHTER[level]), 1)
    return np.asarray(np.where(value > 0, x * (raised / np.maximum(value, 1e-6)), raised), dtype=np.float32)


def cloud_field(shape: tuple[int, int], fall: float, rng: np.random.Generator) -> Field:
    """Noise whose spectrum falls as frequency ** -fall, stretched to [0, 1]."""
    side = max(2, *shape)
    waves = np.fft.rfft2(rng.standard_normal((side, side)))
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    frequency = np.hypot(down, across) * side
    frequency[0, 0] = np.inf  # the mean is set by the stretch
    field = np.fft.irfft2(waves * frequency**-fall, s=(side, side))[: shape[0], : shape[1]]
    low, high = field.min(), field.max()
    return np.asarray((field - low) / max(high - low, 1e-9), dtype=np.float32)


def ice_field(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """Thickness of ice in [0, 1]: ridges of warped noise at three scales (needles), weighted towards the rim."""
    from scipy.ndimage import map_coordinates

    height, width = shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    sway = [cloud_field(shape, 1.8, rng) - 0.5 for _ in range(2)]
    ice = np.zeros(shape, dtype=np.float32)
    for weight, fall, warp in ((0.45, 1.6, 0.25), (0.35, 1.3, 0.15), (0.2, 1.0, 0.06)):
        field = cloud_field(shape, fall, rng)
        at = [rows + warp * height * sway[0], columns + warp * width * sway[1]]
        field = map_coordinates(field, at, order=1, mode="reflect")
        # A ridge stands where the noise crosses its middle; the power makes it a needle.
        ice += np.float32(weight) * (1 - np.abs(2 * field - 1)) ** 7
    away = np.minimum(np.minimum(rows, height - 1 - rows) / height, np.minimum(columns, width - 1 - columns) / width)
    patches = cloud_field(shape, 1.7, rng)
    rim = (1.15 - 2.2 * away + 0.6 * (patches - 0.5)).clip(0.25, 1)
    return np.asarray((1.5 * ice * rim + 0.3 * rim**3).clip(0, 1), dtype=np.float32)
