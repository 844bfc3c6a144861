"""CSIFT: colours by hand, light and shadow, grey pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.systems.features.colour_sift import ColourSift, invariants
from topfive.systems.features.dense_sift import DenseSift

CSIFT = ColourSift(DenseSift((4,), 4))


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 120, (1, 28, 32, 3), dtype=np.uint8)


def test_colours_by_hand() -> None:
    pixels = np.array([[[[255, 0, 0], [0, 0, 255], [90, 90, 90], [0, 0, 0]]]], np.uint8)
    expected = [
        [1 / 3, math.sqrt(1.5), math.sqrt(0.5)],
        [1 / 3, 0, -math.sqrt(2)],
        [90 / 255, 0, 0],
        [0, 0, 0],
    ]
    np.testing.assert_allclose(invariants(pixels)[0, 0], expected, atol=1e-6)


def test_twice_the_light_leaves_the_colours() -> None:
    dim = picture()
    np.testing.assert_allclose(invariants(2 * dim)[..., 1:], invariants(dim)[..., 1:], atol=1e-5)
    np.testing.assert_allclose(invariants(2 * dim)[..., 0], 2 * invariants(dim)[..., 0], atol=1e-6)


def test_a_dark_pixel_is_divided_by_the_least_brightness() -> None:
    # 3 of 255 is below 0.05: red alone, 3, counts against 0.05 and not against 1 / 255.
    found = invariants(np.array([[[[3, 0, 0]]]], np.uint8))[0, 0, 0]
    assert found[1] == pytest.approx(3 / 255 / math.sqrt(2) / (math.sqrt(3) * 0.05), rel=1e-5)


def test_a_descriptor_is_three_plain_ones() -> None:
    images = picture()
    found, planes = CSIFT.describe(images), invariants(images)
    assert found.shape == (1, len(CSIFT.centres(28, 32)), CSIFT.length)
    for i in range(3):
        plain = CSIFT.sift.describe(np.ascontiguousarray(planes[..., i]))
        np.testing.assert_array_equal(found[..., 128 * i : 128 * (i + 1)], plain)


def test_a_grey_picture_has_no_colour() -> None:
    found = CSIFT.describe(np.repeat(picture()[..., :1], 3, axis=-1))
    assert found[..., :128].any()
    assert not found[..., 128:].any()


def test_what_sift_refuses_is_refused() -> None:
    with pytest.raises(BadInput, match="step_px"):
        ColourSift(DenseSift((4,), 0)).check()
