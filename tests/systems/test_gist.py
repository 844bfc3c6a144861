"""GIST on gratings whose answers are known, against plain loops, and at its borders."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.systems.features.gist import FINEST, Gist, energies, even_contrast, gabors


def test_a_filter_is_one_at_its_own_frequency_and_nothing_at_the_opposite() -> None:
    bank = gabors(100, 100, (4, 4))
    assert bank.shape == (8, 100, 100)
    # 0.3 cycles a pixel are 30 in 100: to the right, and a quarter turn from there, upwards.
    assert bank[0, 0, 30] == pytest.approx(1.0)
    assert bank[2, -30, 0] == pytest.approx(1.0)
    assert bank[0, 0, -30] < 1e-6
    # The next scale answers there as its Gaussian says: 3.5 (1.85 - 1)^2 below.
    assert bank[4, 0, 30] == pytest.approx(math.exp(-3.5 * 0.85**2), rel=1e-5)


def test_a_grating_gives_half_its_height_everywhere() -> None:
    wave = 0.8 * np.cos(2 * np.pi * FINEST * np.arange(100))
    found = energies(np.tile(wave, (1, 100, 1)).astype(np.float32), (4,), 0)
    assert found.shape == (1, 100, 100, 4)
    np.testing.assert_allclose(found[..., 0], 0.4, atol=1e-5)
    assert found[..., 2].max() < 0.03


def test_a_wave_at_even_contrast_by_hand() -> None:
    # Eight waves a picture, twice the cut: 1/16 counts as low. The local deviation of b cos is b / sqrt 2.
    wave = np.cos(2 * np.pi * 8 * (np.arange(64) + 0.5) / 64)
    grey = np.tile((np.exp(1.6 * wave) - 1) / 255, (1, 64, 1)).astype(np.float32)
    b = 1.6 * 15 / 16
    np.testing.assert_allclose(even_contrast(grey, 0)[0, 5], b * wave / (0.2 + b / math.sqrt(2)), atol=2e-3)


def test_energies_are_those_of_the_fourier_sums() -> None:
    picture = np.random.default_rng(0).random((1, 6, 5)).astype(np.float32)
    found, bank = energies(picture, (3,), 0), gabors(6, 5, (3,))
    height, width = 6, 5
    spectrum = np.fft.fft2(picture[0])
    for y, x, f in ((0, 0, 0), (3, 4, 1), (5, 2, 2)):
        answer = sum(
            spectrum[u, v] * bank[f, u, v] * cmath.exp(2j * math.pi * (u * y / height + v * x / width))
            for u in range(height)
            for v in range(width)
        )
        assert found[0, y, x, f] == pytest.approx(abs(answer) / (height * width), rel=1e-4)


def test_one_patch_over_the_picture_is_the_usual_gist() -> None:
    grey = np.random.default_rng(1).random((2, 32, 32)).astype(np.float32)
    gist = Gist(8, 1, 4, (4, 4), 8)
    planes = energies(even_contrast(grey, 8), (4, 4), 8)
    found = gist.describe(grey)
    assert found.shape == (2, 1, 4 * 4 * 8)
    expected = planes.reshape(2, 4, 8, 4, 8, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(found.reshape(2, 4, 4, 8), expected, rtol=1e-4)


def test_patches_overlap_in_the_order_of_their_centres() -> None:
    grey = np.random.default_rng(2).random((1, 40, 48)).astype(np.float32)
    gist = Gist(4, 8, 4, (4,), 8)
    assert gist.describe(grey).shape == (1, len(gist.centres(40, 48)), gist.length)
    assert gist.centres(40, 48)[1].tolist() == [15.5, 7.5]


def test_a_flat_picture_has_descriptors_of_zero_and_a_small_one_none() -> None:
    assert np.abs(Gist().describe(np.full((1, 40, 40), 0.4, np.float32))).max() < 1e-5
    assert Gist().describe(np.zeros((2, 31, 40), np.float32)).shape == (2, 0, 320)
    assert Gist().describe(np.zeros((0, 40, 40), np.float32)).shape == (0, 9, 320)


def test_an_oblong_picture_and_a_large_border_are_filtered() -> None:
    grey = np.random.default_rng(3).random((1, 9, 23)).astype(np.float32)
    assert np.isfinite(Gist(2, 2, 2, (2,), 30).describe(grey)).all()


@pytest.mark.parametrize("wrong", [Gist(0), Gist(step_px=0), Gist(cells=0), Gist(directions=()), Gist(border_px=-1)])
def test_sizes_that_make_no_descriptor_are_refused(wrong: Gist) -> None:
    with pytest.raises(BadInput, match="takes no descriptor"):
        wrong.check()
