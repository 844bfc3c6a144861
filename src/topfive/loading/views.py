"""A View applied to one picture: resize the short side, crop the centre, keep uint8.

`reference` is torchvision's `Resize` and `CenterCrop` on a Pillow image, pixel for pixel, by Pillow itself. `exact`
gives the same crop, but decodes faster and computes only the region that the crop keeps, by `resample`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.augment import box_sides
from topfive.loading.canvas import Canvas
from topfive.loading.decode import decode_image, paint
from topfive.loading.headers import read_header
from topfive.records import View

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


_CANVAS = Canvas()
"""Each thread's own."""


def apply_view(picture: bytes | NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """What a system sees of a picture (a file's bytes, or RGB pixels uint8 [h, w, 3]), as uint8 [crop, crop, 3]."""
    if view.decoder == "exact" and view.interpolation != "nearest":
        return _exact(picture, view)
    if isinstance(picture, bytes):
        image = decode_image(picture, view.decoder)
    else:
        image = Image.fromarray(np.ascontiguousarray(picture))
    size = resized(image.width, image.height, view)
    left, top = (_centred(side, view.crop_px) for side in size)
    whole = image.resize(size, FILTERS[view.interpolation])
    return np.asarray(whole.crop((left, top, left + view.crop_px, top + view.crop_px)))


def _exact(picture: bytes | NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    from topfive.loading.resample import Side, lay, reads, resample

    crop, method = view.crop_px, view.interpolation

    def sides(width: int, height: int) -> tuple[Side, Side]:
        wide, high = resized(width, height, view)
        return (
            Side(0.0, float(width), wide, _centred(wide, crop), crop),
            Side(0.0, float(height), high, _centred(high, crop), crop),
        )

    if isinstance(picture, bytes):
        header = read_header(picture)
        columns, rows = sides(header.width, header.height)
        (left, right), (top, bottom) = reads(columns, header.width, method), reads(rows, header.height, method)
        paint(picture, header, _CANVAS, (left, top, right, bottom))
    else:
        lay(picture, _CANVAS)
        columns, rows = sides(_CANVAS.width, _CANVAS.height)
    out = np.empty((crop, crop, 3), dtype=np.uint8)
    resample(_CANVAS, columns, rows, method, out)
    return out


def cut_file(data: bytes, view: View, box: NDArray[np.float64], mirrored: bool, out: NDArray[np.uint8]) -> None:
    """The box (left, top, right, bottom) of a file's picture, resized by the view's filter into `out`.

    Both decoders of the view give the same pixels but for the decoding itself, as with `apply_view`.
    """
    height, width, _ = out.shape
    if view.decoder == "exact" and view.interpolation != "nearest":
        from topfive.loading.resample import reads, resample

        header = read_header(data)
        columns, rows = box_sides(box, width, height)
        left, right = reads(columns, header.width, view.interpolation)
        top, bottom = reads(rows, header.height, view.interpolation)
        paint(data, header, _CANVAS, (left, top, right, bottom))
        resample(_CANVAS, columns, rows, view.interpolation, out, mirrored=mirrored)
        return
    found = decode_image(data, view.decoder).resize((width, height), FILTERS[view.interpolation], box=tuple(box))
    out[:] = np.asarray(found)[:, ::-1] if mirrored else np.asarray(found)


def resized(width: int, height: int, view: View) -> tuple[int, int]:
    """Width and height after the resize: torchvision cuts the long side to a whole number, it does not round."""
    if view.squash:
        return view.resize_px, view.resize_px
    if width <= height:
        return view.resize_px, int(view.resize_px * height / width)
    return int(view.resize_px * width / height), view.resize_px


def _centred(side: int, crop: int) -> int:
    return round((side - crop) / 2)
