"""Dense HOG against scikit-image, and on ramps whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.systems.features.hog import Hog, gradients


@pytest.mark.parametrize(("cell_px", "cells"), [(4, 4), (5, 2), (3, 3), (8, 1)])
def test_descriptors_are_scikit_images_at_whole_cells(cell_px: int, cells: int) -> None:
    feature = pytest.importorskip("skimage.feature")
    grey = np.random.default_rng(cell_px).random((32, 43)).astype(np.float32)
    # scikit-image's blocks stand at every cell of those that fit; a patch here needs only its own room.
    grey = grey[: 32 // cell_px * cell_px, : 43 // cell_px * cell_px]
    expected = feature.hog(
        grey.astype(np.float64), 9, (cell_px, cell_px), (cells, cells), block_norm="L2-Hys", feature_vector=False
    )
    found = Hog((cell_px,), cell_px, cells).describe(grey[None])[0]
    np.testing.assert_allclose(found, expected.reshape(-1, cells * cells * 9), atol=1e-6)


@pytest.mark.parametrize(("down", "across", "direction"), [(0, 1, 0), (0, -1, 0), (1, 0, 4), (1, 1, 2), (1, -1, 6)])
def test_a_ramp_has_one_direction_in_every_cell(down: int, across: int, direction: int) -> None:
    y, x = np.mgrid[:24, :24].astype(np.float32) / 48
    found = Hog((4,), 4, 4).describe((down * y + across * x)[None])[0].reshape(-1, 16, 9)
    # Away from the border 16 equal values of a unit vector are 1/4 each; clipped to 1/5 and scaled back they are again.
    np.testing.assert_allclose(found[4, :, direction], 0.25, atol=1e-4)
    assert np.delete(found[4], direction, axis=-1).max() < 1e-4


def test_gradients_by_hand() -> None:
    grey = np.array([[[0, 0, 0], [0, 5, 3], [0, 4, 0]]], np.float32)
    direction, magnitude = gradients(grey)
    # In the middle 3 across and 4 down: length 5 at 53 degrees.
    assert (direction[0, 1, 1], magnitude[0, 1, 1]) == (2, 5.0)
    # No difference over the border: across only, from 0 to 0, in the last row.
    assert magnitude[0, 2].tolist() == [0.0, 0.0, 0.0]


def test_a_flat_picture_has_descriptors_of_zero_and_a_small_one_none() -> None:
    assert not Hog().describe(np.full((2, 40, 40), 0.5, np.float32)).any()
    assert Hog((4,), 4).describe(np.zeros((2, 15, 40), np.float32)).shape == (2, 0, 144)
    assert Hog((4,), 4).centres(15, 40).shape == (0, 2)
    assert Hog().describe(np.zeros((0, 40, 40), np.float32)).shape == (0, len(Hog().centres(40, 40)), 144)


def test_pictures_are_described_alone() -> None:
    grey = np.random.default_rng(0).random((3, 40, 36)).astype(np.float32)
    together = Hog().describe(grey)
    assert together.shape == (3, len(Hog().centres(40, 36)), Hog().length)
    for i in range(3):
        np.testing.assert_allclose(Hog().describe(grey[i : i + 1])[0], together[i], atol=1e-6)


@pytest.mark.parametrize("wrong", [Hog(()), Hog((4, 0)), Hog(step_px=0), Hog(cells=0)])
def test_sizes_that_make_no_patch_are_refused(wrong: Hog) -> None:
    with pytest.raises(BadInput, match="takes no descriptor"):
        wrong.check()
