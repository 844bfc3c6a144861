"""Bytes of one picture to RGB pixels, by one set of rules, or a BadImage that says what is wrong.

Greyscale is repeated, a palette looked up, alpha dropped (not blended), 16 bits cut to the high byte, CMYK and YCCK
converted as Pillow does (inverted where Adobe's marker says so), all as `Image.convert("RGB")`, save that Pillow
clips 16-bit greyscale, which turns most of it white. EXIF orientation is not applied: ImageNet's numbers never had it.
"""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from topfive.loading.canvas import Canvas
from topfive.loading.headers import BadImage, Header, read_header, without_metadata

Decoder = Literal["reference", "exact"]
"""`reference` is Pillow; `exact` gives the same pixels from libjpeg-turbo directly where the file is a plain JPEG."""


def decode(data: bytes, decoder: Decoder = "reference") -> NDArray[np.uint8]:
    """RGB pixels uint8 [h, w, 3] of a JPEG or PNG file; raises BadImage."""
    header = read_header(data)
    if decoder == "exact":
        pixels = np.empty((header.height, header.width, 3), dtype=np.uint8)
        if _turbo(data, header, "RGB", pixels):
            return pixels
    return np.asarray(_pillow(data))


def paint(data: bytes, header: Header, canvas: Canvas, part: tuple[int, int, int, int]) -> None:
    """At least pixels (left, top, right, bottom), as `decode` with `exact`, onto the canvas."""
    from topfive.loading.jpeg import paint_part

    if paint_part(data, header, canvas, part):
        return
    pixels = canvas.sized(header.width, header.height)
    if not _turbo(data, header, "RGBX", pixels):
        from topfive.loading.resample import lay

        lay(np.asarray(_pillow(data)), canvas)


def decode_image(data: bytes, decoder: Decoder = "reference") -> Image.Image:
    """As `decode`, as a Pillow image of mode RGB."""
    if decoder == "exact":
        return Image.fromarray(decode(data, decoder))
    return _pillow(data)


def _turbo(data: bytes, header: Header, order: str, pixels: NDArray[np.uint8]) -> bool:
    """Whether libjpeg-turbo could decode the file into `pixels` [h, w, channels]; else Pillow decides.

    It refuses what libjpeg only warns of, and a picture larger than its first header says. Pillow's word counts, so
    that both decoders accept the same files.
    """
    if header.format != "JPEG" or header.n_components not in (1, 3):
        return False
    try:
        return bool(simplejpeg.decode_jpeg(data, order, buffer=pixels.reshape(-1)).shape == pixels.shape)
    except ValueError:
        return False


def _pillow(data: bytes) -> Image.Image:
    header = read_header(data)
    bare = without_metadata(data, header)
    try:
        with Image.open(io.BytesIO(bare), formats=[header.format]) as image:
            if image.size != (header.width, header.height):
                raise BadImage("gives its size twice, and not the same")
            if image.mode.startswith("I"):
                return _high_byte(image)
            return image.convert("RGB")
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"has a damaged {header.format} header") from error
    except Exception as error:  # Pillow's readers raise nearly anything on damaged files: OSError to struct.error
        reason = str(error) or type(error).__name__
        raise BadImage(f"does not decode ({reason[:200]}; the file has {len(data)} bytes)") from error


def _high_byte(image: Image.Image) -> Image.Image:
    grey = np.asarray(image).astype(np.int64) >> 8
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
