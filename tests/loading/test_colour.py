"""Planes to RGBX beside the rules written out for one pixel at a time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from topfive.loading.colour import coloured


def near(samples: NDArray[np.int64], y: int, x: int, across: int, down: int) -> int:
    """libjpeg's smooth upsampling of one pixel: 3/4 of the nearest sample, 1/4 of the next, each way it is halved."""
    height, width = samples.shape

    def next_to(at: int, n: int) -> int:
        return min(max(at // 2 + (1 if at % 2 else -1), 0), n - 1)

    if across == 1:
        return int(samples[y, x])
    if down == 1:
        a, b = samples[y, x // 2], samples[y, next_to(x, width)]
        return int(3 * a + b + 1 + x % 2) >> 2
    columns = [3 * samples[y // 2, c] + samples[next_to(y, height), c] for c in (x // 2, next_to(x, width))]
    return int(3 * columns[0] + columns[1] + 8 - x % 2) >> 4


def rgb(y: int, b: int, r: int) -> tuple[int, int, int]:
    """JFIF's colours, rounded as 16-bit constants have them."""
    red = y + ((91_881 * (r - 128) + 32_768) >> 16)
    green = y + ((-22_554 * (b - 128) - 46_802 * (r - 128) + 32_768) >> 16)
    blue = y + ((116_130 * (b - 128) + 32_768) >> 16)
    return tuple(min(max(value, 0), 255) for value in (red, green, blue))  # type: ignore[return-value]


@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("size", [(16, 16), (31, 17), (20, 33)])
def test_pixels_are_those_of_the_rules(across: int, down: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(across + down)
    width, height = size
    wide, high = 16 * across * 3, 8 * down * 5
    bright = rng.integers(0, 256, (high, wide))
    tints = rng.integers(0, 256, (2, high // down, wide // across))
    planes = np.concatenate([bright.ravel(), tints.ravel()]).astype(np.uint8)
    under = wide // across
    places = np.array([[0, wide], [bright.size, under], [bright.size + tints[0].size, under]])
    components = np.array([[across, down, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0]])
    out = np.zeros((height, width), np.uint32)
    part = (3, 2, width - 1, height)
    coloured(planes, components, places, (0, 0), size, part, out)
    real = tints[:, : -(-height // down), : -(-width // across)]
    words = out.view(np.uint8).reshape(height, width, 4)
    for y in range(part[1], part[3]):
        for x in range(part[0], part[2]):
            blue, red = (near(plane, y, x, across, down) for plane in real)
            assert tuple(words[y, x, :3].tolist()) == rgb(int(bright[y, x]), blue, red), (y, x)
    assert not out[:2].any(), "outside the part nothing is written"


def test_one_plane_is_grey() -> None:
    planes = np.arange(16 * 8, dtype=np.uint8)
    out = np.zeros((8, 16), np.uint32)
    coloured(planes, np.array([[1, 1, 0, 4, 0]]), np.array([[0, 16]]), (0, 0), (16, 8), (0, 0, 16, 8), out)
    np.testing.assert_array_equal(out, planes.reshape(8, 16).astype(np.uint32) * 0x10101)
