"""A View applied to one picture: resize the short side, crop the centre, keep uint8.

`reference` is torchvision's `Resize` and `CenterCrop` on a Pillow image, pixel for pixel. `exact` gives the same
crop, but decodes faster and resizes only the region that the crop keeps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.decode import decode_image
from topfive.records import View

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def apply_view(picture: bytes | NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """What a system sees of a picture (a file's bytes, or RGB pixels uint8 [h, w, 3]), as uint8 [crop, crop, 3]."""
    if isinstance(picture, bytes):
        image = decode_image(picture, view.decoder)
    else:
        image = Image.fromarray(np.ascontiguousarray(picture))
    size = resized(image.width, image.height, view)
    left, top = (_centred(side, view.crop_px) for side in size)
    method = FILTERS[view.interpolation]
    if view.decoder == "reference" or view.interpolation == "nearest":
        return np.asarray(image.resize(size, method).crop((left, top, left + view.crop_px, top + view.crop_px)))
    return np.asarray(_region(image, size, (left, top), view.crop_px, method))


def _region(
    image: Image.Image, size: tuple[int, int], corner: tuple[int, int], crop: int, method: Image.Resampling
) -> Image.Image:
    """The crop x crop px at `corner` of the image resized to `size`, without computing the rest.

    Pillow resizes in two passes and rounds to 8 bits between them, so the order of the passes changes pixels (at worst
    9 % of them by more than one level, some by 21). Pillow 13 takes the rows first where the height shrinks by more
    than twice as much as the width. Asked for the region alone it would judge by the region's size, hence one pass a
    call here, in the order that the whole image has.
    """
    across, down = image.width / size[0], image.height / size[1]
    columns = (corner[0] * across, min((corner[0] + crop) * across, image.width))
    rows = (corner[1] * down, min((corner[1] + crop) * down, image.height))
    rows_first = image.height - size[1] > max(0, 2 * (image.width - size[0]))
    if rows_first:
        image = image.resize((image.width, crop), method, box=(0, rows[0], image.width, rows[1]))
        return image.resize((crop, crop), method, box=(columns[0], 0, columns[1], crop))
    image = image.resize((crop, image.height), method, box=(columns[0], 0, columns[1], image.height))
    return image.resize((crop, crop), method, box=(0, rows[0], crop, rows[1]))


def resized(width: int, height: int, view: View) -> tuple[int, int]:
    """Width and height after the resize: torchvision cuts the long side to a whole number, it does not round."""
    if view.squash:
        return view.resize_px, view.resize_px
    if width <= height:
        return view.resize_px, int(view.resize_px * height / width)
    return int(view.resize_px * width / height), view.resize_px


def _centred(side: int, crop: int) -> int:
    return round((side - crop) / 2)
