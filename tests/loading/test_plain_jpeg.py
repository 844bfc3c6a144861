"""The segments of a JPEG: what is plain is read into its tables, and nothing beyond a segment's end is."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.plain_jpeg import planned


def plan(data: bytes) -> tuple[tuple[int, int], NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    components = np.zeros((3, 5), np.int64)
    codes, steps = np.zeros((8, 272), np.uint8), np.zeros((4, 64), np.uint8)
    return planned(np.frombuffer(data, np.uint8), components, codes, steps), components, codes, steps


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


CODES = bytes([0x00]) + bytes([1] + [0] * 15) + b"\5" + bytes([0x13]) + bytes([0, 2] + [0] * 14) + b"\1\2"
STEPS = bytes([2]) + bytes(range(1, 65))
FRAME = b"\x08\0\x20\0\x30\3" + b"\1\x22\2" + b"\2\x11\2" + b"\3\x11\2"
SCAN = b"\3" + b"\1\x03" + b"\2\x13" + b"\3\x03" + b"\0\x3f\0"


def file(
    frame: bytes = FRAME, scan: bytes = SCAN, codes: bytes = CODES, steps: bytes = STEPS, more: bytes = b""
) -> bytes:
    return b"\xff\xd8" + segment(0xDB, steps) + more + segment(0xC0, frame) + segment(0xC4, codes) + segment(0xDA, scan)


def test_a_plain_file_by_hand() -> None:
    data = file()
    (n, start), components, codes, steps = plan(data + b"bits")
    assert (n, start) == (3, len(data))
    np.testing.assert_array_equal(components, [[2, 2, 0, 7, 2], [1, 1, 1, 7, 2], [1, 1, 0, 7, 2]])
    assert codes[0, :17].tolist() == [1, *[0] * 15, 5]
    assert codes[7, :18].tolist() == [0, 2, *[0] * 14, 1, 2]
    np.testing.assert_array_equal(steps[2], np.arange(1, 65))
    assert not steps[[0, 1, 3]].any()


def test_one_component_is_a_block_a_unit_whatever_its_sampling() -> None:
    (n, _), components, _, _ = plan(file(FRAME[:5] + b"\1\1\x22\2", b"\1\1\0\0\x3f\0"))
    assert n == 1
    assert components[0].tolist() == [1, 1, 0, 4, 2]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("12 bits", file(b"\x0c" + FRAME[1:])),
        ("two components", file(FRAME[:5] + b"\2" + FRAME[6:12], b"\2\1\0\2\0\0\x3f\0")),
        ("a frame that is too short", file(FRAME[:-1])),
        ("grey of no blocks", file(FRAME[:5] + b"\1\1\x20\2", b"\1\1\0\0\x3f\0")),
        ("grey of five blocks", file(FRAME[:5] + b"\1\1\x51\2", b"\1\1\0\0\x3f\0")),
        ("colours larger than brightness", file(FRAME[:9] + b"\2\x22\2" + FRAME[12:])),
        ("brightness of four blocks in a row", file(FRAME[:7] + b"\x41\2" + FRAME[9:])),
        ("one component in the scan", file(scan=b"\1\1\0\0\x3f\0")),
        ("components in another order", file(scan=b"\3" + b"\2\0\1\0\3\0" + SCAN[-3:])),
        ("a part of the coefficients", file(scan=SCAN[:-3] + b"\0\x05\0")),
        ("a code of a fifth slot", file(scan=SCAN[:2] + b"\x40" + SCAN[3:])),
        ("steps of a fifth slot", file(FRAME[:8] + b"\4" + FRAME[9:])),
        ("steps of two bytes", file(steps=b"\x12" + bytes(128))),
        ("steps that end early", file(steps=STEPS[:-1])),
        ("codes that end early", file(codes=CODES[:-1])),
        ("a code of a third kind", file(codes=b"\x20" + CODES[1:])),
        ("two frames", file(more=segment(0xC0, FRAME))),
        ("a progressive frame", file(more=segment(0xC2, FRAME))),
        ("restarts", file(more=segment(0xDD, b"\0\4"))),
        ("bytes between segments", file(more=b"\0")),
        ("no frame", b"\xff\xd8" + segment(0xDB, STEPS) + segment(0xDA, SCAN)),
        ("nothing", b"\xff\xd8"),
        ("Adobe's RGB", file(more=segment(0xEE, b"Adobe\0\0\0\0\0\0\0"))),
        ("other names", file(FRAME[:6] + b"\7" + FRAME[7:], SCAN[:1] + b"\7" + SCAN[2:])),
        ("a JFIF segment that ends early", file(more=segment(0xE0, b"JFIF\0"))),
    ],
)
def test_what_is_not_plain_has_no_plan(name: str, data: bytes) -> None:
    assert plan(data)[0] == (0, 0), name


def test_segments_that_have_no_say_are_passed_over() -> None:
    for more in (segment(0xFE, b"hello"), segment(0xE1, b"Exif" + bytes(100)), segment(0xEF, b"")):
        assert plan(file(more=more))[0][0] == 3


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4), st.floats(0, 1))
def test_nothing_leads_beyond_the_file(hits: list[tuple[float, int]], kept: float) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (9, 99, 199)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    for place, value in hits:
        data[int(place * len(data))] = value
    data = data[: int(kept * len(data))]
    (n, start), components, _, _ = plan(bytes(data))
    assert n in (0, 1, 3)
    assert 0 <= start <= len(data)
    assert components.min() >= 0
    assert components[:, :2].max() <= 2
    assert components[:, 2:4].max() <= 7
    assert components[:, 4].max() <= 3
