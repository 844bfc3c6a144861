"""Dense SIFT against a loop written from the definition, against VLFeat, and on pictures whose answer is known."""

from __future__ import annotations

import io
import math
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from topfive.records import BadInput
from topfive.systems.features.dense_sift import DenseSift, grey
from toy.drawn import drawn

PLAIN = DenseSift(bins_px=(4,), step_px=3, magnif=1e9, window=1e9, contrast=0.0)


def angle_of(gy: float, gx: float) -> float:
    """VLFeat's approximation of the angle, in [0, 2 pi)."""
    size = abs(gy) + 1.1920929e-07
    ratio = (gx - size) / (gx + size) if gx >= 0 else (gx + size) / (size - gx)
    angle = (math.pi / 4 if gx >= 0 else 3 * math.pi / 4) + (0.1821 * ratio * ratio - 0.9675) * ratio
    return (angle if gy >= 0 else -angle) % (2 * math.pi)


def slow(picture: NDArray[np.float64], b: int, step: int, window: float) -> NDArray[np.float64]:
    """The definition, a loop a letter: gradients, triangles, window, clipping."""
    height, width = picture.shape
    planes = np.zeros((height, width, 8))
    gradient_y, gradient_x = np.gradient(picture)
    for y in range(height):
        for x in range(width):
            turn = angle_of(gradient_y[y, x], gradient_x[y, x]) * 8 / (2 * math.pi)
            length = math.hypot(gradient_y[y, x], gradient_x[y, x])
            planes[y, x, int(turn) % 8] += (1 - turn % 1) * length
            planes[y, x, (int(turn) + 1) % 8] += (turn % 1) * length
    out = []
    for top in range(0, height - 3 * b, step):
        for left in range(0, width - 3 * b, step):
            values = np.zeros((4, 4, 8))
            for i in range(4):
                for j in range(4):
                    for dy in range(-b + 1, b):
                        for dx in range(-b + 1, b):
                            y = min(max(top + i * b + dy, 0), height - 1)
                            x = min(max(left + j * b + dx, 0), width - 1)
                            values[i, j] += (1 - abs(dy) / b) * (1 - abs(dx) / b) * planes[y, x]
                    for place in (i, j):
                        z = (np.arange(-b + 1, b) - b * (place - 1.5)) / (b * window)
                        values[i, j] *= np.exp(-0.5 * z**2).mean()
            vector = values.reshape(-1)
            vector = np.minimum(vector / (np.linalg.norm(vector) + 1.1920929e-07), 0.2)
            out.append(vector / (np.linalg.norm(vector) + 1.1920929e-07))
    return np.array(out)


@pytest.mark.parametrize(("b", "step", "window"), [(1, 1, 1.5), (3, 2, 2.0), (4, 5, 1.5)])
def test_descriptors_are_those_of_the_definition(b: int, step: int, window: float) -> None:
    picture = np.random.default_rng(b).random((17, 19))
    sift = DenseSift((b,), step, magnif=1e9, window=window, contrast=0.0)
    found = sift.describe(picture[None].astype(np.float32))[0]
    np.testing.assert_allclose(found, slow(picture, b, step, window), atol=2e-4)


def test_a_ramp_has_one_direction_and_sixteen_equal_cells() -> None:
    for turned, direction in ((False, 0), (True, 2)):
        ramp = np.tile(np.linspace(0, 1, 24, dtype=np.float32), (24, 1))
        found = PLAIN.describe((ramp.T if turned else ramp)[None].copy())[0].reshape(-1, 4, 4, 8)
        # 16 equal values of a unit vector are 1/4 each; clipped to 1/5 and scaled back they are 1/4 again.
        inner = found[:, 1:3, 1:3]
        np.testing.assert_allclose(inner[..., direction], 0.25, atol=0.02)
        assert np.delete(found, direction, axis=-1).max() < 0.01


def test_a_constant_picture_has_descriptors_of_zero() -> None:
    found = DenseSift((4, 6), 4).describe(np.full((2, 32, 32), 0.5, dtype=np.float32))
    assert found.shape == (2, 5 * 5 + 4 * 4, 128)
    assert not found.any()


def test_there_are_no_descriptors_without_pictures_or_without_room() -> None:
    assert PLAIN.describe(np.zeros((0, 32, 32), dtype=np.float32)).shape == (0, 49, 128)
    assert PLAIN.describe(np.zeros((3, 12, 40), dtype=np.float32)).shape == (3, 0, 128)
    assert PLAIN.centres(12, 40).shape == (0, 2)


