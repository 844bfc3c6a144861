"""Mistakes with pixels, made on purpose: each against the library that makes it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from topfive.loading.mistakes import (
    STATISTICS,
    HandledPictures,
    Handling,
    likely_mistakes,
    orientation,
    sampled_view,
    turned_upright,
)
from topfive.records import View
from toy.drawn import drawn_set, pictures

VIEW = View(32, 28, "bilinear")


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tagged(pixels: NDArray[np.uint8], value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_read_and_turned_as_pillow_does(value: int) -> None:
    data = tagged(noise(20, 30), value)
    assert orientation(data) == value
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(turned_upright(np.asarray(image), value), expected)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM", tagged(noise(8, 8), 77)])
def test_no_orientation_is_upright(data: bytes) -> None:
    assert orientation(data) == 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(90, 120), (120, 90), (20, 27)])
def test_without_antialias_is_pytorchs_interpolate(interpolation: str, size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    pixels = noise(*size)
    view = View(32, 28, interpolation)  # type: ignore[arg-type]
    whole = (32, int(32 * size[1] / size[0])) if size[0] < size[1] else (int(32 * size[0] / size[1]), 32)
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    found = torch.nn.functional.interpolate(planes, whole, mode=interpolation, align_corners=False)
    shown = found.round().clamp(0, 255)[0].permute(1, 2, 0).numpy()
    top, left = (round((side - 28) / 2) for side in whole)
    difference = np.abs(shown[top : top + 28, left : left + 28] - sampled_view(pixels, view))
    # PyTorch's cubic has a = -0.75, Pillow's -0.5, and Pillow repeats no pixels beyond the border.
    allowed = 1.0 if interpolation == "bilinear" else 30.0
    assert np.median(difference) <= allowed
    assert np.mean(difference <= allowed) > 0.9


def test_every_suspect_changes_one_thing() -> None:
    undone = likely_mistakes(VIEW, Handling(), turned=True)
    assert {u.suspect for u in undone} == {
        "mean and deviation",
        "squash",
        "interpolation",
        "antialias",
        "crop fraction",
        "BGR",
        "EXIF rotation",
    }
    assert len({(u.view, u.handling) for u in undone}) == len(undone)
    assert (VIEW, Handling()) not in {(u.view, u.handling) for u in undone}
    for each in undone:
        each.view.check()
        changed = [name for name, value in each.view.to_json().items() if value != VIEW.to_json()[name]]
        assert len(changed) + (each.handling != Handling()) in (1, 2)
        if len(changed) == 2:
            assert set(changed) in ({"mean", "std"}, {"squash", "resize_px"})
    assert all(u.suspect != "EXIF rotation" for u in likely_mistakes(VIEW, Handling(), turned=False))


def test_taking_back_leads_to_the_right_view_from_each_mistake() -> None:
    right, usual = View(256, 224), Handling()
    for view, handling in (
        (View(256, 224, mean=STATISTICS["CLIP's"][0], std=STATISTICS["CLIP's"][1]), usual),
        (View(224, 224, squash=True), usual),
        (View(256, 224, "nearest"), usual),
        (View(256, 224), Handling(antialias=False)),
        (View(320, 224), usual),
        (View(256, 224), Handling(bgr=True)),
        (View(256, 224), Handling(exif=True)),
    ):
        found = likely_mistakes(view, handling, turned=True)
        assert (right, usual) in {(each.view, each.handling) for each in found}


def test_handled_pictures_are_the_pictures_changed(tmp_path: Path) -> None:
    val = pictures(drawn_set(tmp_path, train=1, tune=1, val=3), "val")
    held = HandledPictures(val)
    plain = val.arrays(VIEW)
    np.testing.assert_array_equal(held.arrays(VIEW), plain)
    np.testing.assert_array_equal(held.under(Handling(bgr=True)).arrays(VIEW), plain[..., ::-1])
    np.testing.assert_array_equal(held.under(Handling(exif=True)).arrays(VIEW), plain)
    assert (held.under(Handling(antialias=False)).arrays(VIEW) != plain).any()
    assert held.readable(VIEW).all()
    mask = np.arange(len(val)) % 2 == 0
    np.testing.assert_array_equal(held.under(Handling(bgr=True)).take(mask).arrays(VIEW), plain[mask][..., ::-1])
