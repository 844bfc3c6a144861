"""The odd files of real image sets, each made here: what is a picture looks alike through every View, what is none is
named with one reason by every part that reads it."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from topfive.dataset import ImportOptions, import_source, verify
from topfive.dataset.fingerprints import fingerprints
from topfive.loading import BadImage, Pictures, apply_view, decode
from topfive.records import Dataset, View

VIEWS = [
    View(resize, 24, method, squash=squash, decoder="reference")  # type: ignore[arg-type]
    for (resize, method), squash in itertools.product(
        [(24, "bilinear"), (28, "bicubic"), (40, "lanczos"), (32, "nearest")], (False, True)
    )
]


def scene(height: int = 45, width: int = 60) -> NDArray[np.uint8]:
    rng = np.random.default_rng(height * 1000 + width)
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


RGB = Image.fromarray(scene())
GREY, CMYK = RGB.convert("L"), RGB.convert("CMYK")
PLAIN, PNG = saved(RGB, "JPEG", quality=92), saved(RGB, "PNG")


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return saved(RGB, "JPEG", quality=92, exif=block.tobytes())


def segment(marker: int, body: bytes) -> bytes:
    """PLAIN with one more segment after its first two bytes."""
    return PLAIN[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + PLAIN[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    """PNG with one more chunk after its head."""
    data = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return PNG[:33] + data + PNG[33:]


def deep(mode: str) -> bytes:
    values = (np.arange(45 * 60, dtype=np.uint16) * 24).reshape(45, 60)
    return saved(Image.fromarray(values), "PNG") if mode == "16" else saved(RGB.convert("1"), "PNG")


GOOD: dict[str, bytes] = {
    "baseline": PLAIN,
    "quality 1": saved(RGB, "JPEG", quality=1),
    "quality 100": saved(RGB, "JPEG", quality=100),
    "progressive": saved(RGB, "JPEG", progressive=True),
    "optimised": saved(RGB, "JPEG", optimize=True),
    "4:4:4": saved(RGB, "JPEG", subsampling=0),
    "4:2:2": saved(RGB, "JPEG", subsampling=1),
    "restart markers": saved(RGB, "JPEG", restart_marker_blocks=2),
    "stored as RGB": saved(RGB, "JPEG", keep_rgb=True),
    "grey JPEG": saved(GREY, "JPEG"),
    "grey progressive": saved(GREY, "JPEG", progressive=True),
    "CMYK with Adobe's marker": saved(CMYK, "JPEG", quality=92),
    "CMYK progressive": saved(CMYK, "JPEG", progressive=True),
    "YCCK": simplejpeg.encode_jpeg(np.ascontiguousarray(255 - np.asarray(CMYK)), colorspace="CMYK"),
    "PNG called JPEG": PNG,
    "PNG with alpha": saved(Image.merge("RGBA", (*RGB.split(), GREY)), "PNG"),
    "PNG grey": saved(GREY, "PNG"),
    "PNG grey with alpha": saved(Image.merge("LA", (GREY, GREY)), "PNG"),
    "PNG palette": saved(RGB.quantize(16), "PNG"),
    "PNG palette with a clear colour": saved(RGB.quantize(16), "PNG", transparency=3),
    "PNG of 16 bits": deep("16"),
    "PNG of 1 bit": deep("1"),
    "PNG interlaced by none, level 0": saved(RGB, "PNG", compress_level=0),
    **{f"EXIF orientation {turn}": exif(turn) for turn in range(1, 9)},
    "broken EXIF": segment(0xE1, b"Exif\0\0II*\0" + b"\xff" * 60),
    "EXIF that points in a circle": segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x00\x00\x08\0\0\0"),
    "EXIF of a length it does not have": segment(0xE1, b"Exif\0\0MM\0*\x7f\xff\xff\xff"),
    "a thumbnail inside": segment(0xE1, b"Exif\0\0" + PLAIN),
    "a comment": segment(0xFE, b"\x00\xff hello \xff\xd9"),
    "a broken colour profile": segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"\xff" * 200),
    "Photoshop's block": segment(0xED, b"Photoshop 3.0\0" + bytes(99)),
    "an unknown application block": segment(0xE9, bytes(range(256))),
    "fill bytes before a marker": PLAIN[:2] + b"\xff\xff" + PLAIN[2:],
    "bytes after the end": PLAIN + b"trailing rubbish" * 9,
    "a second picture after the end": PLAIN + PNG,
    "PNG with a text bomb": chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(20_000_000))),
    "PNG with a broken profile": chunk(b"iCCP", b"x\0\0" + b"\xff" * 50),
    "PNG with a gamma": chunk(b"gAMA", struct.pack(">I", 100_000)),
    "PNG with bytes after the end": PNG + b"more",
    "1 x 1": saved(Image.fromarray(scene(1, 1)), "JPEG"),
    "1 px high": saved(Image.fromarray(scene(1, 90)), "JPEG"),
    "1 px wide": saved(Image.fromarray(scene(90, 1)), "PNG"),
    "odd sides": saved(Image.fromarray(scene(33, 17)), "JPEG"),
    "smaller than the crop": saved(Image.fromarray(scene(9, 13)), "JPEG"),
    "a panorama": saved(Image.fromarray(scene(12, 700)), "JPEG"),
    "all black": saved(Image.new("RGB", (30, 20)), "JPEG"),
    "all white PNG": saved(Image.new("RGB", (30, 20), "white"), "PNG"),
}

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "0 bytes"),
    "zeros": (bytes(4096), "4096 zero bytes"),
    "an HTML page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "HTML"),
    "an XML error": (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "HTML or XML"),
    "plain text": (b"Not found", "neither JPEG nor PNG"),
    "GIF": (saved(RGB.quantize(16), "GIF"), "GIF"),
    "BMP": (saved(RGB, "BMP"), "BMP"),
    "WebP": (saved(RGB, "WEBP"), "WebP"),
    "TIFF": (saved(RGB, "TIFF"), "TIFF"),
    "PDF": (b"%PDF-1.4\n" + bytes(99), "PDF"),
    "a zip archive": (b"PK\x03\x04" + bytes(99), "zip"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "gzip"),
    "JPEG cut in its head": (PLAIN[:150], ""),
    "JPEG cut in its pixels": (PLAIN[: len(PLAIN) * 2 // 3], ""),
    "JPEG without its last byte": (PLAIN[:-1], ""),
    "progressive cut": (GOOD["progressive"][:-80], ""),
    "PNG cut": (PNG[:-30], "cut short"),
    "PNG with a wrong checksum": (PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:], ""),
    "PNG that says 65,535 x 65,535": (PNG[:16] + struct.pack(">II", 65_535, 65_535) + PNG[24:], "megapixels"),
    "PNG of no width": (PNG[:16] + struct.pack(">II", 0, 45) + PNG[24:], "0 x 45"),
    "JPEG's first bytes alone": (b"\xff\xd8\xff\xe0", "ends before its size"),
}


def test_there_are_at_least_sixty() -> None:
    assert len(GOOD) + len(BAD) >= 60 and len(set(GOOD.values())) == len(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_a_picture_is_the_same_through_every_view(name: str) -> None:
    data = GOOD[name]
    pixels = decode(data, "reference")
    assert (decode(data, "exact") == pixels).all()
    for view in VIEWS:
        reference = apply_view(data, view)
        exact = apply_view(data, View(**{**view.__dict__, "decoder": "exact"}))
        assert reference.shape == exact.shape == (24, 24, 3)
        off = np.abs(reference.astype(int) - exact)
        assert np.mean(off <= 1) >= 0.99 and off.max() <= 3, view


@pytest.mark.parametrize("name", BAD)
def test_what_is_none_has_one_reason(name: str) -> None:
    data, says = BAD[name]
    reasons = set()
    readers: list[Callable[[], object]] = [lambda: decode(data, "reference"), lambda: decode(data, "exact")]
    for view in VIEWS:
        for decoder in ("reference", "exact"):
            readers.append(partial(apply_view, data, View(**{**view.__dict__, "decoder": decoder})))
    for reader in readers:
        with pytest.raises(BadImage) as refused:
            reader()
        reasons.add(refused.value.reason)
    assert len(reasons) == 1 and says in reasons.pop()


def test_import_verify_and_fingerprints_name_the_same_files(tmp_path: Path) -> None:
    every = GOOD | {name: data for name, (data, _) in BAD.items()}
    place = {name: f"odd_{i:03d}" for i, name in enumerate(every)}
    (tmp_path / "in/odd").mkdir(parents=True)
    for name, data in every.items():
        (tmp_path / f"in/odd/{place[name]}.JPEG").write_bytes(data)
    import_source(tmp_path / "in", tmp_path / "set", ImportOptions(read=True))
    dataset = Dataset.read(tmp_path / "set")
    bad = {place[name] for name in BAD}
    assert {problem.image_id for problem in verify(dataset).problems} == bad
    known = fingerprints(dataset).known
    assert {one for one, is_known in zip(dataset.manifest.ids, known, strict=True) if not is_known} == bad
    named: list[str] = []
    pictures = Pictures(dataset, dataset.manifest)
    view = View(28, 24, decoder="exact")
    seen = [
        one for batch in pictures.batches(view, 16, on_bad=lambda one, reason: named.append(one)) for one in batch.ids
    ]
    assert set(named) == bad and set(seen) == {place[name] for name in GOOD}
