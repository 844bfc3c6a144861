"""Parts of plain JPEGs are libjpeg-turbo's pixels bit for bit; all that is not plain, or damaged, is left to others."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from topfive.loading import BadImage, RandomCrop, apply_view, read_header
from topfive.loading.canvas import Canvas
from topfive.loading.jpeg import paint_part
from topfive.loading.views import cut_file
from topfive.records import View

CANVAS = Canvas()
Part = tuple[int, int, int, int]


def scene(width: int, height: int, seed: int = 0, coarse: int = 6) -> Image.Image:
    """Smooth hills with noise on them: long codes and short ones."""
    rng = np.random.default_rng([width, height, seed])
    small = Image.fromarray(rng.integers(0, 256, (coarse, coarse, 3), dtype=np.uint8))
    hills = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), dtype=int)
    return Image.fromarray((hills + rng.integers(-20, 21, hills.shape)).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def painted(data: bytes, part: Part | None = None) -> NDArray[np.uint8] | None:
    """The part's pixels, or None where it is left to others."""
    header = read_header(data)
    left, top, right, bottom = part or (0, 0, header.width, header.height)
    CANVAS.pixels[:] = 77
    if not paint_part(data, header, CANVAS, (left, top, right, bottom)):
        return None
    picture = CANVAS.pixels[: 4 * header.width * header.height].reshape(header.height, header.width, 4)
    return picture[top:bottom, left:right, :3].copy()


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [1, 30, 75, 95, 100])
@pytest.mark.parametrize("size", [(16, 16), (17, 33), (64, 40), (131, 66), (250, 97)])
def test_whole_pictures_are_libjpegs(sampling: int, quality: int, size: tuple[int, int]) -> None:
    for optimize in (False, True):  # the usual codes, and codes made for the picture
        data = jpeg(scene(*size), quality=quality, subsampling=sampling, optimize=optimize)
        found = painted(data)
        assert found is not None
        np.testing.assert_array_equal(found, simplejpeg.decode_jpeg(data))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2), st.integers(16, 140), st.integers(16, 140))
def test_any_part_is_that_part_of_the_whole(data: st.DataObject, sampling: int, width: int, height: int) -> None:
    file = jpeg(scene(width, height), quality=90, subsampling=sampling)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    found = painted(file, (left, top, right, bottom))
    assert found is not None
    np.testing.assert_array_equal(found, simplejpeg.decode_jpeg(file)[top:bottom, left:right])


def test_grey_pictures_are_grey() -> None:
    data = jpeg(scene(70, 45).convert("L"), quality=88)
    found = painted(data, (3, 5, 70, 40))
    assert found is not None
    np.testing.assert_array_equal(found, simplejpeg.decode_jpeg(data, "RGB")[5:40, 3:70])


def test_the_colours_without_jfif_are_those_that_libjpeg_takes() -> None:
    plain = jpeg(scene(40, 40))
    length = 2 + int.from_bytes(plain[4:6], "big")
    bare = plain[:2] + plain[2 + length :]  # without JFIF: the components are called 1, 2 and 3

    def adobe(transform: int) -> bytes:
        return bare[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform]) + bare[2:]

    for data in (bare, adobe(1), plain[:20] + adobe(0)[2:18] + plain[20:]):
        np.testing.assert_array_equal(painted(data), simplejpeg.decode_jpeg(data))
    assert painted(adobe(0)) is None  # RGB in the file
    assert painted(adobe(2)) is None
    renamed = bytearray(bare)
    frame, scan = bare.index(b"\xff\xc0"), bare.index(b"\xff\xda")
    renamed[frame + 10] = renamed[scan + 5] = 82
    assert painted(bytes(renamed)) is None


@pytest.mark.parametrize(
    "data",
    [
        jpeg(scene(40, 40), progressive=True),
        jpeg(scene(40, 40), keep_rgb=True),
        jpeg(scene(40, 40).convert("CMYK")),
        jpeg(scene(40, 40), restart_marker_rows=1),
        jpeg(scene(15, 40)),
        jpeg(scene(40, 15)),
        simplejpeg.encode_jpeg(np.asarray(scene(40, 40)), colorsubsampling="440"),
        simplejpeg.encode_jpeg(np.asarray(scene(40, 40)), colorsubsampling="411"),
        jpeg(scene(40, 40)).replace(b"\xff\xc0", b"\xff\xc9"),  # arithmetic code, it says
    ],
    ids=["progressive", "RGB", "CMYK", "restarts", "narrow", "low", "4:4:0", "4:1:1", "arithmetic"],
)
def test_what_is_not_plain_is_left_to_others(data: bytes) -> None:
    assert painted(data) is None


