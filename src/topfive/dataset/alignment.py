"""Alignment: where in one picture another lies as a part of it, found on small grey pictures.

A coarse search tries all places of parts of eight areas, whose shape in pixels is the other picture's; a fine one
follows the difference (Gauss and Newton) from the best of them, and may stretch a little. Both compare by correlation,
so that brightness and contrast say nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from topfive.dataset.fingerprints import LUMA_PX

_AREAS = np.array([0.445, 0.5, 0.56, 0.63, 0.705, 0.79, 0.89, 1.0])
"""Shares of the whole that a part may cover: sides 6 % apart, which 12 samples a side hardly see."""
_SMALLEST = 0.4
"""The least side of a part: that of an upright one of 4 : 3 which is cut out of a picture lying so."""
_SAMPLES, _FINE = 12, 32
"""Samples a side of the coarse search, whose places are half of one apart, and at most of the fine one."""
_STARTS, _STEPS = 3, 12
_ALIKE = 0.7
"""The likeness from which the coarse search is followed: copies at half the area came to 0.8 and more."""
_ALL = np.array([0.0, 0.0, 1.0, 1.0])
_SURE = 0.98
"""From here no further start is followed."""
_EVEN = 1.0
"""A deviation below this, in grey levels, is that of an even picture, which would lie everywhere."""

Floats = NDArray[np.float32]


class Look(NamedTuple):
    """A picture in grey, squeezed square: float32 [LUMA_PX, LUMA_PX] and [s, s], and its `ratio`, width by height."""

    small: Floats
    large: Floats
    ratio: float


class Place(NamedTuple):
    """Where a part lies: fractions of the whole's width and height, and the correlation there (-1: nowhere)."""

    likeness: float
    left: float
    top: float
    width: float
    height: float


def placed(whole: Look, part: Look) -> Place:
    """The best place of one picture as a part of another (or as all of it), of 0.4 to all of its area."""
    starts, best = np.empty((_STARTS, 5)), np.array([-1.0, 0.0, 0.0, 1.0, 1.0])
    _starts(whole.small, part.small, part.ratio / whole.ratio, starts)
    for start in starts[np.argsort(-starts[:, 0], kind="stable")]:
        if start[0] > -1.0 and best[0] < _SURE:
            _refine(whole.large, part.large, start[1:].copy(), best)
    return Place(*best.tolist())


