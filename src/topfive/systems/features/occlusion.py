"""What hiding a part of a picture costs: a map of how much each place matters to an answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_TINT = np.array([213, 94, 0], dtype=np.float64)
"""Vermillion of the Okabe-Ito palette."""


def occlusion(
    probability: Callable[[Picture], NDArray[np.float64]], picture: Picture, grey: Picture
) -> tuple[float, NDArray[np.float64]]:
    """The probability of the whole picture, and with a grey square at each of 7 x 7 places, float64 [7, 7].

    The square is a quarter of the side wide, and neighbours overlap by half: section 4.2 of Zeiler and Fergus.
    """
    places = _places(picture.shape[0])
    images = np.repeat(picture[None], 1 + len(places) ** 2, axis=0)
    for i, (top, bottom) in enumerate(places):
        for j, (left, right) in enumerate(places):
            images[1 + i * len(places) + j, top:bottom, left:right] = grey
    found = probability(images)
    return float(found[0]), found[1:].reshape(len(places), len(places))


def importance(drops: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Of each pixel the mean drop over the squares that cover it, float64 [side, side]."""
    total, count = np.zeros((side, side)), np.zeros((side, side))
    places = _places(side)
    for i, (top, bottom) in enumerate(places):
        for j, (left, right) in enumerate(places):
            total[top:bottom, left:right] += drops[i, j]
            count[top:bottom, left:right] += 1
    return total / count


def _places(side: int) -> list[tuple[int, int]]:
    """Seven half-overlapping stretches that cover [0, side)."""
    return [(side * i // 8, -(-side * (i + 2) // 8)) for i in range(7)]


def tinted(picture: Picture, weight: NDArray[np.float64]) -> Picture:
    """The picture in pale grey, tinted in proportion to the weight where it is positive."""
    grey = 128 + 0.5 * (picture.astype(np.float64) @ (0.299, 0.587, 0.114))[..., None] * np.ones(3)
    share = np.maximum(weight, 0.0)[..., None] / max(float(weight.max()), 1e-12)
    return np.round((1 - 0.8 * share) * grey + 0.8 * share * _TINT).clip(0, 255).astype(np.uint8)
