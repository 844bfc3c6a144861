"""Binary patterns against scikit-image, and around a dot."""

from __future__ import annotations

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.systems.features.lbp import BINS, Lbp, patterns


def test_patterns_are_scikit_images() -> None:
    feature = pytest.importorskip("skimage.feature")
    picture = np.random.default_rng(0).integers(0, 256, (60, 70), dtype=np.uint8)
    expected = feature.local_binary_pattern(picture, 8, 1, "nri_uniform").astype(np.int64)
    found = patterns(picture.astype(np.float32)[None])[0]
    # Outside the picture scikit-image sees black; here the border goes on.
    np.testing.assert_array_equal(found[1:-1, 1:-1], expected[1:-1, 1:-1])
    assert len(np.unique(found)) == BINS


def test_patterns_around_a_dark_dot_by_hand() -> None:
    picture = np.ones((1, 5, 5), np.float32)
    picture[0, 2, 2] = 0.0
    found = patterns(picture)[0]
    # Far away and in the dot itself all eight neighbours are at least as bright: the last uniform bin.
    assert found[0, 0] == found[2, 2] == 57
    # Right of the dot the left sample and both diagonals beside it are darker: five set, from two steps before bit 0.
    assert found[2, 3] == 1 + 4 * 8 + 2
    # Diagonally below the dot only one sample is darker: seven set, from bit 4 (up left is bit 3), four steps back.
    assert found[3, 3] == 1 + 6 * 8 + 4


def test_a_bright_dot_has_no_brighter_neighbour() -> None:
    picture = np.zeros((1, 5, 5), np.float32)
    picture[0, 2, 2] = 1.0
    assert patterns(picture)[0, 2, 2] == 0
    # Two opposite neighbours brighter: four changes around the circle, not uniform.
    picture[0, 2] = [0, 2, 1, 2, 0]
    assert patterns(picture)[0, 2, 2] == BINS - 1


def test_descriptors_have_length_one_and_flat_ones_a_single_bin() -> None:
    found = Lbp((4,), 4).describe(np.random.default_rng(0).random((2, 21, 33)).astype(np.float32))
    assert found.shape == (2, len(Lbp((4,), 4).centres(21, 33)), 4 * BINS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1.0, rtol=1e-6)
    flat = Lbp((4,), 4).describe(np.full((1, 8, 8), 0.3, np.float32)).reshape(4, BINS)
    np.testing.assert_allclose(flat[:, 57], 0.5)
    assert np.count_nonzero(flat) == 4
    assert Lbp((4,), 4).describe(np.zeros((0, 12, 8), np.float32)).shape == (0, 2, 4 * BINS)
    assert Lbp((4,), 4).describe(np.zeros((2, 7, 8), np.float32)).shape == (2, 0, 4 * BINS)


def test_patterns_do_not_change_with_brightness_and_contrast() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (1, 20, 20)).astype(np.float32)
    np.testing.assert_array_equal(patterns(picture), patterns(2 * picture + 7))


@pytest.mark.parametrize("wrong", [Lbp(()), Lbp((0,)), Lbp(step_px=0), Lbp(cells=0)])
def test_sizes_that_make_no_patch_are_refused(wrong: Lbp) -> None:
    with pytest.raises(BadInput, match="takes no descriptor"):
        wrong.check()
