"""Resample: Pillow's resize bit for bit, whole, in part, of a fractional box, mirrored, and on several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.canvas import Canvas
from topfive.loading.resample import Side, lay, reads, resample
from topfive.loading.views import FILTERS

CANVAS = Canvas()
NAMES = ["bilinear", "bicubic", "lanczos"]


def noise(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng([width, height]).integers(0, 256, (height, width, 3), dtype=np.uint8)


def resized(pixels: NDArray[np.uint8], columns: Side, rows: Side, name: str, mirrored: bool = False) -> NDArray:
    lay(pixels, CANVAS)
    out = np.empty((rows.n, columns.n, 3), dtype=np.uint8)
    resample(CANVAS, columns, rows, name, out, mirrored=mirrored)
    return out


def whole(size: int, out: int) -> Side:
    return Side(0.0, float(size), out, 0, out)


def triangle(row: NDArray[np.float64], out: int) -> NDArray[np.float64]:
    """Slow and obvious: each output value is the mean of a row under a triangle about its centre, in doubles."""
    step = len(row) / out
    reach = max(step, 1.0)
    found = []
    for i in range(out):
        centre = (i + 0.5) * step
        heights = [max(0.0, 1.0 - abs(j + 0.5 - centre) / reach) for j in range(len(row))]
        found.append(sum(h * value for h, value in zip(heights, row, strict=True)) / sum(heights))
    return np.array(found)


def test_two_pixels_become_one_and_one_becomes_two_by_hand() -> None:
    pair = np.array([[[10, 0, 255], [20, 1, 0]]], dtype=np.uint8)
    assert resized(pair, whole(2, 1), whole(1, 1), "bilinear").tolist() == [[[15, 1, 128]]]  # halves round up
    assert resized(pair, whole(2, 4), whole(1, 1), "bilinear")[0, :, 0].tolist() == [10, 13, 18, 20]  # 10 12.5 17.5 20
    mirrored = resized(pair, whole(2, 4), whole(1, 1), "bilinear", mirrored=True)
    assert mirrored[0, :, 0].tolist() == [20, 18, 13, 10]


@pytest.mark.parametrize("out", [1, 3, 10, 31])
def test_bilinear_is_the_mean_under_a_triangle(out: int) -> None:
    pixels = noise(10, 1)
    found = resized(pixels, whole(10, out), whole(1, 1), "bilinear")
    for channel in range(3):
        slow = triangle(pixels[0, :, channel].astype(float), out)
        assert np.abs(found[0, :, channel] - slow).max() <= 0.5 + 1e-4


@settings(max_examples=120, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.sampled_from(NAMES),
    st.booleans(),
)
def test_any_box_of_any_picture_is_what_pillow_makes_of_it(
    size: tuple[int, int], out: tuple[int, int], shares: tuple[float, ...], name: str, mirrored: bool
) -> None:
    pixels = noise(*size)
    sides = []
    for length, n, a, b in zip(size, out, shares[:2], shares[2:], strict=True):
        low = np.float32(a * 0.9 * length)
        high = np.float32(low + max((length - low) * b, 0.05 * length))
        sides.append(Side(float(low), float(min(high, np.float32(length))), n, 0, n))
    box = (sides[0].low, sides[1].low, sides[0].high, sides[1].high)
    pillow = np.asarray(Image.fromarray(pixels).resize(out, FILTERS[name], box=box))
    found = resized(pixels, sides[0], sides[1], name, mirrored)
    np.testing.assert_array_equal(found, pillow[:, ::-1] if mirrored else pillow)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(500, 375), (30, 900), (900, 30), (1, 1), (1, 7), (7, 1), (2000, 3)])
def test_a_part_is_a_part_of_the_whole(name: str, size: tuple[int, int]) -> None:
    pixels = noise(*size)
    for wide, high in [(60, 50), (size[0], 20), (40, size[1]), size]:
        pillow = np.asarray(Image.fromarray(pixels).resize((wide, high), FILTERS[name]))
        x, y = wide // 3, high // 4
        n, m = max(1, wide // 2), max(1, high // 2)
        part = resized(
            pixels, Side(0.0, float(size[0]), wide, x, n), Side(0.0, float(size[1]), high, y, m), name, False
        )
        np.testing.assert_array_equal(part, pillow[y : y + m, x : x + n])


def test_threads_do_not_see_each_others_canvas() -> None:
    pictures = [noise(20 + i, 50 - i) for i in range(30)]

    def work(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return resized(pixels, whole(pixels.shape[1], 16), whole(pixels.shape[0], 16), "bicubic")

    alone = [work(pixels) for pixels in pictures]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for a, b in zip(alone, pool.map(work, pictures), strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_canvas_is_used_again_and_forgets_a_huge_picture() -> None:
    canvas = Canvas()
    canvas.sized(100, 100)
    held = canvas.pixels
    canvas.sized(90, 80)
    assert canvas.pixels is held
    assert (canvas.width, canvas.height) == (90, 80)
    canvas.sized(4000, 3000)
    assert canvas.pixels.nbytes >= 48_000_000
    canvas.sized(100, 100)
    assert canvas.pixels.nbytes < 100_000


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(NAMES), st.integers(1, 90), st.integers(1, 60), st.data())
def test_nothing_beyond_what_is_read_changes_a_pixel(name: str, size: int, out: int, data: st.DataObject) -> None:
    low = data.draw(st.floats(0, size - 0.5))
    high = data.draw(st.floats(low + 0.25, size))
    first = data.draw(st.integers(0, out - 1))
    side = Side(low, high, out, first, data.draw(st.integers(1, out - first)))
    begin, end = reads(side, size, name)
    assert 0 <= begin < end <= size
    pixels, other = noise(size, size), noise(size, size)[::-1].copy()
    other[begin:end, begin:end] = pixels[begin:end, begin:end]
    a, b = (resized(array, side, side, name) for array in (pixels, other))
    np.testing.assert_array_equal(a, b)