def test_centres_are_in_the_order_of_the_descriptors() -> None:
    centres = DenseSift((2, 4), 5).centres(20, 30)
    # Bins of 4: corners 0, 5 down (below 20 - 12) and 0, 5, 10, 15 across, centres 6 further. Bins of 2 begin 3 later,
    # so that their first centre, 3 + 3, is the same.
    assert centres[0].tolist() == [6, 6]
    assert centres[-1].tolist() == [21, 11]
    assert len(centres) == 5 * 3 + 4 * 2
    assert centres[5].tolist() == [6, 11]


def test_smoothing_is_a_gaussian_with_the_border_going_on() -> None:
    picture = np.random.default_rng(0).random((30, 26)).astype(np.float32)
    sift = DenseSift((6,), 4, magnif=3.0, contrast=0.0)
    smoothed = gaussian_filter(picture, 2.0, mode="nearest", truncate=4.0)
    plain = DenseSift((6,), 4, magnif=1e9, contrast=0.0)
    np.testing.assert_allclose(sift.describe(picture[None]), plain.describe(smoothed[None]), atol=1e-4)


def test_faint_descriptors_become_zero() -> None:
    picture = np.zeros((1, 24, 72), dtype=np.float32)
    picture[:, :, :24] = np.random.default_rng(0).random((24, 24))
    picture[:, :, 24:] = 0.5 + 1e-3 * np.random.default_rng(1).random((24, 48))
    sift = DenseSift((4,), 12, magnif=1e9)
    lengths = np.linalg.norm(sift.describe(picture)[0], axis=1)
    np.testing.assert_allclose(lengths[:1], 1.0, atol=1e-5)
    assert lengths[-1] == 0.0


def test_root_is_the_root_of_the_shares() -> None:
    picture = np.random.default_rng(0).random((1, 24, 24)).astype(np.float32)
    plain = PLAIN.describe(picture)
    rooted = DenseSift((4,), 3, magnif=1e9, window=1e9, contrast=0.0, root=True).describe(picture)
    np.testing.assert_allclose(rooted, np.sqrt(plain / plain.sum(axis=-1, keepdims=True)), atol=1e-5)


def test_a_picture_has_the_same_descriptors_alone_and_in_a_batch() -> None:
    pictures = np.random.default_rng(0).random((5, 40, 32)).astype(np.float32)
    sift = DenseSift((4, 6), 3, root=True)
    together = sift.describe(pictures)
    for i in range(5):
        np.testing.assert_array_equal(sift.describe(pictures[i : i + 1])[0], together[i])
    np.testing.assert_array_equal(sift.describe(np.asfortranarray(pictures)), together)


def test_grey_is_luma() -> None:
    pixels = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]], dtype=np.uint8)
    np.testing.assert_allclose(grey(pixels)[0, 0], [0.299, 0.587, 0.114, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"bins_px": ()}, {"bins_px": (0,)}, {"step_px": 0}, {"magnif": 0.0}, {"window": -1.0}, {"contrast": -0.1}]
)
def test_a_setting_that_takes_no_descriptor_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        DenseSift(**wrong).check()


def agreement(vlfeat: Any, pictures: NDArray[np.float32], sift: DenseSift) -> NDArray[np.float64]:
    """The distance of each descriptor from VLFeat's, as a share of its length."""
    distances = []
    for picture, ours in zip(pictures, sift.describe(pictures), strict=True):
        theirs = []
        for bin_px in sift.bins_px:
            first = 3 * (max(sift.bins_px) - bin_px) // 2
            found, contrast = vlfeat.dsift(picture, bin_px, sift.step_px, first, sift.window, bin_px / sift.magnif)
            theirs.append(np.where(contrast[:, None] < sift.contrast, 0.0, found))
        expected = np.concatenate(theirs)
        assert expected.shape == ours.shape
        length = np.linalg.norm(expected, axis=1)
        distances.append(np.linalg.norm(ours - expected, axis=1) / np.where(length > 0, length, 1.0))
    return np.concatenate(distances)


@pytest.mark.parametrize("sift", [DenseSift((4, 6, 8, 10), 2), DenseSift((3, 4, 6), 3, window=2.0)])
def test_descriptors_of_drawn_pictures_are_vlfeats(vlfeat: Any, sift: DenseSift) -> None:
    images, _ = drawn(2)
    distance = agreement(vlfeat, grey(images), sift)
    assert np.mean(distance < 1e-3) >= 0.999
    assert np.median(distance) < 1e-5


def test_descriptors_of_photographs_are_vlfeats(vlfeat: Any, shared: Path) -> None:
    images = []
    with tarfile.open(shared / "data" / "tiny-imagenet-slice.tar") as tar:
        for member in tar:
            if member.name.endswith(".JPEG"):
                file = tar.extractfile(member)
                assert file is not None
                images.append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
            if len(images) == 60:
                break
    distance = agreement(vlfeat, grey(np.stack(images)), DenseSift((4, 6, 8, 10), 2))
    assert len(distance) == 60 * 1534
    assert np.mean(distance < 1e-3) >= 0.999
