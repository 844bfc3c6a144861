"""Planes of brightness and colour to RGBX pixels, bit for bit as libjpeg does: smooth upsampling, 16-bit constants.

Where colour has half the width (and height), each pixel's colour is 3/4 of the nearest sample and 1/4 of the next one.
The loops are plain: LLVM makes vectors of them. Importing this imports numba (0.3 s).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


def _compiled(function: Any) -> Any:
    return njit(nogil=True, cache=True)(function)


@_compiled
def _clipped(value: Any) -> Any:
    return min(max(value, np.int32(0)), np.int32(255))


@_compiled
def _row(bright: Any, tints: Any, at: Any, out: Any, y: int, left: int, right: int) -> None:
    """Pixels left .. right of row y from samples: brightness from `at[0]` on, colours in `tints` from the others on.

    R = Y + 1.402 (Cr - 128) and so on in units of 2^-16, rounded.
    """
    n, half = right - left, np.int32(32768)
    lights, blues, reds = bright[at[0] : at[0] + n], tints[at[1] : at[1] + n], tints[at[2] : at[2] + n]
    words = out[y, left:right]
    for x in range(n):  # of slices: places counted from elsewhere might be negative, and make no vectors
        light, b, r = np.int32(lights[x]), np.int32(blues[x]) - np.int32(128), np.int32(reds[x]) - np.int32(128)
        red = _clipped(light + ((np.int32(91881) * r + half) >> np.int32(16)))
        green = _clipped(light + ((half - np.int32(22554) * b - np.int32(46802) * r) >> np.int32(16)))
        blue = _clipped(light + ((np.int32(116130) * b + half) >> np.int32(16)))
        words[x] = np.uint32(red | green << np.int32(8) | blue << np.int32(16))


@_compiled
def _widened(samples: Any, near: int, far: int, n: int, down: int, out: Any, at: int) -> None:
    """2 n samples to `out[at]` and on from n of the rows that begin at `near` and `far`, 3/4 of the nearer in each way.

    Where `down` is 1, the two rows are one. Beyond the ends the last sample repeats. The two cases round differently,
    as in libjpeg.
    """
    sums, wide = np.empty(n + 2, np.int32), out[at : at + 2 * n]
    nearer, farther = samples[near : near + n], samples[far : far + n]
    for x in range(n):
        sums[x + 1] = np.int32(3) * np.int32(nearer[x]) + np.int32(farther[x])
    sums[0], sums[n + 1] = sums[1], sums[n]
    before, after = (np.int32(4), np.int32(8)) if down == 1 else (np.int32(8), np.int32(7))
    for x in range(n):
        wide[2 * x] = (np.int32(3) * sums[x + 1] + sums[x] + before) >> np.int32(4)
        wide[2 * x + 1] = (np.int32(3) * sums[x + 1] + sums[x + 2] + after) >> np.int32(4)


@_compiled
def coloured(planes: Any, components: Any, places: Any, origin: Any, size: Any, part: Any, out: Any) -> None:
    """Pixels `part` (left, top, right, bottom) of a picture of `size` (width, height) to RGBX words, uint32 [h, w].

    `planes` hold the samples from pixel `origin` on where `places` of `scanned` say; the first component is brightness.
    """
    left, top, right, bottom = part
    across, down, stride = components[0, 0], components[0, 1], places[0, 1]
    skipped, above = left - origin[0], origin[1] // down
    widened = np.full(2 * stride, 128, np.uint8)
    n = min(stride // 2, -(-size[0] // 2) - origin[0] // 2)
    last = -(-size[1] // down) - 1
    for y in range(top, bottom):
        bright = places[0, 0] + (y - origin[1]) * stride + skipped
        if len(components) == 1:
            _row(planes, widened, (bright, 0, 0), out, y, left, right)
        elif across == 1:
            blue, red = bright - places[0, 0] + places[1, 0], bright - places[0, 0] + places[2, 0]
            _row(planes, planes, (bright, blue, red), out, y, left, right)
        else:
            line = y // down
            other = min(max(line - 1 + 2 * (y % 2), 0), last) if down == 2 else line
            for c in (1, 2):
                begin, under = places[c, 0], places[c, 1]
                near, far = begin + (line - above) * under, begin + (other - above) * under
                _widened(planes, near, far, n, down, widened, (c - 1) * stride)
            _row(planes, widened, (bright, skipped, stride + skipped), out, y, left, right)