def test_every_cut_is_left_to_others_even_below_the_part() -> None:
    data = jpeg(scene(48, 96), quality=90)
    header = read_header(data)
    assert painted(data, (0, 0, 48, 20)) is not None
    for length in range(data.index(b"\xff\xda"), len(data)):
        assert not paint_part(data[:length], header, CANVAS, (0, 0, 48, 20))
        if length % 40 == 0:
            with pytest.raises(BadImage):
                apply_view(data[:length], View(16, 8, decoder="exact"))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([jpeg(scene(80, 60, seed), quality=q, subsampling=s) for seed, q, s in [(0, 90, 0), (1, 60, 2)]]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_damage_is_refused_or_seen_alike_by_both_decoders(data: bytes, hits: list[tuple[float, int]]) -> None:
    damaged = bytearray(data)
    for place, value in hits:
        damaged[int(place * len(damaged))] = value
    seen: list[NDArray[np.uint8] | None] = []
    for decoder in ("reference", "exact"):
        try:
            seen.append(apply_view(bytes(damaged), View(24, 16, "bicubic", decoder=decoder)))  # type: ignore[arg-type]
        except BadImage:
            seen.append(None)
    assert (seen[0] is None) == (seen[1] is None)
    if seen[0] is not None:
        np.testing.assert_array_equal(seen[0], seen[1])


def test_coefficients_beyond_any_picture_overflow_as_in_libjpeg() -> None:
    data = bytearray(jpeg(scene(64, 64), quality=100, subsampling=0))
    at = data.index(b"\xff\xdb") + 5
    for step in (16, 100, 255):
        data[at : at + 64] = bytes([step] * 64)
        np.testing.assert_array_equal(painted(bytes(data)), simplejpeg.decode_jpeg(bytes(data)))
    # The sky of a flat picture: nothing but first coefficients, of which the largest step makes overflow.
    flat = bytearray(jpeg(Image.new("RGB", (32, 32), (255, 255, 255)), quality=100))
    at = flat.index(b"\xff\xdb") + 5
    flat[at] = 255
    np.testing.assert_array_equal(painted(bytes(flat)), simplejpeg.decode_jpeg(bytes(flat)))


def test_views_and_boxes_of_real_pictures_are_those_of_whole_decoding(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(shared / "data" / "imagenet-samples.tar") as archive:
        files = [archive.extractfile(member).read() for member in archive.getmembers()[5::60] if member.isfile()]  # type: ignore[union-attr]
    headers = [read_header(data) for data in files]
    sides = np.array([(header.width, header.height) for header in headers])
    boxes, mirrored = RandomCrop(3, 1).boxes(sides, np.arange(len(files)))
    view = View(256, 224, "bicubic", decoder="exact")

    def both() -> list[NDArray[np.uint8]]:
        shown = [apply_view(data, view) for data in files]
        for data, box, turned in zip(files, boxes, mirrored, strict=True):
            shown.append(np.empty((224, 224, 3), dtype=np.uint8))
            cut_file(data, view, box, bool(turned), shown[-1])
        return shown

    plain = sum(painted(data) is not None for data in files)
    assert plain >= len(files) - 1
    parts = both()
    monkeypatch.setattr("topfive.loading.jpeg.paint_part", lambda *_: False)
    np.testing.assert_array_equal(parts, both())


def digest() -> str:
    found = hashlib.sha256()
    for sampling in (0, 1, 2):
        pixels = painted(jpeg(scene(90, 70), quality=85, subsampling=sampling), (10, 5, 80, 50))
        assert pixels is not None
        found.update(pixels.tobytes())
    return found.hexdigest()


@pytest.mark.slow
def test_freshly_compiled_code_decodes_the_same(tmp_path: Path) -> None:
    # numba's cache sees changes of one file, not of those whose functions it calls: a stale one would show here.
    lines = (
        "import importlib.util",
        f"spec = importlib.util.spec_from_file_location('here', {__file__!r})",
        "here = importlib.util.module_from_spec(spec)",
        "spec.loader.exec_module(here)",
        "print(here.digest())",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == digest()
