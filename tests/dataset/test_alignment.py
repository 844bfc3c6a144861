"""Alignment: a part is found where it was cut out, by the search of all places and by the steps from there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from topfive.dataset.alignment import Look, Place, placed, screen
from topfive.dataset.fingerprints import LUMA_PX, THUMB

Floats = NDArray[np.float32]


def drawn(seed: int, width: int = 240, height: int = 180) -> Image.Image:
    """Grey blobs of two sizes, like no other picture's."""
    rng = np.random.default_rng(seed)
    coarse, fine = (
        Image.fromarray(rng.integers(0, 256, (n, n), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        for n in (6, 20)
    )
    return Image.blend(coarse, fine, 0.3)


def grey(picture: Image.Image, side: int) -> Floats:
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)


def look(picture: Image.Image) -> Look:
    return Look(grey(picture, LUMA_PX), grey(picture, 64), picture.width / picture.height)


def corners(place: Place) -> list[float]:
    return [place.left, place.top, place.left + place.width, place.top + place.height]


@pytest.mark.parametrize(
    "box", [(0, 0, 240, 180), (12, 9, 228, 171), (60, 20, 230, 148), (0, 0, 170, 127), (30, 0, 210, 180)]
)
def test_a_part_lies_where_it_was_cut_out(box: tuple[int, int, int, int]) -> None:
    for seed in range(4):
        whole = drawn(seed)
        place = placed(look(whole), look(whole.crop(box)))
        assert place.likeness > 0.97
        assert corners(place) == pytest.approx([box[0] / 240, box[1] / 180, box[2] / 240, box[3] / 180], abs=0.02)


def test_brightness_and_contrast_say_nothing() -> None:
    whole = drawn(1)
    plain, pale = look(whole), look(whole.point([100 + value // 3 for value in range(256)]))
    assert placed(plain, pale).likeness == pytest.approx(1.0, abs=2e-3)


def test_other_pictures_and_even_ones_lie_nowhere() -> None:
    assert all(placed(look(drawn(a)), look(drawn(b))).likeness < 0.9 for a in range(4) for b in range(4, 8))
    even = look(Image.new("L", (50, 50), 90))
    for pair in ((even, look(drawn(1))), (look(drawn(1)), even), (even, even)):
        assert placed(*pair) == Place(-1.0, 0.0, 0.0, 1.0, 1.0)


def test_a_small_part_is_not_looked_for() -> None:
    whole = drawn(2)
    assert placed(look(whole), look(whole.crop((60, 45, 140, 105)))).likeness < 0.9


def slow(whole: Floats, part: Floats) -> float:
    """The best correlation over all boxes of four sides, each at 16 places, by SciPy's linear samples."""

    def seen(picture: Floats, left: float, top: float, side: float) -> NDArray[np.float64]:
        steps = (np.arange(12) + 0.5) / 12 * side
        grid = np.meshgrid((top + steps) * len(picture) - 0.5, (left + steps) * len(picture) - 0.5, indexing="ij")
        return np.asarray(map_coordinates(picture, np.stack(grid), order=1, mode="nearest"), dtype=np.float64).ravel()

    other = seen(part, 0.0, 0.0, 1.0)
    best = -1.0
    for side in (0.7, 0.8, 0.9, 1.0):
        for left in np.linspace(0.0, 1.0 - side, 4):
            for top in np.linspace(0.0, 1.0 - side, 4):
                best = max(best, float(np.corrcoef(seen(whole, left, top, side), other)[0, 1]))
    return best


def test_no_box_of_a_slow_search_is_more_alike() -> None:
    pictures = [drawn(0, 160, 160), drawn(0, 160, 160).crop((20, 10, 148, 138)), drawn(3, 160, 160)]
    thumbs = np.zeros((3, THUMB), dtype=np.uint8)
    small = [np.rint(grey(picture, LUMA_PX)) for picture in pictures]
    thumbs[:, : LUMA_PX**2] = [one.ravel() for one in small]
    pairs = np.array([(0, 1), (0, 2), (1, 2)])
    found = screen(thumbs, np.ones(3), pairs)
    for (a, b), likeness in zip(pairs, found, strict=True):
        best = max(
            slow(whole, part)
            for one, other in ((small[a], small[b]), (small[b], small[a]))
            for whole, part in ((one, other), (one, np.ascontiguousarray(other[:, ::-1])))
        )
        assert likeness >= best - 0.03
    assert found[0] > 0.93 and max(found[1:]) < 0.8


def test_the_screen_sees_mirrored_parts_in_either_order() -> None:
    whole = drawn(5)
    part = whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((20, 20, 220, 170))
    thumbs = np.zeros((2, THUMB), dtype=np.uint8)
    thumbs[:, : LUMA_PX**2] = [np.rint(grey(one, LUMA_PX)).ravel() for one in (whole, part)]
    ratios = np.array([240 / 180, 200 / 150])
    found = screen(thumbs, ratios, np.array([(0, 1), (1, 0)]))
    assert found.min() > 0.9 and found[0] == pytest.approx(found[1], abs=1e-12)
