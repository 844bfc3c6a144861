"""Near duplicates: which pictures' fingerprints are so close that they show one photograph.

Two steps. Hashes that differ in at most MOST_BITS of 64 are found exactly: cut into four bands of 16 bits, two such
hashes agree in one band up to a quarter of the bits, so only bands that near are compared (one pair in about a hundred
of all). Then the thumbnails of such a pair decide, since hashes of drawings and of flat pictures collide.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from topfive.dataset.fingerprints import CHROMA_PX, LUMA_PX

MOST_BITS = 11
_BANDS, _BAND_BITS = 4, 16
_BAND_BITS_OFF = MOST_BITS // _BANDS
_N_LUMA, _N_CHROMA = LUMA_PX**2, 2 * CHROMA_PX**2
GRAIN = 0.7
"""Grain below this, in grey levels, is that of rounding, and not compared."""
_GRAIN_OFF = 32.0
"""Weight of grain, whose least correlation so is 0.75. Of 1,000 copies of photographs, 1,000 of 64 px and 96 of pages
of text all came to 0.91; of 276 pairs of other pages none to more than 0.53."""
_FAR = 16.0
_BLOCK = 65_536
_DETAIL = 1.8
"""Weight of detail, whose limit so is 4.4 grey levels. Less differs in 99.6 % of 4,000 copies of photographs of 64 px
(at half to twice the size, in quality 30 to 95), more than 5.2 in 99 % of the pairs of like garments (Fashion-MNIST)
that the rest of the distance takes for copies."""


def components(
    hashes: NDArray[np.uint64], thumbs: NDArray[np.uint8], *, most: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Link near duplicates: `root` int64 [n] (equal for pictures that are linked), and the links made, int64 [m, 2].

    `hashes` uint64 [n] and `thumbs` uint8 [n, THUMB] as `Fingerprints` has them. `most` is the greatest `distance`.
    Links join what is not joined yet, so there are at most n - 1; a link's pictures are near each other themselves.
    """
    n = len(hashes)
    root = np.arange(n, dtype=np.int64)
    links = np.empty((n, 2), dtype=np.int64)
    made = 0
    masks = np.array(sorted(_masks(), key=lambda mask: (int(mask).bit_count(), mask)), dtype=np.int64)
    for band in range(_BANDS):
        value = ((hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(0xFFFF)).astype(np.int64)
        order = np.argsort(value, kind="stable")
        start = np.searchsorted(value[order], np.arange(2**_BAND_BITS + 1))
        made = _link((order, start, masks), (hashes, thumbs), most, (root, links), made)
    for i in range(n):
        root[i] = _find(root, i)
    return root, links[:made]


def near_pairs(hashes: NDArray[np.uint64], thumbs: NDArray[np.uint8], *, most: float) -> NDArray[np.int64]:
    """All pairs of near duplicates, lower row first, int64 [m, 2]; compares each with each, for small sets."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for i in range(len(hashes)):
        near = _near_one(hashes, thumbs, i, most)
        found.append(np.stack([np.full(len(near), i, dtype=np.int64), near], axis=1))
    return np.concatenate(found)


def even(thumbs: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which thumbnails uint8 [n, THUMB] are of one colour all over: their hash is chance, and nothing tells them apart.

    Brightness and either colour deviate by less than one grey level.
    """
    edges = (0, _N_LUMA, _N_LUMA + _N_CHROMA // 2, _N_LUMA + _N_CHROMA)
    found = np.empty(len(thumbs), dtype=np.bool_)
    for start in range(0, len(thumbs), _BLOCK):
        block = thumbs[start : start + _BLOCK].astype(np.float32)
        spread = [block[:, a:b].std(axis=1) for a, b in pairwise(edges)]
        found[start : start + _BLOCK] = np.max(spread, axis=0) < 1.0
    return found


def distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """How far two thumbnails uint8 [THUMB] are apart, in grey levels: as wholes or in detail, whichever is more.

    As wholes: the root mean square difference of brightness with the means taken out, weighed by how much contrast the
    flatter one has (a flat sky is like any other, so there less is allowed), half that of colour, of which JPEG keeps
    less, and a tenth of that of the means. In detail: that of each value against the mean of the nine around it, so
    that two things of one outline on one ground are not one picture. And by how little the grain of the two (`grain`)
    correlates, so that two pages of text are not one, which differ by little else.
    """
    return float(_distance(a, b))


def grain(thumb: NDArray[np.uint8]) -> float:
    """Root mean square, in grey levels, of a thumbnail's detail without what is the same along a row or a column.

    Lines of text, stripes and soft gradients have little, and nothing that a part of them is recognised by.
    """
    return float(_grain(thumb, np.empty((LUMA_PX - 2, LUMA_PX - 2))))


def _masks() -> list[int]:
    """All 16-bit values with at most `_BAND_BITS_OFF` bits set."""
    return [
        sum(1 << bit for bit in bits) for n in range(_BAND_BITS_OFF + 1) for bits in combinations(range(_BAND_BITS), n)
    ]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _find(root: Any, i: Any) -> Any:
    while root[i] != i:
        root[i] = root[root[i]]
        i = root[i]
    return i


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _n_bits(x: Any) -> Any:
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _apart_in_detail(a: Any, b: Any) -> Any:
    total = 0.0
    for row in range(1, LUMA_PX - 1):
        for column in range(1, LUMA_PX - 1):
            around = np.int64(0)
            for k in range(9):
                at = (row + k // 3 - 1) * LUMA_PX + column + k % 3 - 1
                around += np.int64(a[at]) - np.int64(b[at])
            at = row * LUMA_PX + column
            total += (np.int64(a[at]) - np.int64(b[at]) - around / 9.0) ** 2
    return np.sqrt(total / (LUMA_PX - 2) ** 2)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _apart(a: Any, b: Any) -> Any:
    zero = np.int64(0)
    total_a, total_b, square_a, square_b, cross, colour = zero, zero, zero, zero, zero, zero
    for k in range(_N_LUMA):
        x, y = np.int64(a[k]), np.int64(b[k])
        total_a += x
        total_b += y
        square_a += x * x
        square_b += y * y
        cross += x * y
    mean_a, mean_b = total_a / _N_LUMA, total_b / _N_LUMA
    var_a = max(square_a / _N_LUMA - mean_a * mean_a, 0.0)
    var_b = max(square_b / _N_LUMA - mean_b * mean_b, 0.0)
    off = max(var_a + var_b - 2.0 * (cross / _N_LUMA - mean_a * mean_b), 0.0)
    contrast = np.sqrt(min(var_a, var_b))
    for k in range(_N_LUMA, _N_LUMA + _N_CHROMA):
        step = np.int64(a[k]) - np.int64(b[k])
        colour += step * step
    return np.sqrt(off) * 40.0 / max(contrast, 4.0) + 0.5 * np.sqrt(colour / _N_CHROMA) + 0.1 * abs(mean_a - mean_b)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _grain(thumb: Any, out: Any) -> Any:
    n = LUMA_PX - 2
    for row in range(n):
        for column in range(n):
            around = np.int64(0)
            for k in range(9):
                around += np.int64(thumb[(row + k // 3) * LUMA_PX + column + k % 3])
            out[row, column] = thumb[(row + 1) * LUMA_PX + column + 1] - around / 9.0
    for row in range(n):
        out[row] -= out[row].sum() / n
    for column in range(n):
        out[:, column] -= out[:, column].sum() / n
    return np.sqrt((out * out).sum() / n**2)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _apart_in_grain(a: Any, b: Any) -> Any:
    n = LUMA_PX - 2
    grain_a, grain_b = np.empty((n, n)), np.empty((n, n))
    rough_a, rough_b = _grain(a, grain_a), _grain(b, grain_b)
    if max(rough_a, rough_b) < GRAIN:
        return 0.0
    return 1.0 - (grain_a * grain_b).sum() / (n**2 * max(rough_a * rough_b, 1e-6))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _distance(a: Any, b: Any) -> Any:
    far = max(_apart(a, b), _DETAIL * _apart_in_detail(a, b))
    # The grain takes longest; a pair is seldom near by the rest.
    return max(far, _GRAIN_OFF * _apart_in_grain(a, b)) if far <= _FAR else far


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _near_one(hashes: Any, thumbs: Any, i: int, most: float) -> Any:
    found = np.empty(len(hashes), dtype=np.int64)
    count = 0
    for j in range(i + 1, len(hashes)):
        if _n_bits(hashes[i] ^ hashes[j]) <= MOST_BITS and _distance(thumbs[i], thumbs[j]) <= most:
            found[count] = j
            count += 1
    return found[:count].copy()


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _link(bands: Any, looks: Any, most: float, forest: Any, made: int) -> int:
    order, start, masks = bands
    hashes, thumbs = looks
    root, links = forest
    for value in range(len(start) - 1):
        if start[value] == start[value + 1]:
            continue
        for mask in masks:
            other = value ^ mask
            if other < value or start[other] == start[other + 1]:
                continue
            for p in range(start[value], start[value + 1]):
                i = order[p]
                for q in range(p + 1 if mask == 0 else start[other], start[other + 1]):
                    j = order[q]
                    if _n_bits(hashes[i] ^ hashes[j]) > MOST_BITS:
                        continue
                    a, b = _find(root, i), _find(root, j)
                    if a == b or _distance(thumbs[i], thumbs[j]) > most:
                        continue
                    root[max(a, b)] = min(a, b)
                    links[made, 0], links[made, 1] = min(i, j), max(i, j)
                    made += 1
    return made