def screen(thumbs: NDArray[np.uint8], ratios: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """How alike each pair of rows [m, 2] is at best, [m]: one as a part of the other, as it is or mirrored.

    `thumbs` uint8 [n, THUMB] as `Fingerprints` has them, `ratios` [n] widths by heights. Holds no lock while it works.
    """
    found = np.empty(len(pairs))
    _screen(thumbs, ratios, pairs, found)
    return found


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _screen(thumbs: Any, ratios: Any, pairs: Any, found: Any) -> None:
    sides = np.empty((2, LUMA_PX, LUMA_PX), dtype=np.float32)
    part = np.empty((LUMA_PX, LUMA_PX), dtype=np.float32)
    starts = np.empty((_STARTS, 5))
    for k in range(len(pairs)):
        for one in range(2):
            for i in range(LUMA_PX):
                for j in range(LUMA_PX):
                    sides[one, i, j] = thumbs[pairs[k, one], i * LUMA_PX + j]
        found[k] = -1.0
        for one in range(2):
            ratio = ratios[pairs[k, 1 - one]] / ratios[pairs[k, one]]
            for mirrored in range(2):
                if mirrored:
                    part[:] = sides[1 - one, :, ::-1]
                else:
                    part[:] = sides[1 - one]
                _starts(sides[one], part, ratio, starts)
                found[k] = max(found[k], np.max(starts[:, 0]))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _starts(whole: Any, part: Any, ratio: float, found: Any) -> None:
    """Fill `found` [_STARTS, 5] with places on the small pictures, each followed downhill if it is alike enough."""
    _search(whole, part, ratio, found)
    for k in range(len(found)):
        if found[k, 0] >= _ALIKE:
            _refine(whole, part, found[k, 1:].copy(), found[k])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _at(picture: Any, y: Any, x: Any) -> Any:
    """Between four pixels, whose centres are at whole numbers; beyond the border as at it."""
    n = picture.shape[0]
    y = min(max(y, 0.0), n - 1.0)
    x = min(max(x, 0.0), n - 1.0)
    row, column = min(int(y), n - 2), min(int(x), n - 2)
    down, right = y - row, x - column
    above = (1.0 - right) * picture[row, column] + right * picture[row, column + 1]
    below = (1.0 - right) * picture[row + 1, column] + right * picture[row + 1, column + 1]
    return (1.0 - down) * above + down * below


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _lay(picture: Any, box: Any, out: Any) -> Any:
    """Fill `out` [n, n] with samples of a box, less their mean; their length, or 0 where the box is even."""
    n, side = out.shape[0], picture.shape[0]
    total = 0.0
    for i in range(n):
        y = (box[1] + (i + 0.5) / n * box[3]) * side - 0.5
        for j in range(n):
            out[i, j] = _at(picture, y, (box[0] + (j + 0.5) / n * box[2]) * side - 0.5)
            total += out[i, j]
    mean, squares = total / (n * n), 0.0
    for i in range(n):
        for j in range(n):
            out[i, j] -= mean
            squares += out[i, j] * out[i, j]
    return np.sqrt(squares) if squares >= _EVEN * _EVEN * n * n else 0.0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _search(whole: Any, part: Any, ratio: float, found: Any) -> None:
    """Fill `found` with the best place of each of the best areas."""
    n, side = _SAMPLES, whole.shape[0]
    found[:, 0] = -1.0
    samples = np.empty((n, n))
    length = _lay(part, _ALL, samples)
    if length == 0.0:
        return
    for k in range(len(_AREAS)):
        # The last takes all of the whole, stretched or not.
        last = k == len(_AREAS) - 1
        width = 1.0 if last else np.sqrt(_AREAS[k] * ratio)
        height = 1.0 if last else np.sqrt(_AREAS[k] / ratio)
        if max(width, height) > 1.03 or min(width, height) < _SMALLEST:
            continue
        # The whole, twice as dense as the part's samples would lie in it: sample i of a place is at every second line.
        across, down = max(round(2 * n / width), 2 * n), max(round(2 * n / height), 2 * n)
        dense = np.empty((down + 1, across + 1))
        for y in range(down + 1):
            for x in range(across + 1):
                dense[y, x] = _at(whole, y / down * side - 0.5, x / across * side - 0.5)
        best, top, left = -1.0, 0, 0
        for y in range(down - 2 * n + 1):
            for x in range(across - 2 * n + 1):
                total, squares, product = 0.0, 0.0, 0.0
                for i in range(n):
                    for j in range(n):
                        value = dense[y + 2 * i + 1, x + 2 * j + 1]
                        total += value
                        squares += value * value
                        product += value * samples[i, j] / length
                spread = squares - total * total / (n * n)
                if spread > _EVEN * _EVEN * n * n and product > best * np.sqrt(spread):
                    best, top, left = product / np.sqrt(spread), y, x
        worst = np.argmin(found[:, 0])
        if best > found[worst, 0]:
            found[worst, 0] = best
            found[worst, 1], found[worst, 2] = left / across, top / down
            found[worst, 3], found[worst, 4] = 2.0 * n / across, 2.0 * n / down


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _refine(whole: Any, part: Any, box: Any, best: Any) -> None:
    """Move `box` (left, top, width, height) downhill, and put the best place on the way into `best` if it is better."""
    n = min(_FINE, whole.shape[0])
    samples, seen = np.empty((n, n)), np.empty((n, n))
    square, pull = np.empty((4, 4)), np.empty(4)
    long = _lay(part, _ALL, samples)
    if long == 0.0:
        return
    for _ in range(_STEPS):
        length = _lay(whole, box, seen)
        if length == 0.0:
            return
        likeness = 0.0
        for i in range(n):
            for j in range(n):
                likeness += seen[i, j] * samples[i, j] / (length * long)
        if likeness > best[0]:
            best[0] = likeness
            for axis in range(4):
                best[1 + axis] = box[axis]
        _pulls(whole, box, (seen, length), (samples, long), square, pull)
        _solve(square, pull)
        far = max(abs(pull[0]), abs(pull[1]), abs(pull[2]), abs(pull[3]))
        if far < 2e-4:
            return
        for axis in range(4):
            box[axis] += pull[axis] * min(1.0, 0.08 / far)
        for axis in range(2):
            box[2 + axis] = min(max(box[2 + axis], _SMALLEST), 1.02)
            box[axis] = min(max(box[axis], -0.01), 1.01 - box[2 + axis])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _pulls(whole: Any, box: Any, at: Any, to: Any, square: Any, pull: Any) -> None:
    """Fill the normal equations of the step that takes what is seen in the box to the part."""
    (seen, length), (samples, long) = at, to
    n, side = seen.shape[0], whole.shape[0]
    step = 0.75 / side
    square[:] = 0.0
    pull[:] = 0.0
    slope = np.empty(4)
    for i in range(n):
        v = (i + 0.5) / n
        for j in range(n):
            u = (j + 0.5) / n
            for axis in range(2):
                x = box[0] + u * box[2]
                y = box[1] + v * box[3]
                change = 0.0
                for sign in (-1.0, 1.0):
                    over, down = (sign * step, 0.0) if axis == 0 else (0.0, sign * step)
                    change += sign * _at(whole, (y + down) * side - 0.5, (x + over) * side - 0.5)
                slope[axis] = change / (2.0 * step * length)
            slope[2], slope[3] = u * slope[0], v * slope[1]
            off = samples[i, j] / long - seen[i, j] / length
            for p in range(4):
                pull[p] += slope[p] * off
                for q in range(4):
                    square[p, q] += slope[p] * slope[q]
    for p in range(4):
        square[p, p] = square[p, p] * 1.001 + 1e-9


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _solve(square: Any, pull: Any) -> None:
    """Put the solution of a positive definite system into `pull`, by elimination."""
    n = len(pull)
    for p in range(n):
        for row in range(p + 1, n):
            share = square[row, p] / square[p, p]
            pull[row] -= share * pull[p]
            for q in range(p, n):
                square[row, q] -= share * square[p, q]
    for row in range(n - 1, -1, -1):
        for q in range(row + 1, n):
            pull[row] -= square[row, q] * pull[q]
        pull[row] /= square[row, row]
