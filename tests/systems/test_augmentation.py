"""What the engine does to pictures and labels before an update: by hand, by properties, and against torchvision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from topfive.loading import area_boxes, cut, mirrors, scale_boxes
from topfive.records import View

torch = pytest.importorskip("torch")

from topfive.systems import engine  # noqa: E402
from topfive.systems.engine.chance import seeded  # noqa: E402
from topfive.systems.engine.distort import erase, jitter  # noqa: E402
from topfive.systems.engine.losses import loss_sum  # noqa: E402
from topfive.systems.engine.mixing import mix  # noqa: E402
from topfive.systems.engine.rand_augment import _OPERATIONS, rand_augment  # noqa: E402

MANY = np.arange(20_000)
SOME = MANY[[7, 3, 9_999]]
AT: dict[str, Any] = {"seed": 1, "epoch": 2}


# Boxes


def test_area_boxes_lie_inside_and_have_the_published_areas_and_ratios() -> None:
    boxes = area_boxes(100, 0.08, **AT, positions=MANY)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert boxes.max() <= 100
    area, ratio = width * height / 1e4, width / height
    assert 0.08 <= area.min() < 0.09
    assert area.max() <= 1.0
    assert abs(np.mean(np.log(ratio))) < 0.01
    assert 0.749 < ratio.min() < ratio.max() < 1.3334
    # A uniform area would have mean 0.54; large and lopsided rectangles do not fit and are drawn anew, there as here.
    from torchvision.transforms import RandomResizedCrop

    with seeded(0, "referee"):
        drawn = [
            RandomResizedCrop.get_params(torch.empty(3, 100, 100), (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(5_000)
        ]
    assert area.mean() == pytest.approx(np.mean([h * w for _, _, h, w in drawn]) / 1e4, abs=0.015)
    np.testing.assert_array_equal(area_boxes(100, 0.08, **AT, positions=SOME), boxes[SOME])


def test_scale_boxes_show_the_crop_of_a_zoomed_picture() -> None:
    boxes = scale_boxes(480, 224, 256 / 480, **AT, positions=MANY)
    side = boxes[:, 2] - boxes[:, 0]
    np.testing.assert_allclose(side, boxes[:, 3] - boxes[:, 1])
    short = 480 * 224 / side
    assert 256 <= short.min() < 257
    assert 479 < short.max() <= 480
    assert short.mean() == pytest.approx(368, abs=1)
    assert boxes.min() >= 0
    assert boxes.max() <= 480


def test_a_whole_number_box_is_cut_exactly_and_mirrored() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 12, 12, 3), dtype=np.uint8)
    boxes = np.array([[2.0, 3.0, 9.0, 10.0], [0.0, 0.0, 7.0, 7.0]])
    found = cut(images, boxes, np.array([False, True]), 7)
    np.testing.assert_array_equal(found[0], images[0, 3:10, 2:9])
    np.testing.assert_array_equal(found[1], images[1, :7, :7][:, ::-1])
    assert 0.48 < mirrors(1, 2, MANY).mean() < 0.52


# Pixels


def test_rand_augment_belongs_to_the_picture_and_its_operations_change_it() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    positions = np.arange(30)
    found = rand_augment(images, 2, 9.0, **AT, positions=positions)
    assert found.dtype == np.uint8
    order = np.array([4, 1, 17])
    np.testing.assert_array_equal(rand_augment(images[order], 2, 9.0, **AT, positions=order), found[order])
    assert not np.array_equal(rand_augment(images, 2, 9.0, seed=1, epoch=3, positions=positions), found)
    np.testing.assert_array_equal(rand_augment(images, 0, 9.0, **AT, positions=positions), images)


@pytest.mark.parametrize("name", sorted(_OPERATIONS))
def test_each_operation_keeps_the_shape_and_grows_from_nothing(name: str) -> None:
    rng = np.random.default_rng(1)
    picture = torch.from_numpy(rng.integers(30, 200, (3, 24, 24), dtype=np.uint8))
    operation = _OPERATIONS[name]
    weak, strong = operation(picture, 0.0, 1.0), operation(picture, 1.0, -1.0)
    assert weak.shape == strong.shape == picture.shape
    if name not in ("autocontrast", "equalise"):
        assert torch.equal(weak, picture), "strength 0 changes nothing"
    if name != "identity":
        assert not torch.equal(strong, picture)


def test_jitter_by_hand_where_only_one_factor_acts() -> None:
    grey = torch.full((200, 3, 4, 4), 0.5)
    found = jitter(grey, 0.4, **AT, positions=np.arange(200))
    # On a flat grey picture contrast and saturation do nothing: what is left is brightness, uniform in [0.3, 0.7].
    assert torch.allclose(found, found[:, :1, :1, :1].expand_as(found), atol=1e-6)
    levels = found[:, 0, 0, 0].numpy()
    assert 0.29999 < levels.min() < 0.32
    assert 0.68 < levels.max() < 0.70001
    colour = torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(jitter(colour, 0.0, **AT, positions=np.arange(5)), colour, atol=1e-6)


def test_erasing_takes_its_share_of_pictures_and_of_pixels() -> None:
    inputs = torch.ones(400, 3, 20, 20)
    found = erase(inputs.clone(), 0.25, **AT, positions=np.arange(400))
    gone = (found[:, 0] == 0).float().mean((1, 2))
    assert 0.2 < float((gone > 0).float().mean()) < 0.3
    assert 0.012 < float(gone[gone > 0].min()) <= float(gone.max()) < 0.36
    assert torch.equal(erase(inputs.clone(), 0.0, **AT, positions=np.arange(400)), inputs)


# Mixing


@pytest.mark.parametrize("alphas", [(0.4, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_label_shares_follow_the_pixels(alphas: tuple[float, float]) -> None:
    labels = torch.tensor([0, 1] * 40 + [2])
    # Every picture is flat at its own label: the mean of a mixed one tells the shares that its labels must have.
    inputs = labels.float().view(-1, 1, 1, 1).expand(81, 3, 32, 32).clone()
    mixed, shares = mix(inputs, labels, 3, alphas, **AT, positions=np.arange(81))
    assert torch.allclose(shares.sum(1), torch.ones(81), atol=1e-6)
    assert torch.allclose(mixed.mean((1, 2, 3))[:80], shares[:80, 1], atol=1e-5)
    assert torch.equal(mixed[80], inputs[80])
    assert shares[80].tolist() == [0, 0, 1]
    again, _ = mix(inputs, labels, 3, alphas, **AT, positions=np.arange(81))
    assert torch.equal(mixed, again)


def test_pairs_are_mixed_alike_wherever_they_are_worked() -> None:
    rng = torch.Generator().manual_seed(0)
    inputs, labels = torch.rand(8, 3, 10, 10, generator=rng), torch.arange(8) % 3
    positions = np.array([5, 2, 9, 1, 0, 7, 3, 4])
    whole, shares = mix(inputs, labels, 3, (0.5, 1.0), **AT, positions=positions)
    part, part_shares = mix(inputs[4:], labels[4:], 3, (0.5, 1.0), **AT, positions=positions[4:])
    assert torch.equal(part, whole[4:])
    assert torch.equal(part_shares, shares[4:])


# Losses

VIEW = View(8, 8, "bilinear")
PLAIN = engine.Training(
    view=VIEW, train_resize_px=8, train_crop_px=8, epochs=1, batch_size=2, lr=0.1, weight_decay=0.0, schedule="linear"
)


def test_losses_by_hand() -> None:
    from dataclasses import replace

    logits = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    labels = torch.tensor([0, 1])
    cross = float(np.log1p(np.exp(-2.0)) + np.log(2.0))
    assert float(loss_sum(logits, labels, PLAIN)) == pytest.approx(cross)
    shares = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(loss_sum(logits, shares, PLAIN)) == pytest.approx(cross)
    assert float(loss_sum((logits, logits), labels, PLAIN)) == pytest.approx(1.3 * cross)
    # One question a class, averaged over the two: -log s(2) - log s(-0) for the first, two log 2 for the second.
    binary = (np.log1p(np.exp(-2.0)) + np.log(2.0) + 2 * np.log(2.0)) / 2
    assert float(loss_sum(logits, labels, replace(PLAIN, loss="binary"))) == pytest.approx(binary)
    smooth = replace(PLAIN, label_smoothing=0.2)
    hand = 0.9 * np.log1p(np.exp(-2.0)) + 0.1 * np.log1p(np.exp(2.0)) + np.log(2.0)
    assert float(loss_sum(logits, labels, smooth)) == pytest.approx(hand)
