"""Part of a plain JPEG to pixels, bit for bit as libjpeg-turbo makes them, without what the part does not need.

Rows of blocks below the part are not decoded, and only its own blocks are transformed and coloured: what Python has of
libjpeg-turbo decodes whole pictures. The file must be plain (`plain_jpeg.py`), complete up to its end marker, and sound
as far as it is decoded. Of any other nothing is decided here: the caller's other decoders do.
Importing this imports numba (0.3 s).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from topfive.loading.canvas import Canvas
from topfive.loading.colour import coloured
from topfive.loading.headers import Header
from topfive.loading.huffman import PADDING, scanned, unstuffed
from topfive.loading.plain_jpeg import planned

_END = 0xD9
_SMALLEST = 16
"""Pixels of a side; narrower pictures have colour planes that libjpeg widens by another rule."""
_BEYOND = 2
"""Pixels beside a part from which its colour may come, where colour has half the size."""
_UNIT = 16
"""The most pixels of a unit's side."""


def paint_part(data: bytes, header: Header, canvas: Canvas, part: tuple[int, int, int, int]) -> bool:
    """Decode pixels (left, top, right, bottom) onto the canvas, whose others mean nothing then; False if not plain."""
    if header.format != "JPEG" or min(header.width, header.height) < _SMALLEST:
        return False
    left, top, right, bottom = part
    wide, high = right - left + 4 * _UNIT, bottom - top + 3 * _UNIT
    spare = canvas.between(len(data) + PADDING + 3 * wide * high)
    words = canvas.sized(header.width, header.height).reshape(header.height, -1).view(np.uint32)
    return bool(_painted(np.frombuffer(data, np.uint8), (header.width, header.height), part, spare, words))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _painted(data: Any, size: tuple[int, int], part: tuple[int, int, int, int], spare: Any, words: Any) -> bool:
    """The part to RGBX `words` uint32 [h, w]; `spare` has room for the coded bits and three planes of the part."""
    components = np.zeros((3, 5), np.int64)
    codes, steps = np.zeros((8, 272), np.uint8), np.zeros((4, 64), np.uint8)
    n, start = planned(data, components, codes, steps)
    if n == 0:
        return False
    bits, planes = spare[: len(data) + PADDING], spare[len(data) + PADDING :]
    n_bytes, marker = unstuffed(data, start, bits)
    if marker != _END:
        return False
    components = components[:n]
    across, down = components[0, 0] * 8, components[0, 1] * 8
    left, right = _units(part[0], part[2], size[0], across)
    top, bottom = _units(part[1], part[3], size[1], down)
    places, end = np.zeros((n, 2), np.int64), 0
    for c in range(n):
        stride = ((right - left) * components[c, 0] + 1) // 2 * 16
        places[c, 0], places[c, 1] = end, stride
        end += stride * 8 * (bottom - top) * components[c, 1]
    units = (-(-size[0] // across), left, right, top, bottom)
    if end > len(planes) or not scanned(bits, n_bytes, components, (codes, steps), places, units, planes):
        return False
    coloured(planes, components, places, (left * across, top * down), size, part, words)
    return True


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _units(low: int, high: int, size: int, px: int) -> tuple[int, int]:
    """First and end of the units of `px` pixels that pixels low .. high of `size` need."""
    beyond = _BEYOND if px > 8 else 0
    return max(low - beyond, 0) // px, -(-min(high + beyond, size) // px)
