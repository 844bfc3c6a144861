"""A View applied to one picture: resize the short side, crop the centre, keep uint8.

`reference` is torchvision's `Resize` and `CenterCrop` on a Pillow image, pixel for pixel, by Pillow itself. `exact`
gives the same crop, but decodes faster and computes only the region that the crop keeps, by `resample`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.augment import cut_canvas
from topfive.loading.canvas import Canvas
from topfive.loading.decode import decode_image, paint
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
    from topfive.loading.resample import Side, lay, resample

    if isinstance(picture, bytes):
        paint(picture, _CANVAS)
    else:
        lay(picture, _CANVAS)
    width, height = resized(_CANVAS.width, _CANVAS.height, view)
    crop = view.crop_px
    out = np.empty((crop, crop, 3), dtype=np.uint8)
    columns, rows = (
        Side(0.0, float(size), wanted, _centred(wanted, crop), crop)
        for size, wanted in ((_CANVAS.width, width), (_CANVAS.height, height))
    )
    resample(_CANVAS, columns, rows, view.interpolation, out)
    return out


def cut_file(data: bytes, view: View, box: NDArray[np.float64], mirrored: bool, out: NDArray[np.uint8]) -> None:
    """The box (left, top, right, bottom) of a file's picture, resized by the view's filter into `out`.

    Both decoders of the view give the same pixels but for the decoding itself, as with `apply_view`.
    """
    if view.decoder == "exact" and view.interpolation != "nearest":
        paint(data, _CANVAS)
        cut_canvas(_CANVAS, box, mirrored, view.interpolation, out)
        return
    height, width, _ = out.shape
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
