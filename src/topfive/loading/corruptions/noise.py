"""Noise: of the sensor, of few photons, of bits that flip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

_DEVIATION = (0.08, 0.12, 0.18, 0.26, 0.38)
_PHOTONS = (60, 25, 12, 5, 3)
_SHARE = (0.03, 0.06, 0.09, 0.17, 0.27)


def gaussian(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Normal noise on each value, as low light gives."""
    return x + np.float32(_DEVIATION[level]) * rng.standard_normal(x.shape, dtype=np.float32)


def shot(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Poisson noise: full brightness is so many photons."""
    photons = _PHOTONS[level]
    return (rng.poisson(x.astype(np.float64) * photons) / photons).astype(np.float32)


def impulse(x: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """A share of the values becomes black or white, each colour by itself."""
    hit = rng.random(x.shape) < _SHARE[level]
    white = rng.random(x.shape) < 0.5
    return np.where(hit, white.astype(np.float32), x)
