"""Colour moments against a loop over pixels, by hand, and where there is nothing to take."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from topfive.records import BadInput
from topfive.systems.features.colour_moments import ColourMoments


def slow(picture: NDArray[np.uint8], bins_px: tuple[int, ...], step: int) -> NDArray[np.float64]:
    """Each cell cut out and measured, from the definition."""
    height, width, _ = picture.shape
    out = []
    for b in bins_px:
        first = 2 * (max(bins_px) - b)
        for y in range(first, height - 4 * b + 1, step):
            for x in range(first, width - 4 * b + 1, step):
                values: list[float] = []
                for row in range(4):
                    for column in range(4):
                        top, left = y + row * b, x + column * b
                        cell = picture[top : top + b, left : left + b].reshape(-1, 3) / 255.0
                        values += [*cell.mean(axis=0), *cell.std(axis=0)]
                out.append(values)
    return np.array(out)


@pytest.mark.parametrize(("bins_px", "step"), [((1,), 1), ((2, 3), 2), ((4, 6), 5)])
def test_values_are_those_of_the_definition(bins_px: tuple[int, ...], step: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (29, 33, 3)).astype(np.uint8)
    moments = ColourMoments(bins_px, step)
    found = moments.describe(picture[None])[0]
    assert found.dtype == np.float32
    assert len(found) == len(moments.centres(29, 33))
    np.testing.assert_allclose(found, slow(picture, bins_px, step), atol=1e-6)


def test_a_checkered_cell_by_hand() -> None:
    # 2 x 2 pixels of 0 and 255 in red: mean 1/2, deviation 1/2; green 51 everywhere: 1/5 and exactly 0; blue 0.
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[::2, ::2, 0] = picture[1::2, 1::2, 0] = 255
    picture[..., 1] = 51
    found = ColourMoments((2,), 4).describe(picture[None])
    np.testing.assert_allclose(found.reshape(16, 6), np.tile([0.5, 0.2, 0.0, 0.5, 0.0, 0.0], (16, 1)), rtol=1e-6)
    assert not found.reshape(16, 6)[:, 4].any()


def test_white_pictures_of_any_size_do_not_overflow() -> None:
    found = ColourMoments((64,), 64).describe(np.full((1, 256, 256, 3), 255, np.uint8)).reshape(16, 6)
    np.testing.assert_array_equal(found, np.tile([1, 1, 1, 0, 0, 0], (16, 1)))


def test_grids_of_all_sizes_begin_at_one_centre() -> None:
    centres = ColourMoments((2, 4), 5).centres(20, 30)
    # Patches of 16 px: corners 0 down and 0, 5, 10 across; of 8 px: from 4, so that 4 + 3.5 is the same centre.
    first = centres[len(centres) - 3]
    assert first.tolist() == centres[0].tolist() == [7.5, 7.5]
    assert len(centres) == 2 * 4 + 1 * 3


def test_there_are_none_without_pictures_or_without_room() -> None:
    moments = ColourMoments((4,), 2)
    assert moments.describe(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, 81, 96)
    assert moments.describe(np.zeros((2, 15, 40, 3), np.uint8)).shape == (2, 0, 96)
    assert moments.centres(15, 40).shape == (0, 2)


def test_a_picture_has_the_same_values_alone_and_in_a_batch() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (3, 24, 24, 3)).astype(np.uint8)
    moments = ColourMoments((2, 4), 3)
    together = moments.describe(pictures)
    for i in range(3):
        np.testing.assert_array_equal(moments.describe(pictures[i : i + 1])[0], together[i])


@pytest.mark.parametrize(("moments", "name"), [(ColourMoments((), 1), "bins_px"), (ColourMoments((2,), 0), "step_px")])
def test_settings_that_take_nothing_are_refused(moments: ColourMoments, name: str) -> None:
    with pytest.raises(BadInput, match=name):
        moments.check()
