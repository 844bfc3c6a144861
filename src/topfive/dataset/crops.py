"""Cropped and mirrored copies: of pairs that a network finds alike, those whose pixels lie on one another.

Thumbnails are aligned first, which leaves a few in a hundred pairs. Those pictures are decoded and aligned anew, and
the part of one is compared with the other as near duplicates are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.dataset.alignment import Look, Place, placed, screen
from topfive.dataset.fingerprints import LUMA_PX, SIDE_PX, Fingerprints, describe
from topfive.dataset.near import GRAIN, distance, grain
from topfive.loading import Pictures, read_header
from topfive.records import Dataset, Progress, View, silent

_LARGE_PX, _FULL_PX = 64, 512
"""The side on which pictures are aligned, and the longest of what is kept of one."""
_SCREEN, _LIKE = 0.8, 0.9
"""Least likeness of thumbnails, and of larger pictures. Of neighbours that are no copies 3 to 7 % pass the first; 99.8
% of copies do, at half the area too."""
_LEAST_AREA = 0.4
_WHOLE = 0.97
"""The share of a picture from which a part of it is all of it."""
_RUN = 64
"""Pairs a thread takes at a time: their pictures are in memory at once."""
_BLOCK = 65_536
"""Pairs whose likeness is in memory at once."""
_EXACT = View(_LARGE_PX, _LARGE_PX, decoder="exact")
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Copy(NamedTuple):
    """Row `part` shows row `whole` or a part of it: `how` is `crop`, `mirror` (also of a part) or `near`."""

    whole: int
    part: int
    how: str
    distance: float


class _Opened(NamedTuple):
    full: Image.Image
    look: Look


def confirmed(
    dataset: Dataset,
    prints: Fingerprints,
    pairs: NDArray[np.int64],
    *,
    most: float,
    workers: int = 2,
    progress: Progress = silent,
) -> list[Copy]:
    """Those of the pairs of rows [m, 2] in which one picture shows 0.4 to all of the other, as it is or mirrored.

    `most` is the greatest `distance` of near duplicates. Pictures without grain are not joined, for the search may lay
    one soft gradient, or stripe, on another. Parts are of the whole's shape in pixels, but for a few per cent. Both
    pictures decode.
    """
    pictures = Pictures(dataset, dataset.manifest, labels=False)
    ratios = _ratios(pictures, pairs)
    found: list[Copy] = []
    with ThreadPoolExecutor(workers, thread_name_prefix="crops") as pool:
        for start in range(0, len(pairs), _BLOCK):
            block = pairs[start : start + _BLOCK]
            cuts = range(_RUN, len(block), _RUN)
            like = np.concatenate(list(pool.map(partial(screen, prints.thumb, ratios), np.split(block, cuts))))
            left = block[like >= _SCREEN]
            left = left[np.lexsort((left[:, 1], left[:, 0]))]
            look = partial(_copies, pictures, ratios, most)
            for some in pool.map(look, np.split(left, range(_RUN, len(left), _RUN))):
                found += some
            progress("crops and mirrors", start + len(block), len(pairs), "pairs")
    return found


def _ratios(pictures: Pictures, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Width by height of each row, from the header where the manifest does not know it."""
    width, height = (pictures.manifest.column(name).astype(np.float64) for name in ("width", "height"))
    rows = np.unique(pairs)
    for row in rows[(width[rows] < 1) | (height[rows] < 1)].tolist():
        header = read_header(pictures.read(row))
        width[row], height[row] = header.width, header.height
    return np.maximum(width, 1.0) / np.maximum(height, 1.0)


def _copies(pictures: Pictures, ratios: NDArray[np.float64], most: float, pairs: NDArray[np.int64]) -> list[Copy]:
    opened: dict[int, _Opened] = {}
    found = []
    for pair in pairs:
        for row in map(int, pair):
            if row not in opened:
                opened[row] = _open(pictures, row, float(ratios[row]))
        one = _copy((int(pair[0]), int(pair[1])), opened, most)
        if one is not None:
            found.append(one)
    return found


def _open(pictures: Pictures, row: int, ratio: float) -> _Opened:
    full = pictures.decoded(row, _EXACT)
    full.thumbnail((_FULL_PX, _FULL_PX), Image.Resampling.BILINEAR)
    return _Opened(full, Look(_grey(full, LUMA_PX), _grey(full, _LARGE_PX), ratio))


def _grey(full: Image.Image, side: int) -> NDArray[np.float32]:
    small = np.asarray(full.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)
    return np.ascontiguousarray(small @ _GREY)


def _copy(pair: tuple[int, int], opened: dict[int, _Opened], most: float) -> Copy | None:
    """What the pair is, at the best of its four placements; the first of equals, so that a plain copy is no mirror."""
    best = Place(-1.0, 0.0, 0.0, 1.0, 1.0)
    whole, part, mirrored = pair[0], pair[1], False
    for flip in (False, True):
        for a, b in (pair, pair[::-1]):
            place = placed(opened[a].look, _mirrored(opened[b].look) if flip else opened[b].look)
            if place.likeness > best.likeness + 1e-6:
                best, whole, part, mirrored = place, a, b, flip
    area = best.width * best.height
    if best.likeness < _LIKE or area < _LEAST_AREA:
        return None
    far = _apart(opened[whole].full, opened[part].full, best, mirrored)
    if far > most:
        return None
    how = "mirror" if mirrored else "near" if area > _WHOLE else "crop"
    return Copy(whole, part, how, round(far, 2))


def _mirrored(look: Look) -> Look:
    return Look(np.ascontiguousarray(look.small[:, ::-1]), np.ascontiguousarray(look.large[:, ::-1]), look.ratio)


def _apart(whole: Image.Image, part: Image.Image, place: Place, mirrored: bool) -> float:
    """The distance of near duplicates between a part of one picture and the other; infinite for one without grain."""
    width, height = whole.size
    edges = np.clip([place.left, place.top, place.left + place.width, place.top + place.height], 0.0, 1.0)
    left, top, right, bottom = (edges * (width, height, width, height)).tolist()
    size, soft = (SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR
    other = np.asarray(part.resize(size, soft))
    inside = np.asarray(whole.resize(size, soft, box=(left, top, right, bottom)))
    thumbs, _ = describe(np.stack([inside, other[:, ::-1] if mirrored else other]))
    return distance(thumbs[0], thumbs[1]) if min(grain(thumbs[0]), grain(thumbs[1])) >= GRAIN else np.inf
