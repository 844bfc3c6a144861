"""Test protocols: which crops a picture gives, by hand and by properties; and pictures made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from topfive.loading import CroppedPictures, apply_view, crops, show
from topfive.records import PROTOCOLS, BadInput, Dataset, Protocol, View
from toy.drawn import drawn_set, pictures

VIEW = View(256, 224, "bilinear")


@pytest.mark.parametrize(("name", "n"), [("flip", 2), ("10-crop", 10), ("144-crop", 144), ("150-crop", 150)])
def test_a_protocol_has_the_number_of_crops_in_its_name(name: str, n: int) -> None:
    for size in ((500, 375), (375, 500), (256, 256), (80, 640)):
        assert len(crops(PROTOCOLS[name], 224, *size)) == n


def test_ten_crops_by_hand() -> None:
    # 512 x 256 at short side 256: the centre square starts at 128, its crops 32 px apart.
    found = crops(PROTOCOLS["10-crop"], 224, 512, 256)
    corners = [(128, 0), (160, 0), (128, 32), (160, 32), (144, 16)]
    assert [crop.box[:2] for crop in found[::2]] == corners
    assert all(crop.box[2] - crop.box[0] == crop.box[3] - crop.box[1] == 224 for crop in found)
    assert [crop.mirrored for crop in found] == [False, True] * 5


def test_googlenets_squares_lie_left_centre_right_or_top_centre_bottom() -> None:
    wide = crops(PROTOCOLS["144-crop"], 224, 512, 256)[:36:12]
    tall = crops(PROTOCOLS["144-crop"], 224, 256, 512)[:36:12]
    assert [crop.box[:2] for crop in wide] == [(0, 0), (128, 0), (256, 0)]
    assert [crop.box[:2] for crop in tall] == [(0, 0), (0, 128), (0, 256)]
    square = crops(PROTOCOLS["144-crop"], 224, 512, 256)[10]
    assert square.box == (0, 0, 256, 256)
    assert (square.width, square.height) == (224, 224)


def test_dense_gives_the_whole_picture_or_crops_a_seventh_apart() -> None:
    whole = crops(PROTOCOLS["dense"], 224, 512, 256, whole=True)
    assert [(crop.box, crop.width, crop.height) for crop in whole] == [((0, 0, 512, 256), 512, 256)] * 2
    cut = crops(PROTOCOLS["dense"], 224, 512, 256)
    # 288 px of room across make 10 columns 32 px apart, 32 px down two rows.
    assert len(cut) == 2 * 10 * 2
    assert {crop.box[0] for crop in cut} == {32.0 * i for i in range(10)}
    assert len(crops(PROTOCOLS["multi-scale"], 224, 500, 375, whole=True)) == 10


@given(
    name=st.sampled_from(sorted(PROTOCOLS)),
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    crop_px=st.integers(8, 96),
)
def test_every_crop_lies_inside_the_picture(name: str, width: int, height: int, crop_px: int) -> None:
    if max(width, height) > 20 * min(width, height):
        return  # dense crops of a ribbon are thousands
    for crop in crops(PROTOCOLS[name], crop_px, width, height):
        left, top, right, bottom = crop.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert (crop.width, crop.height) == (crop_px, crop_px)


def test_the_centre_crop_is_what_the_view_shows() -> None:
    rng = np.random.default_rng(0)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((400, 300)))
    crop = crops(PROTOCOLS["flip"], 224, 400, 300)
    seen = apply_view(smooth, VIEW)
    image = Image.fromarray(smooth)
    difference = np.abs(show(image, crop[0], VIEW).astype(int) - seen)
    assert np.mean(difference <= 1) > 0.99
    np.testing.assert_array_equal(show(image, crop[1], VIEW), show(image, crop[0], VIEW)[:, ::-1])


def test_crops_are_pictures_one_pictures_after_the_others(tmp_path_factory: pytest.TempPathFactory) -> None:
    drawn: Dataset = drawn_set(tmp_path_factory.mktemp("drawn"), train=2, tune=1, val=1, px=40)
    few = pictures(drawn, "val").take(np.arange(3))
    made = CroppedPictures(few, PROTOCOLS["10-crop"], 28)
    assert made.starts.tolist() == [0, 10, 20, 30]
    assert len(made) == 30
    assert len(set(made.ids)) == 30
    assert made.class_index is None
    view = View(32, 28, "bilinear")
    images = made.arrays(view)
    assert images.shape == (30, 28, 28, 3)
    np.testing.assert_array_equal(images[1::2], images[::2, :, ::-1])
    plan = crops(PROTOCOLS["10-crop"], 28, 40, 40)
    np.testing.assert_array_equal(images[17], show(few.decoded(1, view), plan[7], view))


def test_a_protocol_below_one_crop_is_refused() -> None:
    with pytest.raises(BadInput, match="scales"):
        Protocol("small", (0.5,), "centre", "centre", False, "nobody").check()
    assert len({protocol.digest for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)
