"""What the segments of a JPEG before its scan say, if it is a plain one, in arrays for the loops that decode it.

Plain is: baseline, 8 bits, one scan of all components, no restarts, greyscale or YCbCr with colour at full size, at
half the width, or at half of both. Segments that have no say in the pixels are passed over unread.
Importing this imports numba (0.3 s).
"""

from __future__ import annotations

from typing import Any

from numba import njit

_BASELINE, _CODES, _STEPS, _SCAN, _COMMENT = 0xC0, 0xC4, 0xDB, 0xDA, 0xFE
_APPLICATION, _ADOBE = 0xE0, 0xEE
"""The first of sixteen markers of applications (JFIF's), and Adobe's."""
_SOME, _OTHER, _YCBCR = 0, 1, 2
"""What a marker says of the colours: nothing, something that is not plain, or YCbCr."""


def _compiled(function: Any) -> Any:
    return njit(nogil=True, cache=True)(function)


@_compiled
def planned(data: Any, components: Any, codes: Any, steps: Any) -> tuple[int, int]:
    """Number of components and the byte at which the coded bits begin; (0, 0) where the file is not plain.

    Fills `components` int64 [3, 5]: blocks of a unit across and down, slots of its codes (DC 0-3, AC 4-7) and of its
    steps. `codes` uint8 [8, 272]: 16 counts, then symbols. `steps` uint8 [4, 64] as they come. All 0 before.
    """
    at, frame, jfif, adobe = 2, 0, _SOME, _SOME
    while at + 4 <= len(data) and data[at] == 255:
        marker, body, end = int(data[at + 1]), at + 4, at + 2 + 256 * int(data[at + 2]) + int(data[at + 3])
        if end < body or end > len(data):
            break
        if marker == _SCAN:
            n = _matched(data, frame, body, end, components)
            plain = n == 1 or (n == 3 and (jfif == _YCBCR or _named(data, frame, jfif, adobe)))
            return (n, end) if plain else (0, 0)
        if marker == _CODES:
            sound = _read_codes(data, body, end, codes)
        elif marker == _STEPS:
            sound = _read_steps(data, body, end, steps)
        elif marker == _BASELINE:
            sound = frame == 0 and end - body > 5 and end - body == 6 + 3 * data[body + 5]
            frame = body
        else:
            sound = _APPLICATION <= marker < _APPLICATION + 16 or marker == _COMMENT
        if marker == _APPLICATION and jfif == _SOME:
            jfif = _YCBCR if end - body >= 14 and _begins(data, body, (74, 70, 73, 70, 0)) else _OTHER
        if marker == _ADOBE and adobe == _SOME:
            whole = end - body >= 12 and _begins(data, body, (65, 100, 111, 98, 101))
            adobe = _YCBCR if whole and data[body + 11] == 1 else _OTHER
        if not sound:
            break
        at = end
    return 0, 0


@_compiled
def _begins(data: Any, at: int, word: Any) -> bool:
    same = True
    for i in range(len(word)):
        same &= data[at + i] == word[i]
    return same


@_compiled
def _named(data: Any, frame: int, jfif: int, adobe: int) -> bool:
    """Whether colours are YCbCr without JFIF: as libjpeg, by Adobe's marker, else by the components' usual numbers."""
    if adobe != _SOME:
        return adobe == _YCBCR
    return jfif == _SOME and data[frame + 6] == 1 and data[frame + 9] == 2 and data[frame + 12] == 3


@_compiled
def _read_codes(data: Any, at: int, end: int, codes: Any) -> bool:
    while at < end:
        n = 0
        if at + 17 > end:
            return False
        for i in range(16):
            n += data[at + 1 + i]
        kind, slot = data[at] >> 4, data[at] & 15
        if kind > 1 or slot > 3 or n > 256 or at + 17 + n > end:
            return False
        for i in range(16 + n):
            codes[4 * kind + slot, i] = data[at + 1 + i]
        at += 17 + n
    return True


@_compiled
def _read_steps(data: Any, at: int, end: int, steps: Any) -> bool:
    while at < end:
        if data[at] > 3 or at + 65 > end:  # a slot, of single bytes
            return False
        for i in range(64):
            steps[data[at], i] = data[at + 1 + i]
        at += 65
    return True


@_compiled
def _matched(data: Any, frame: int, scan: int, end: int, components: Any) -> int:
    """The number of components (1 or 3) if frame and scan are plain, with `components` filled; else 0."""
    n = int(data[frame + 5]) if frame else 0
    if n not in (1, 3) or data[frame] != 8 or end - scan != 4 + 2 * n or data[scan] != n:
        return 0
    if data[end - 3] != 0 or data[end - 2] != 63 or data[end - 1] != 0:
        return 0
    for c in range(n):
        at, codes = frame + 6 + 3 * c, int(data[scan + 2 + 2 * c])
        across, down, table = int(data[at + 1] >> 4), int(data[at + 1] & 15), int(data[at + 2])
        if data[scan + 1 + 2 * c] != data[at] or codes >> 4 > 3 or codes & 15 > 3 or table > 3:
            return 0
        if n == 1 and 0 < across < 5 and 0 < down < 5:
            across = down = 1
        elif (across, down) != (1, 1) and not (n == 3 and c == 0 and across == 2 and down in (1, 2)):
            return 0
        components[c, 0], components[c, 1], components[c, 4] = across, down, table
        components[c, 2], components[c, 3] = codes >> 4, 4 + (codes & 15)
    return n
