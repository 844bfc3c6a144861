"""Augmentation that any worker repeats exactly: what happens to an image depends on seed, epoch and its position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topfive.loading.canvas import Canvas
from topfive.loading.order import draws, integers, uniform
from topfive.records import BadInput

if TYPE_CHECKING:
    from topfive.loading.resample import Side

_CANVAS = Canvas()
"""Each thread's own."""


def crop_flip(
    images: NDArray[np.uint8],
    crop_px: int,
    *,
    seed: int,
    epoch: int,
    positions: NDArray[np.integer[Any]],
    mirror: bool = True,
) -> NDArray[np.uint8]:
    """A random crop of each image, mirrored half of the time (or never): uint8 [n, H, W, 3] -> [n, crop, crop, 3].

    `positions` are the images' places in their split (Krizhevsky, Sutskever and Hinton 2012, section 4.1).
    """
    n, height, width, _ = images.shape
    if not 1 <= crop_px <= min(height, width):
        raise BadInput(f"a crop of {crop_px} px does not fit into {width} x {height} px", where="crop_flip")
    if len(positions) != n:
        raise BadInput(f"{n} images have {len(positions)} positions", where="crop_flip")
    top = integers(draws("crop top", seed, epoch, positions), height - crop_px + 1)
    left = integers(draws("crop left", seed, epoch, positions), width - crop_px + 1)
    mirrored = mirrors(seed, epoch, positions) & mirror
    out = np.empty((n, crop_px, crop_px, 3), dtype=np.uint8)
    # A loop of block copies: fancy indexing would gather 3-byte pixels one by one, several times slower.
    for i, (y, x, turned) in enumerate(zip(top, left, mirrored, strict=True)):
        crop = images[i, y : y + crop_px, x : x + crop_px]
        out[i] = crop[:, ::-1] if turned else crop
    return out


def mirrors(seed: int, epoch: int, positions: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Which pictures are mirrored in an epoch, half of them, bool [n]."""
    return np.asarray(draws("mirror", seed, epoch, positions) >> np.uint64(63) == 1)


def scale_boxes(
    px: int, crop_px: int, smallest_scale: float, *, seed: int, epoch: int, positions: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Squares that a `crop_px` crop sees of a px x px picture zoomed by a factor from [smallest_scale, 1].

    Float64 [n, 4] as (left, top, right, bottom) in pixels. So VGG and ResNet draw the short side of each picture.
    """
    share = uniform(draws("scale", seed, epoch, positions))
    side = np.minimum(px, crop_px / (smallest_scale + share * (1.0 - smallest_scale)))
    left = uniform(draws("crop left", seed, epoch, positions)) * (px - side)
    top = uniform(draws("crop top", seed, epoch, positions)) * (px - side)
    return np.asarray(np.minimum(np.stack([left, top, left + side, top + side], axis=1), px))


def area_boxes(
    sides: int | NDArray[np.integer[Any]],
    smallest_area: float,
    *,
    seed: int,
    epoch: int,
    positions: NDArray[np.integer[Any]],
) -> NDArray[np.float64]:
    """Rectangles with a share of the picture from [smallest_area, 1] and a ratio of width to height from [3/4, 4/3].

    `sides` are width and height of each picture in pixels [n, 2], or one number for squares. Float64 [n, 4] as (left,
    top, right, bottom). The ratio is uniform in its logarithm; a rectangle that does not fit is drawn anew, ten times
    at most, then the largest one in the middle with an allowed ratio is taken (Szegedy et al. 2015, section 6, and
    torchvision's `RandomResizedCrop`, which also rounds to whole pixels).
    """
    n, widest = len(positions), np.log(4 / 3)
    wide_px, high_px = np.broadcast_to(np.asarray(sides, dtype=np.float64), (n, 2)).T
    width, height = np.minimum(wide_px, high_px * (4 / 3)), np.minimum(high_px, wide_px * (4 / 3))
    side = np.sqrt(wide_px * high_px)
    open_ = np.ones(n, dtype=bool)
    for attempt in range(10):
        area = smallest_area + uniform(draws(f"area {attempt}", seed, epoch, positions)) * (1.0 - smallest_area)
        ratio = np.exp((2.0 * uniform(draws(f"aspect {attempt}", seed, epoch, positions)) - 1.0) * widest)
        wide, high = side * np.sqrt(area * ratio), side * np.sqrt(area / ratio)
        fits = open_ & (wide <= wide_px) & (high <= high_px)
        width[fits], height[fits] = wide[fits], high[fits]
        open_ &= ~fits
        if not open_.any():  # draws are numbered, so leaving some out changes no other
            break
    free_x, free_y = wide_px - width, high_px - height
    left = np.where(open_, 0.5, uniform(draws("crop left", seed, epoch, positions))) * free_x
    top = np.where(open_, 0.5, uniform(draws("crop top", seed, epoch, positions))) * free_y
    limit = np.stack([wide_px, high_px, wide_px, high_px], axis=1)
    return np.asarray(np.minimum(np.stack([left, top, left + width, top + height], axis=1), limit))


def cut(
    images: NDArray[np.uint8], boxes: NDArray[np.float64], mirrored: NDArray[np.bool_], out_px: int
) -> NDArray[np.uint8]:
    """The box of each image resized to out_px x out_px (bilinear, filtered where it shrinks), perhaps mirrored.

    uint8 [n, h, w, 3] to [n, out_px, out_px, 3], the pixels of Pillow's `resize` with a box.
    """
    from topfive.loading.resample import lay, resample

    out = np.empty((len(images), out_px, out_px, 3), dtype=np.uint8)
    for i, (image, box, mirror) in enumerate(zip(images, boxes, mirrored, strict=True)):
        lay(image, _CANVAS)
        columns, rows = box_sides(box, out_px, out_px)
        resample(_CANVAS, columns, rows, "bilinear", out[i], mirrored=bool(mirror))
    return out


def box_sides(box: NDArray[np.float64], width: int, height: int) -> tuple[Side, Side]:
    """How `resample` makes width x height pixels of a box (left, top, right, bottom)."""
    from topfive.loading.resample import Side

    left, top, right, bottom = map(float, box)
    return Side(left, right, width, 0, width), Side(top, bottom, height, 0, height)


@dataclass(frozen=True)
class RandomCrop:
    """GoogLeNet's crop of an epoch: a box of `area_boxes`, resized to the view's crop, mirrored half of the time."""

    seed: int
    epoch: int
    smallest_area: float = 0.08
    mirror: bool = True

    def boxes(
        self, sides: NDArray[np.integer[Any]], positions: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Of pictures with these sides [n, 2], at these places in their split: the box, and whether it is mirrored."""
        drawn = {"seed": self.seed, "epoch": self.epoch, "positions": positions}
        found = area_boxes(sides, self.smallest_area, **drawn)  # type: ignore[arg-type]
        return found, mirrors(self.seed, self.epoch, positions) & self.mirror
