"""Views: the reference is torchvision's pixels, the exact one is within a grey level of it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topfive.loading import apply_view, decode
from topfive.loading.views import resized
from topfive.records import View

SIZES = [
    (500, 375),
    (375, 500),
    (333, 500),
    (64, 64),
    (256, 300),
    (300, 256),
    (256, 256),
    (1000, 301),
    (301, 1000),
    (1, 1),
    (1, 7),
    (90, 91),
    (2000, 1500),
]
VIEWS = [(256, 224), (64, 64), (257, 224), (256, 223), (8, 1), (292, 260)]


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(width * 10_007 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("squash", [False, True])
def test_reference_is_torchvision_pixel_for_pixel(interpolation: str, squash: bool) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    for width, height in SIZES:
        pixels = noise(width, height)
        for resize_px, crop_px in VIEWS:
            peer = transforms.Compose(
                [
                    transforms.Resize(
                        (resize_px, resize_px) if squash else resize_px,
                        transforms.InterpolationMode(interpolation),
                        antialias=True,
                    ),
                    transforms.CenterCrop(crop_px),
                ]
            )
            view = View(resize_px, crop_px, interpolation, squash)  # type: ignore[arg-type]
            np.testing.assert_array_equal(apply_view(pixels, view), np.asarray(peer(Image.fromarray(pixels))))


def test_the_long_side_is_cut_not_rounded_and_the_crop_is_centred_to_even() -> None:
    view = View(256, 224)
    assert resized(500, 375, view) == (341, 256)  # 341.33
    assert resized(375, 499, view) == (256, 340)  # 340.65
    assert resized(375, 499, View(256, 224, squash=True)) == (256, 256)
    # Columns of a 3-px wide strip, crop 2: the margin of 0.5 goes to the even side, 0.
    strip = np.arange(3, dtype=np.uint8).reshape(1, 3, 1).repeat(3, axis=2).repeat(3, axis=0)
    assert apply_view(strip, View(3, 2))[0, :, 0].tolist() == [0, 1]
    # Of 5 px, crop 2: a margin of 1.5 goes to 2.
    strip = np.arange(5, dtype=np.uint8).reshape(1, 5, 1).repeat(3, axis=2).repeat(5, axis=0)
    assert apply_view(strip, View(5, 2))[0, :, 0].tolist() == [2, 3]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_exact_is_the_reference_on_noise(interpolation: str) -> None:
    # Noise is the worst case; a Pillow that orders its passes otherwise would show here first.
    for width, height in [*SIZES, (40, 60), (300, 700), (300, 600), (700, 300), (30, 900)]:
        pixels = noise(width, height)
        for resize_px, crop_px in VIEWS[::2]:
            for squash in (False, True):
                a, b = (
                    apply_view(pixels, View(resize_px, crop_px, interpolation, squash, decoder=decoder))  # type: ignore[arg-type]
                    for decoder in ("reference", "exact")
                )
                np.testing.assert_array_equal(a, b)


def test_exact_is_within_a_grey_level_of_the_reference_on_real_pictures(shared: Path) -> None:
    with tarfile.open(shared / "data" / "imagenet-samples.tar") as archive:
        members = [member for member in archive if member.isfile()][::12]
        files = [archive.extractfile(member).read() for member in members]  # type: ignore[union-attr]
    for data in files:
        np.testing.assert_array_equal(decode(data, "exact"), decode(data))
        a, b = (apply_view(data, View(256, 224, decoder=decoder)) for decoder in ("reference", "exact"))  # type: ignore[arg-type]
        assert (np.abs(a.astype(int) - b).max(axis=2) <= 1).mean() >= 0.99


def test_the_two_rules_have_fingerprints_of_their_own() -> None:
    assert View(256, 224).digest != View(256, 224, decoder="exact").digest
