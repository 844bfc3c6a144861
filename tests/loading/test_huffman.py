"""Entropy decoding by hand: codes of a few bits, stuffing, runs, and bits that fit no code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from topfive.loading.huffman import PADDING, looks, scanned, unstuffed

COUNTS = np.array([0, 2, 1, *[0] * 13], np.uint8)
"""Codes 00 and 01 of two bits, 100 of three."""


def table(symbols: list[int]) -> NDArray[np.uint8]:
    return np.array(symbols + [0] * (256 - len(symbols)), np.uint8)


def packed(bits: str) -> bytes:
    """Bits as the bytes of a scan: filled up with ones, an 0 byte after each byte of ones."""
    bits += "1" * (-len(bits) % 8)
    return b"".join(
        bytes([byte]) + b"\0" * (byte == 255) for byte in (int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    )


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 3))
def test_stuffing_goes_and_the_next_marker_ends_the_bits(data: bytes, start: int) -> None:
    stuffed = data.replace(b"\xff", b"\xff\0")
    out = np.full(300 + PADDING, 9, np.uint8)
    for tail, marker in ((b"\xff\xd9", 0xD9), (b"\xff\xd0\1\2\3\4\5\6\7\x08\x09", 0xD0), (b"", 0), (b"\xff", 0)):
        file = np.frombuffer(bytes(start) + stuffed + tail, np.uint8)
        n, found = unstuffed(file, start, out)
        assert (n, found) == (len(data), marker)
        assert out[:n].tobytes() == data
        assert not out[n : n + PADDING].any()


def test_a_look_gives_run_value_and_length_together() -> None:
    code = np.zeros(2338, np.int32)
    assert looks(COUNTS, table([0x00, 0x23, 0xF0]), False, code)

    def looked(bits: str) -> set[int]:
        """Everything that 11 bits that begin with these give."""
        first = int(bits.ljust(11, "0"), 2)
        return set(code[first : first + (1 << (11 - len(bits)))].tolist())

    assert looked("00") == {128 << 8 | 2}  # the end of a block: run 128, two bits, whatever follows
    assert looked("01111") == {7 << 16 | 3 << 8 | 5}  # two zeros before a value of three bits: 7
    assert looked("01000") == {(-7 << 16) | 3 << 8 | 5}
    assert looked("100") == {16 << 8 | 3}  # sixteen zeros
    assert looked("101") == looked("11") == {0}  # no code


@pytest.mark.parametrize(
    ("counts", "symbols", "dc"),
    [
        ([3, *[0] * 15], [0, 1, 2], False),  # three codes of one bit
        ([2, 1, *[0] * 14], [0, 1, 2], False),
        ([0, 0, 0, 0, 0, 0, 0, 200, 200, *[0] * 7], [0] * 256, False),  # more than 256 symbols
        ([0, 1, *[0] * 14], [0x10], True),  # a first coefficient has no run
        ([0, 1, *[0] * 14], [0x0C], False),  # 12 bits are more than a coefficient has
    ],
)
def test_what_is_no_code_is_known(counts: list[int], symbols: list[int], dc: bool) -> None:
    assert not looks(np.array(counts, np.uint8), table(symbols[:256]), dc, np.zeros(2338, np.int32))


def grey(bits: str, n_bytes: int | None = None, wide: int = 2) -> tuple[bool, NDArray[np.uint8]]:
    """Decode blocks of one grey row, step 8: DC sizes 0, 1, 4 by 00, 01, 100; AC end, run 0 size 1, sixteen zeros."""
    codes = np.zeros((8, 272), np.uint8)
    codes[0, :16], codes[4, :16] = COUNTS, COUNTS
    codes[0, 16:19], codes[4, 16:19] = (0, 1, 4), (0x00, 0x01, 0xF0)
    raw = packed(bits)
    coded = np.zeros(len(raw) + PADDING, np.uint8)
    n, _ = unstuffed(np.frombuffer(raw, np.uint8), 0, coded)
    planes = np.zeros(wide * 64, np.uint8)
    components, places = np.array([[1, 1, 0, 4, 0]]), np.array([[0, 8 * wide]])
    steps = np.full((4, 64), 8, np.uint8)
    sound = scanned(
        coded, n if n_bytes is None else n_bytes, components, (codes, steps), places, (wide, 0, wide, 0, 1), planes
    )
    return bool(sound), planes.reshape(8, wide, 8).transpose(1, 0, 2)


def test_first_coefficients_are_differences() -> None:
    # Size 4, 1010 = 10, end; then size 1, 0 = -1, end: levels 128 + 10 and 128 + 9 with a step of 8.
    sound, blocks = grey("100101000" + "01000")
    assert sound
    assert (blocks[0] == 138).all()
    assert (blocks[1] == 137).all()


def test_a_value_changes_its_block_alone() -> None:
    sound, blocks = grey("0001100" + "0000")
    assert sound
    assert (blocks[1] == 128).all()
    assert blocks[0, 0, 0] > 128 > blocks[0, 0, 7]  # the first cosine along a row
    assert (blocks[0] == blocks[0, :1]).all()


@pytest.mark.parametrize(
    ("bits", "why"),
    [
        ("101", "no code for the first coefficient"),
        ("00110", "no code for another"),
        ("00" + "100" * 4, "64 zeros"),
        ("00" + "011" * 64, "64 values after the first"),
    ],
)
def test_bits_that_fit_no_block_end_the_work(bits: str, why: str) -> None:
    # The last case decodes 63 values; the bits left over are no code of the second block's first coefficient.
    sound, _ = grey(bits + "1" * 40)
    assert not sound, why


def test_too_few_bits_are_known_though_zeros_would_decode() -> None:
    assert grey("00000000")[0]
    assert grey("00000000", n_bytes=1)[0]
    assert not grey("00000000", n_bytes=0)[0]
    assert not grey("00" * 8, n_bytes=1, wide=4)[0]


def test_runs_of_sixteen_zeros_add_up() -> None:
    # 48 zeros, then 15 values of 1 in the last places.
    sound, blocks = grey("00" + "100" * 3 + "011" * 15 + "0000")
    assert sound
    assert (blocks[1] == 128).all()
    assert len(np.unique(blocks[0])) > 8
