"""What the first bytes of a file say it is: the format by its magic number, and the size of the picture.

The size is read here, before any decoder sees the file, so that a bomb is refused without being opened; and metadata
that has no say in the pixels (EXIF, ICC, thumbnails, comments, text chunks) is cut out, so that no parser of it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from topfive.records import BadInput

MAX_PIXELS = 50_000_000
"""Larger pictures are refused before decoding: ImageNet's largest has about 10 megapixels, a bomb has hundreds."""
MAX_BYTES = 200_000_000
"""Larger files are not read as pictures: ImageNet's largest has 15 MB."""

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_OTHERS = (
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
)
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_KEPT_APPLICATION = (0xE0, 0xEE)
"""APP0 (JFIF) and APP14 (Adobe) decide how components become colours; no other application segment does."""
_KEPT_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


class BadImage(BadInput):
    """A picture that cannot be used; the reason says what its bytes are or lack."""


@dataclass(frozen=True)
class Header:
    """Format, size in pixels, and the number of colour components (JPEG) or 0 (PNG)."""

    format: Literal["JPEG", "PNG"]
    width: int
    height: int
    n_components: int = 0


def read_header(data: bytes) -> Header:
    """Read format and size from the beginning of a file; raises BadImage where it is no JPEG or PNG, or too large.

    The beginning may be the whole file or as much of it as reaches the size (64 KiB nearly always do).
    """
    if data.startswith(_JPEG):
        header = _jpeg_header(data)
    elif data.startswith(_PNG):
        if len(data) < 33 or data[12:16] != b"IHDR":
            raise BadImage("is a PNG that ends before its size")
        header = Header("PNG", int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
    else:
        raise BadImage(_what_else(data))
    if header.width == 0 or header.height == 0:
        raise BadImage(f"says its size is {header.width} x {header.height} px")
    if header.width * header.height > MAX_PIXELS:
        raise BadImage(
            f"has {header.width} x {header.height} px, more than the {MAX_PIXELS // 1_000_000} megapixels allowed"
        )
    return header


def without_metadata(data: bytes, header: Header) -> bytes:
    """The same picture without segments that do not change its pixels; raises BadImage where a PNG is cut short."""
    return _bare_jpeg(data) if header.format == "JPEG" else _bare_png(data)


def _what_else(data: bytes) -> str:
    if not data:
        return "is empty (0 bytes)"
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<svg", b"<head", b"<body")):
        return "is an HTML or XML page, not a picture"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "is a WebP picture; only JPEG and PNG are read"
    for magic, name in _OTHERS:
        if data.startswith(magic):
            return f"is {name}; only JPEG and PNG are read"
    if not any(data):
        return f"is {len(data)} zero bytes"
    return f"is neither JPEG nor PNG (it begins with {data[:8].hex(' ')})"


def _jpeg_segments(data: bytes) -> list[tuple[int, int, int]]:
    """Marker, start and end of each segment up to and with the first scan's header; bytes between them are skipped."""
    segments: list[tuple[int, int, int]] = []
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            return segments
        marker = data[at + 1]
        if marker in (0x00, 0xFF):
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD9:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            segments.append((marker, at, end))
            if marker == 0xDA:
                return segments
            at = end


def _jpeg_header(data: bytes) -> Header:
    for marker, start, _end in _jpeg_segments(data):
        if marker in _FRAMES and start + 10 <= len(data):
            return Header(
                "JPEG",
                int.from_bytes(data[start + 7 : start + 9], "big"),
                int.from_bytes(data[start + 5 : start + 7], "big"),
                data[start + 9],
            )
    raise BadImage("is a JPEG that ends before its size")


def _bare_jpeg(data: bytes) -> bytes:
    segments = _jpeg_segments(data)
    kept = [
        (start, end)
        for marker, start, end in segments
        if not (marker == 0xFE or (0xE0 <= marker <= 0xEF and marker not in _KEPT_APPLICATION))
    ]
    if len(kept) == len(segments):
        return data
    last = segments[-1][2]
    return b"".join([data[:2], *(data[start:end] for start, end in kept), data[last:]])


def _bare_png(data: bytes) -> bytes:
    parts = [_PNG]
    at = len(_PNG)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data):
            break
        if kind in _KEPT_CHUNKS:
            parts.append(data[at:end])
        if kind == b"IEND":
            return b"".join(parts)
        at = end
    raise BadImage(f"is cut short: the PNG has {len(data)} bytes and no end chunk")
