"""The crops of a picture under a test protocol, each as a box in the picture's own pixels; Pictures made of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.headers import read_header
from topfive.loading.pictures import Pictures
from topfive.loading.views import FILTERS
from topfive.records import Protocol, View

_HELD = 8
"""Decoded pictures kept while their crops are cut; neighbours in a batch are crops of one picture."""


@dataclass(frozen=True)
class Crop:
    """Left, top, right and bottom in pixels of the file's picture, shown `width` x `height` px large."""

    box: tuple[float, float, float, float]
    width: int
    height: int
    mirrored: bool = False


def crops(protocol: Protocol, crop_px: int, width: int, height: int, *, whole: bool = False) -> list[Crop]:
    """Every crop of a width x height picture, scale by scale, each plain before it is mirrored.

    With `whole` a dense protocol gives each part once as it is (for networks that see any size), not cut up.
    """
    found: list[Crop] = []
    for scale in protocol.scales:
        ratio = max(crop_px, round(scale * crop_px)) / min(width, height)
        # Sizes after the resize are whole numbers, the long side cut down, as torchvision has it.
        wide, high = max(crop_px, int(width * ratio + 1e-6)), max(crop_px, int(height * ratio + 1e-6))
        for left, top, right, bottom in _parts(protocol, wide, high):
            for x, y, w, h, shown in _within(protocol, crop_px, (right - left, bottom - top), whole):
                corner = (left + x, top + y)
                box = (
                    corner[0] * width / wide,
                    corner[1] * height / high,
                    min(width, (corner[0] + w) * width / wide),
                    min(height, (corner[1] + h) * height / high),
                )
                found.append(Crop(box, *shown))
                if protocol.mirrored:
                    found.append(Crop(box, *shown, mirrored=True))
    return found


def _parts(protocol: Protocol, wide: int, high: int) -> list[tuple[int, int, int, int]]:
    """The squares (left, top, right, bottom) that crops come from, or the whole resized picture."""
    if protocol.squares == "whole":
        return [(0, 0, wide, high)]
    side, room = min(wide, high), abs(wide - high)
    places = (room // 2,) if protocol.squares == "centre" else (0, room // 2, room)
    if wide >= high:
        return [(place, 0, place + side, side) for place in places]
    return [(0, place, side, place + side) for place in places]


def _within(
    protocol: Protocol, crop: int, part: tuple[int, int], whole: bool
) -> list[tuple[float, float, int, int, tuple[int, int]]]:
    """The boxes (x, y, width, height) in a part, and the size at which each is shown."""
    wide, high = part
    free = (wide - crop, high - crop)
    square = (crop, crop)
    if protocol.crops == "centre":
        return [(free[0] // 2, free[1] // 2, crop, crop, square)]
    if protocol.crops == "dense":
        if whole:
            return [(0, 0, wide, high, (wide, high))]
        step = max(1, crop // 7)
        columns, rows = (_spread(room, room // step + 1) for room in free)
        return [(x, y, crop, crop, square) for y in rows for x in columns]
    if protocol.crops == "grid":
        columns, rows = (_spread(room, 5) for room in free)
        return [(x, y, crop, crop, square) for y in rows for x in columns]
    corners = [(0, 0), (free[0], 0), (0, free[1]), free, (free[0] // 2, free[1] // 2)]
    boxes: list[tuple[float, float, int, int, tuple[int, int]]] = [(x, y, crop, crop, square) for x, y in corners]
    return boxes if protocol.crops == "corners" else [*boxes, (0, 0, wide, high, square)]


def _spread(room: int, n: int) -> list[float]:
    return [float(place) for place in np.linspace(0, room, n)] if n > 1 else [room / 2]


def show(image: Image.Image, crop: Crop, view: View) -> NDArray[np.uint8]:
    """The crop of a decoded picture, uint8 [height, width, 3]: resampled once, straight from the picture's pixels."""
    found = np.asarray(image.resize((crop.width, crop.height), FILTERS[view.interpolation], box=crop.box))
    return found[:, ::-1] if crop.mirrored else found


class CroppedPictures(Pictures):
    """The crops of some pictures as pictures of their own, one picture's after the other.

    `starts` int64 [n + 1] are the places of each picture's first crop. Systems are shown them like any others.
    """

    starts: NDArray[np.int64]

    def __init__(self, pictures: Pictures, protocol: Protocol, crop_px: int) -> None:
        plans = [crops(protocol, crop_px, *size_of(pictures, i)) for i in range(len(pictures))]
        self.starts = np.concatenate([[0], np.cumsum([len(plan) for plan in plans])]).astype(np.int64)
        self._source = pictures
        self._plans = plans
        self._of = np.repeat(np.arange(len(plans)), np.diff(self.starts))
        self.dataset, self.manifest, self.classes = pictures.dataset, pictures.manifest, pictures.classes
        self.ids = tuple(f"{pictures.ids[i]}#{j}" for i, plan in enumerate(plans) for j in range(len(plan)))
        self.class_index = None
        self.workers = pictures.workers
        self._decoded_pictures: OrderedDict[tuple[int, str], Image.Image] = OrderedDict()
        self._lock = threading.Lock()

    def seen(self, i: int, view: View) -> NDArray[np.uint8]:
        """Crop i as large as the view's, uint8 [crop, crop, 3]: members of an ensemble see the same places."""
        picture = int(self._of[i])
        crop = replace(self._plans[picture][i - int(self.starts[picture])], width=view.crop_px, height=view.crop_px)
        return show(self._picture(picture, view), crop, view)

    def take(self, positions: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Pictures:
        """Not offered: crops belong together."""
        raise NotImplementedError("take pictures, then crop them")

    def _picture(self, i: int, view: View) -> Image.Image:
        key = (i, view.decoder)
        with self._lock:
            held = self._decoded_pictures.get(key)
        if held is None:
            held = self._source.decoded(i, view)
            with self._lock:
                self._decoded_pictures[key] = held
                while len(self._decoded_pictures) > _HELD:
                    self._decoded_pictures.popitem(last=False)
        return held


def size_of(pictures: Pictures, i: int) -> tuple[int, int]:
    """Width and height of picture i: the manifest's, else the file's header's."""
    width, height = (int(pictures.manifest.column(name)[i]) for name in ("width", "height"))
    if width and height:
        return width, height
    header = read_header(pictures.read(i))
    return header.width, header.height
