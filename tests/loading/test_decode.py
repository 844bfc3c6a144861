"""Decoding: every oddity to the documented pixels, every broken file to a reason, both decoders alike."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from topfive.loading import BadImage, Header, decode, read_header

BOTH = ("reference", "exact")


def smooth(height: int = 60, width: int = 80) -> NDArray[np.uint8]:
    """A picture without noise, so that lossy files stay close to it."""
    slope = np.add.outer(np.arange(height), np.arange(width))[..., None] * np.array([1.0, 1.7, 0.4])
    return slope.clip(0, 255).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in chunks:
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


def ihdr(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


JPEGS = {
    "plain": saved(Image.fromarray(smooth()), "JPEG", quality=95),
    "progressive": saved(Image.fromarray(smooth()), "JPEG", progressive=True),
    "4:4:4": saved(Image.fromarray(smooth()), "JPEG", subsampling=0),
    "odd size": saved(Image.fromarray(smooth(33, 17)), "JPEG"),
    "grey": saved(Image.fromarray(smooth()).convert("L"), "JPEG"),
    "RGB in the file": saved(Image.fromarray(smooth()), "JPEG", keep_rgb=True),
    "CMYK": saved(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=95),
    "YCCK": simplejpeg.encode_jpeg(
        np.ascontiguousarray(255 - np.asarray(Image.fromarray(smooth()).convert("CMYK"))), colorspace="CMYK"
    ),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpegs_of_every_colour_space_are_what_pillow_makes_of_them(name: str) -> None:
    pillow = np.asarray(Image.open(io.BytesIO(JPEGS[name])).convert("RGB"))
    for decoder in BOTH:
        np.testing.assert_array_equal(decode(JPEGS[name], decoder), pillow)


@pytest.mark.parametrize("name", ["plain", "progressive", "4:4:4", "RGB in the file", "CMYK"])
def test_colours_come_back(name: str) -> None:
    off = np.abs(decode(JPEGS[name]).astype(int) - smooth())
    assert off.mean() < 3, "Adobe's inverted CMYK would be far off"


def test_png_modes_become_rgb_by_the_documented_rules() -> None:
    pixels = smooth()
    rgb = Image.fromarray(pixels)
    half_clear = Image.merge("RGBA", (*rgb.split(), Image.new("L", rgb.size, 7)))
    np.testing.assert_array_equal(decode(saved(half_clear, "PNG")), pixels)  # alpha is dropped, not blended
    grey = np.asarray(rgb.convert("L"))
    for image in (rgb.convert("L"), Image.merge("LA", (rgb.convert("L"), Image.new("L", rgb.size, 9)))):
        np.testing.assert_array_equal(decode(saved(image, "PNG")), np.repeat(grey[..., None], 3, axis=2))
    few = rgb.quantize(16)
    np.testing.assert_array_equal(decode(saved(few, "PNG")), np.asarray(few.convert("RGB")))
    bits = rgb.convert("1")
    assert set(np.unique(decode(saved(bits, "PNG")))) == {0, 255}


def test_sixteen_bits_keep_the_high_byte() -> None:
    deep = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
    got = decode(saved(Image.fromarray(deep), "PNG"))
    np.testing.assert_array_equal(got, np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_metadata_has_no_say() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: not applied
    good = saved(Image.fromarray(smooth()), "JPEG", quality=95, exif=exif.tobytes(), comment=b"hello")
    broken = saved(Image.fromarray(smooth()), "JPEG", quality=95, exif=b"Exif\0\0II*\0" + b"\xff" * 40)
    for data in (good, broken):
        for decoder in BOTH:
            np.testing.assert_array_equal(decode(data, decoder), decode(JPEGS["plain"]))
    bomb = zlib.compress(bytes(50_000_000))
    parts = png(ihdr(1, 1), (b"zTXt", b"k\0\0" + bomb), (b"IDAT", zlib.compress(b"\0\1\2\3")), (b"IEND", b""))
    np.testing.assert_array_equal(decode(parts), [[[1, 2, 3]]])


def test_the_format_is_what_the_bytes_say() -> None:
    assert read_header(saved(Image.fromarray(smooth(4, 9)), "PNG")) == Header("PNG", 9, 4)
    assert read_header(JPEGS["odd size"]) == Header("JPEG", 17, 33, 3)
    assert read_header(JPEGS["CMYK"]).n_components == 4


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (bytes(600), "600 zero bytes"),
        (b"  <!DOCTYPE html><html>", "HTML"),
        (b"\xef\xbb\xbf<html>", "HTML"),
        (b"<svg xmlns=''>", "HTML or XML"),
        (b"GIF89a" + bytes(40), "GIF"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"BM" + bytes(40), "BMP"),
        (b"II*\0" + bytes(40), "TIFF"),
        (b"\x1f\x8b" + bytes(40), "gzip"),
        (b"hello, world", "neither JPEG nor PNG"),
        (b"\xff\xd8\xff\xe0", "ends before its size"),
        (b"\x89PNG\r\n\x1a\n", "ends before its size"),
        (png(ihdr(0, 5), (b"IEND", b"")), "0 x 5 px"),
        (png(ihdr(65_535, 65_535), (b"IEND", b"")), "megapixels"),
        (png(ihdr(2, 2), (b"IEND", b"")), "does not decode"),
        (png(ihdr(1, 1), ihdr(8000, 6000), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")), "its size twice"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    for decoder in BOTH:
        with pytest.raises(BadImage, match=reason):
            decode(data, decoder)


def test_a_large_jpeg_is_refused_before_decoding() -> None:
    data = bytearray(JPEGS["plain"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    with pytest.raises(BadImage, match="65500 x 65500 px"):
        decode(bytes(data))


def test_a_picture_larger_than_its_first_header_says_is_refused() -> None:
    # A small first frame passes the bound on pixels; the decoder would fill a larger one.
    data = JPEGS["plain"]
    frame = data.index(b"\xff\xc0")
    end = frame + 2 + int.from_bytes(data[frame + 2 : frame + 4], "big")
    first = bytearray(data[frame:end])
    first[5:9] = struct.pack(">HH", 8, 8)
    for decoder in BOTH:
        with pytest.raises(BadImage):
            decode(data[:frame] + bytes(first) + data[frame:], decoder)


@pytest.mark.parametrize("kind", ["plain", "progressive", "PNG"])
def test_every_cut_is_refused(kind: str) -> None:
    data = saved(Image.fromarray(smooth(24, 24)), "PNG" if kind == "PNG" else "JPEG", progressive=kind == "progressive")
    for decoder in BOTH:
        for length in range(len(data)):
            with pytest.raises(BadImage):
                decode(data[:length], decoder)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([*JPEGS.values(), saved(Image.fromarray(smooth()), "PNG")]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damage_is_refused_or_read_alike_by_both_decoders(data: bytes, hits: list[tuple[float, int]]) -> None:
    damaged = bytearray(data)
    for place, value in hits:
        damaged[int(place * len(damaged))] = value
    results: list[NDArray[np.uint8] | None] = []
    for decoder in BOTH:
        try:
            results.append(decode(bytes(damaged), decoder))
        except BadImage:
            results.append(None)
    if results[0] is None or results[1] is None:
        assert results[0] is None
        assert results[1] is None
    else:
        np.testing.assert_array_equal(results[0], results[1])
