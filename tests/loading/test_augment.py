"""Random boxes of pictures of any sides, and cutting them as Pillow would."""

from __future__ import annotations

import numpy as np
from PIL import Image

from topfive.loading import RandomCrop, area_boxes, cut, mirrors

MANY = np.arange(5_000)


def test_boxes_of_pictures_that_are_not_square_lie_inside_with_the_areas_and_ratios_asked_for() -> None:
    sides = np.random.default_rng(0).integers(40, 600, (len(MANY), 2))
    boxes = area_boxes(sides, 0.08, seed=1, epoch=2, positions=MANY)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= sides).all()
    ratio, share = width / height, width * height / sides.prod(axis=1)
    assert 0.7499 < ratio.min() < ratio.max() < 1.3334
    ordinary = (sides.max(axis=1) / sides.min(axis=1)) < 4 / 3
    assert 0.08 <= share[ordinary].min() <= share[ordinary].max() <= 1.0


def test_a_square_by_its_side_or_by_both_sides_is_the_same() -> None:
    both = np.full((len(MANY), 2), 96)
    drawn = {"seed": 4, "epoch": 0, "positions": MANY}
    np.testing.assert_array_equal(area_boxes(96, 0.3, **drawn), area_boxes(both, 0.3, **drawn))


def test_what_never_fits_is_the_largest_allowed_rectangle_in_the_middle() -> None:
    # A strip of 1000 x 10 px: the smallest rectangle of half its area is 61 px high.
    wide, high = area_boxes(np.array([[1000, 10], [10, 1000]]), 0.5, seed=0, epoch=0, positions=np.arange(2))
    third = 40 / 3
    np.testing.assert_allclose(wide, [500 - third / 2, 0, 500 + third / 2, 10])
    np.testing.assert_allclose(high, [0, 500 - third / 2, 10, 500 + third / 2])


def test_a_random_crop_belongs_to_seed_epoch_and_place() -> None:
    crop = RandomCrop(5, 6)
    sides = np.full((len(MANY), 2), [300, 200])
    boxes, mirrored = crop.boxes(sides, MANY)
    some, turned = crop.boxes(sides[:2], MANY[[70, 3]])
    np.testing.assert_array_equal(some, boxes[[70, 3]])
    np.testing.assert_array_equal(turned, mirrored[[70, 3]])
    np.testing.assert_array_equal(mirrored, mirrors(5, 6, MANY))
    assert not RandomCrop(5, 6, mirror=False).boxes(sides, MANY)[1].any()


def test_cut_gives_pillows_pixels() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 70, 96, 3), dtype=np.uint8)
    corner = rng.uniform(0, 20, (40, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 50, (40, 2))], axis=1)
    mirrored = rng.random(40) < 0.5
    found = cut(images, boxes, mirrored, 33)
    for image, box, turned, one in zip(images, boxes, mirrored, found, strict=True):
        pillow = np.asarray(Image.fromarray(image).resize((33, 33), Image.Resampling.BILINEAR, box=tuple(box)))
        np.testing.assert_array_equal(one, pillow[:, ::-1] if turned else pillow)
