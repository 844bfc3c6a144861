"""Corruptions: what each must do by hand, chance by image alone, and more harm at each severity."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import jpeg
from topfive.loading import (
    CORRUPTIONS,
    SEVERITIES,
    CorruptedPictures,
    Pictures,
    apply_view,
    check_corruption,
    corrupt,
    parse_corruption,
)
from topfive.loading.corruptions.blur import _disc as disc
from topfive.loading.corruptions.blur import filtered, trail
from topfive.loading.corruptions.weather import cloud_field, ice_field
from topfive.records import BadInput, ClassList, Dataset, Manifest, View

KINDS = tuple(CORRUPTIONS)
VIEW = View(64, 64)


def scene(side: int = 96, seed: int = 0) -> np.ndarray:
    """Soft colours with some edges, as a photograph has them."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(30, 220, (8, 8, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)).copy()
    pixels[side // 4 : side // 2, side // 3 : 2 * side // 3] = (200, 60, 40)
    return pixels


def harm(pixels: np.ndarray, kind: str, severity: int, image_id: str = "a") -> float:
    made = corrupt(pixels, kind, severity, seed=0, image_id=image_id).astype(int)
    return float(np.abs(made - pixels).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_each_severity_does_more_harm(kind: str) -> None:
    by = [np.mean([harm(scene(224, seed), kind, s, f"i{seed}") for seed in range(2)]) for s in SEVERITIES]
    assert by[0] > 0.5
    assert all(later > earlier for earlier, later in itertools.pairwise(by)), by


@pytest.mark.parametrize("kind", KINDS)
def test_chance_is_of_seed_and_image_alone(kind: str) -> None:
    pixels = scene()
    before = pixels.copy()
    one = corrupt(pixels, kind, 3, seed=0, image_id="a")
    assert (one.dtype, one.shape) == (np.uint8, pixels.shape)
    assert np.array_equal(one, corrupt(pixels, kind, 3, seed=0, image_id="a"))
    assert np.array_equal(pixels, before), "the picture itself is as it was"
    drawn = kind not in ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression")
    for other in (corrupt(pixels, kind, 3, seed=1, image_id="a"), corrupt(pixels, kind, 3, seed=0, image_id="b")):
        assert np.array_equal(one, other) != drawn


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (7, 3)])
def test_the_smallest_pictures(kind: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    for pixels in (rng.integers(0, 256, (*shape, 3), dtype=np.uint8), np.zeros((*shape, 3), np.uint8)):
        assert corrupt(pixels, kind, 5, seed=0, image_id="a").shape == pixels.shape


@pytest.mark.parametrize(
    "kind", ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "elastic_transform", "pixelate"]
)
def test_what_moves_pixels_leaves_one_colour_alone(kind: str) -> None:
    flat = np.full((40, 40, 3), (10, 130, 250), dtype=np.uint8)
    assert np.abs(corrupt(flat, kind, 5, seed=0, image_id="a").astype(int) - flat).max() <= 1


def test_gaussian_noise_has_its_deviation() -> None:
    grey = np.full((200, 200, 3), 128, dtype=np.uint8)
    for severity, deviation in ((1, 0.08), (2, 0.12)):
        noise = corrupt(grey, "gaussian_noise", severity, seed=0, image_id="a") / 255 - 128 / 255
        assert noise.std() == pytest.approx(deviation, rel=0.02)
        assert abs(noise.mean()) < 0.002


def test_shot_noise_has_the_variance_of_photons() -> None:
    # A mean of 60 * 0.2 photons: the variance of the shown value is 0.2 / 60.
    grey = np.full((200, 200, 3), 51, dtype=np.uint8)
    noise = corrupt(grey, "shot_noise", 1, seed=0, image_id="a") / 255
    assert noise.mean() == pytest.approx(0.2, abs=0.002)
    assert noise.var() == pytest.approx(0.2 / 60, rel=0.05)


def test_impulse_noise_hits_its_share_black_and_white_alike() -> None:
    grey = np.full((200, 200, 3), 128, dtype=np.uint8)
    made = corrupt(grey, "impulse_noise", 4, seed=0, image_id="a")
    assert set(np.unique(made)) == {0, 128, 255}
    assert (made != 128).mean() == pytest.approx(0.17, abs=0.005)
    assert (made == 255).sum() == pytest.approx((made == 0).sum(), rel=0.05)


def test_brightness_and_contrast_by_hand() -> None:
    pixels = np.array([[[51, 102, 0], [0, 0, 0]]], dtype=np.uint8)
    # Severity 1 raises the value by 0.1: 0.4 becomes 0.5, and the other colours keep their share of it.
    assert corrupt(pixels, "brightness", 1, seed=0, image_id="a").tolist() == [[[64, 128, 0], [26, 26, 26]]]
    pair = np.array([[[0, 100, 50], [200, 100, 50]]], dtype=np.uint8)
    # Severity 1 keeps 0.4 of the distance from the mean: 100 -/+ 40.
    assert corrupt(pair, "contrast", 1, seed=0, image_id="a").tolist() == [[[60, 100, 50], [140, 100, 50]]]


def test_pixelate_and_jpeg_are_what_pillow_does() -> None:
    pixels = scene(100)
    small = Image.fromarray(pixels).resize((25, 25), Image.Resampling.BOX).resize((100, 100), Image.Resampling.NEAREST)
    assert np.array_equal(corrupt(pixels, "pixelate", 5, seed=0, image_id="a"), np.asarray(small))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=7)
    assert np.array_equal(corrupt(pixels, "jpeg_compression", 5, seed=0, image_id="a"), np.asarray(Image.open(buffer)))


