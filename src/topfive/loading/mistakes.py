"""What a picture may go through by mistake before a system sees it, done on purpose: to find out whether it was done.

A View says resize, crop, filter, mean and deviation. `Handling` is the rest: what loaders of other programs do besides.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.headers import BadImage
from topfive.loading.pictures import Pictures
from topfive.loading.views import apply_view, resized
from topfive.records import View
from topfive.records.view import Interpolation

STATISTICS = {
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "one half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "CLIP's": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "none, 0 to 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "none, 0 to 255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
"""Mean and standard deviation of nearly all public weights."""
FRACTIONS = (0.875, 0.95, 1.0)
"""Shares of the short side that evaluations crop."""
_SAMPLED = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_HELD_BYTES = 128 << 20
"""Pixels of decoded pictures that are kept for the next handling; further pictures are decoded each time."""


@dataclass(frozen=True)
class Handling:
    """How pixels are handled besides the View; the defaults are what every evaluation here does.

    `bgr` hands the channels over in OpenCV's order, `exif` turns the picture as its file's orientation says,
    `antialias` widens the filter when a picture shrinks (PyTorch's `interpolate` and OpenCV's `resize` do not).
    """

    bgr: bool = False
    exif: bool = False
    antialias: bool = True


@dataclass(frozen=True)
class Undone:
    """One suspect taken back: what the picture goes through then, and how to say it."""

    suspect: str
    said: str
    view: View
    handling: Handling


def likely_mistakes(view: View, handling: Handling, *, turned: bool) -> tuple[Undone, ...]:
    """Everything that may have gone wrong with the pixels, taken back one at a time.

    `turned` says whether some picture has an orientation in its file.
    """
    return tuple(_each(view, handling, turned))


def _each(view: View, handling: Handling, turned: bool) -> Iterator[Undone]:
    for said, (mean, std) in STATISTICS.items():
        if not np.allclose((mean, std), (view.mean, view.std), atol=1e-3):
            yield Undone("mean and deviation", said, replace(view, mean=mean, std=std), handling)
    whole, usual = view.crop_px, math.floor(view.crop_px / FRACTIONS[0])
    if view.squash:
        for px in sorted({usual, view.resize_px}):
            said = f"short side {px} px, crop {view.crop_px}"
            yield Undone("squash", said, replace(view, squash=False, resize_px=px), handling)
    else:
        for px in sorted({whole, view.resize_px}):
            yield Undone("squash", f"squashed to {px} x {px} px", replace(view, squash=True, resize_px=px), handling)
    for name in get_args(Interpolation):
        if name != view.interpolation and (handling.antialias or name == "nearest" or name in _SAMPLED):
            yield Undone("interpolation", name, replace(view, interpolation=name), handling)
    if view.interpolation in _SAMPLED:
        said = "without antialias" if handling.antialias else "with antialias"
        yield Undone("antialias", said, view, replace(handling, antialias=not handling.antialias))
    for fraction in FRACTIONS:
        px = math.floor(view.crop_px / fraction)
        if abs(px - view.resize_px) > 1:
            said = f"{fraction:g} (short side {px} px)"
            yield Undone("crop fraction", said, replace(view, resize_px=px), handling)
    yield Undone("BGR", "red and blue changed", view, replace(handling, bgr=not handling.bgr))
    if turned:
        said = "orientation left alone" if handling.exif else "turned as the files say"
        yield Undone("EXIF rotation", said, view, replace(handling, exif=not handling.exif))


class HandledPictures(Pictures):
    """Some pictures under a handling; each is decoded once for all the handlings that come from `under`."""

    def __init__(self, pictures: Pictures, handling: Handling = Handling()) -> None:
        self.dataset, self.manifest, self.classes = pictures.dataset, pictures.manifest, pictures.classes
        self.ids, self.class_index, self.workers = pictures.ids, pictures.class_index, pictures.workers
        self._source = pictures
        self._handling = handling
        self._pixels: dict[tuple[int, str], NDArray[np.uint8]] = {}

    def under(self, handling: Handling) -> HandledPictures:
        """The same pictures under another handling."""
        other = HandledPictures(self._source, handling)
        other._pixels = self._pixels
        return other

    def readable(self, view: View) -> NDArray[np.bool_]:
        """Which of the pictures decode, bool [n]."""
        return np.array([self._decodes(i, view) for i in range(len(self))], dtype=np.bool_)

    def seen(self, i: int, view: View, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Image i through the view and the handling, uint8 [crop, crop, 3] (`out`, where given)."""
        pixels = self._decoded_once(i, view)
        if self._handling.exif:
            pixels = turned_upright(pixels, orientation(self._source.read(i)))
        if self._handling.antialias or view.interpolation not in _SAMPLED:
            shown = apply_view(pixels, view)
        else:
            shown = sampled_view(pixels, view)
        shown = np.ascontiguousarray(shown[..., ::-1]) if self._handling.bgr else shown
        if out is None:
            return shown
        out[:] = shown
        return out

    def take(self, positions: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Pictures:
        """The images at these positions, under the same handling."""
        return HandledPictures(self._source.take(positions), self._handling)

    def _decodes(self, i: int, view: View) -> bool:
        try:
            self._decoded_once(i, view)
        except BadImage:
            return False
        return True

    def _decoded_once(self, i: int, view: View) -> NDArray[np.uint8]:
        key = (i, view.decoder)
        found = self._pixels.get(key)
        if found is None:
            found = np.asarray(self._source.decoded(i, view))
            if sum(pixels.nbytes for pixels in list(self._pixels.values())) < _HELD_BYTES:
                self._pixels[key] = found
        return found


def orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG file, 1 to 8; 1 (upright) where it says none, or nothing that can be read."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow's readers raise nearly anything on damaged metadata, which nobody has to have
        return 1
    return value if value in _TURNS else 1


def turned_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The picture as its orientation says that it should be looked at."""
    if orientation not in _TURNS:
        return pixels
    return np.asarray(Image.fromarray(pixels).transpose(_TURNS[orientation]))


def sampled_view(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """The view without antialias, bilinear or bicubic: each pixel is read off 2 x 2 or 4 x 4 pixels of the picture."""
    height, width, _ = pixels.shape
    size = resized(width, height, view)
    left, top = (round((side - view.crop_px) / 2) for side in size)
    across, down = width / size[0], height / size[1]
    box = (left * across, top * down, (left + view.crop_px) * across, (top + view.crop_px) * down)
    square = (view.crop_px, view.crop_px)
    found = Image.fromarray(pixels).transform(square, Image.Transform.EXTENT, box, _SAMPLED[view.interpolation])
    return np.asarray(found)