def test_kernels_keep_light_and_filter_as_a_slow_one() -> None:
    for kernel in (disc(3.0), disc(0.2), trail(10, 3, 0.4), trail(1, 0.5, -0.7)):
        assert kernel.sum() == pytest.approx(1)
        assert kernel.min() >= 0
        assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1
    assert np.array_equal(disc(3.0), disc(3.0).T)
    level = trail(4, 2, 0.0)
    assert np.flatnonzero(level.sum(axis=1)).tolist() == [4], "a level trail lies on one row"
    assert level[4, :4].sum() == 0, "a trail runs one way"
    x = np.random.default_rng(0).random((6, 5, 3)).astype(np.float32)
    kernel = np.arange(9.0).reshape(3, 3) / 36
    slow = np.zeros_like(x)
    for row in range(6):
        for column in range(5):
            for down in range(3):
                for across in range(3):
                    # A convolution: the kernel is read from its far end.
                    place = (min(max(row + 1 - down, 0), 5), min(max(column + 1 - across, 0), 4))
                    slow[row, column] += kernel[down, across] * x[place]
    assert filtered(x, kernel) == pytest.approx(slow, abs=1e-6)


def test_fields_are_fractions_and_fall_off() -> None:
    rng = np.random.default_rng(0)
    soft, rough = (cloud_field((64, 48), fall, rng) for fall in (2.0, 0.5))
    for field in (soft, rough):
        assert (field.shape, float(field.min()), float(field.max())) == ((64, 48), 0.0, 1.0)
    assert np.abs(np.diff(soft, axis=0)).mean() < np.abs(np.diff(rough, axis=0)).mean() / 2
    ice = np.mean([ice_field((64, 64), rng) for _ in range(8)], axis=0)
    assert 0 <= ice.min() <= ice.max() <= 1
    assert ice[:6].mean() > 1.2 * ice[24:40, 24:40].mean(), "frost begins at the rim"


def test_fog_keeps_the_brightest_value_and_hides_contrast() -> None:
    made = corrupt(scene(), "fog", 3, seed=0, image_id="a")
    assert made.max() <= scene().max()
    assert made.std() < scene().std()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gaussian_noize:3", "Did you mean gaussian_noise?"),
        ("x:1", "Known are: gaussian_noise, shot_noise"),
        ("fog:0", "corruption fog: has the severity 0"),
        ("fog:6", "Severities are 1 to 5"),
        ("fog", "Write KIND:SEVERITY"),
        ("fog:", "Write KIND:SEVERITY"),
        ("fog:-1", "Write KIND:SEVERITY"),
        ("fog:²", "Write KIND:SEVERITY"),
    ],
)
def test_unknown_corruptions_are_named(text: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_corruption(text)
    assert said in str(refused.value)


def test_a_corruption_is_parsed() -> None:
    assert parse_corruption("jpeg_compression:5") == ("jpeg_compression", 5)
    check_corruption("snow", 1)


@pytest.fixture
def pictures(tmp_path: Path, three: ClassList) -> Pictures:
    rows = []
    for i in range(5):
        data = jpeg(scene(seed=i), quality=95)
        (tmp_path / f"{i}.jpg").write_bytes(data)
        rows.append((f"p{i}", f"{i}.jpg", len(data)))
    ids, files, sizes = zip(*rows, strict=True)
    columns = {"image_id": ids, "container": files, "size": sizes, "class_index": [0, 1, 2, 0, 1], "split": ["val"] * 5}
    manifest = Manifest.from_columns(columns, three)
    return Pictures(Dataset(tmp_path, manifest), manifest)


def test_corrupted_pictures(pictures: Pictures) -> None:
    seen = CorruptedPictures(pictures, "gaussian_noise", 3, seed=7)
    arrays = seen.arrays(VIEW)
    for i in range(5):
        plain = apply_view(pictures.read(i), VIEW)
        assert np.array_equal(arrays[i], corrupt(plain, "gaussian_noise", 3, seed=7, image_id=f"p{i}"))
    batches = list(seen.batches(VIEW, batch_size=2))
    assert [batch.ids for batch in batches] == [("p0", "p1"), ("p2", "p3"), ("p4",)]
    assert np.array_equal(np.concatenate([batch.images for batch in batches]), arrays), "batches change nothing"
    assert [batch.class_index.tolist() for batch in batches if batch.class_index is not None] == [[0, 1], [2, 0], [1]]
    taken = seen.take(np.array([4, 1]))
    assert taken.ids == ("p4", "p1")
    assert np.array_equal(taken.arrays(VIEW), arrays[[4, 1]]), "nor does a picture's place"
    assert seen.read(2) == pictures.read(2)
    assert len(seen) == 5
    other = CorruptedPictures(pictures, "gaussian_noise", 3, seed=8).arrays(VIEW)
    assert not np.array_equal(other, arrays)


def test_corrupted_pictures_have_no_other_crops(pictures: Pictures) -> None:
    seen = CorruptedPictures(pictures, "fog", 1)
    with pytest.raises(BadInput, match="are defined on the View's own crop"):
        seen.decoded(0, VIEW)
    with pytest.raises(BadInput, match="are for evaluation"):
        seen.cropped(VIEW, None)
    with pytest.raises(BadInput, match="is no corruption"):
        CorruptedPictures(pictures, "rain", 1)
