"""EfficientNetV2 against its paper and the authors' release: counts, blocks, growing pictures."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from topfive.systems import get

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from topfive.systems.efficientnet_v2 import efficientnet_v2  # noqa: E402
from topfive.systems.engine import seeded  # noqa: E402


def built(variant: str, n_classes: int = 1000) -> Any:
    return efficientnet_v2(n_classes, **get("efficientnet_v2").variants[variant].architecture())


# Parameters, side in px, multiply-adds in billions (the release: 21.5, 54.1, 119.5 M and 8.4, 24.7, 56.3 G).
PUBLISHED = {
    "s": (21_458_488, 384, 8.366),
    "m": (54_139_356, 480, 24.582),
    "l": (118_515_272, 480, 56.080),
    "xl": (208_119_808, 512, 93.353),
}


def counted(stages: tuple[str, ...], stem: int, px: int) -> tuple[int, int]:
    """Parameters and multiply-adds from the list of stages, no network needed."""
    side, before = math.ceil(px / 2), stem
    parameters, adds = 27 * stem + 2 * stem, side * side * 27 * stem
    for stage in stages:
        kind = stage[:2]
        numbers = [int(re.search(rf"_{key}(\d+)", stage)[1]) for key in "rsec"]  # type: ignore[index]
        repeats, stride, expansion, after = numbers
        for i in range(repeats):
            inside, inner = before * expansion, before // 4
            first, side = side, math.ceil(side / stride) if i == 0 else side
            if kind == "cn":
                parameters += 9 * before * after + 2 * after
                adds += side * side * 9 * before * after
            elif kind == "er":
                parameters += 9 * before * inside + 2 * inside + inside * after + 2 * after
                adds += side * side * inside * (9 * before + after)
            else:
                parameters += before * inside + 2 * inside + 9 * inside + 2 * inside
                parameters += 2 * inside * inner + inner + inside + inside * after + 2 * after
                adds += first * first * before * inside + side * side * inside * (9 + after) + 2 * inside * inner
            before = after
    parameters += before * 1280 + 2 * 1280 + 1281 * 1000
    return parameters, adds + side * side * before * 1280 + 1280 * 1000


@pytest.mark.parametrize("variant", PUBLISHED)
def test_published_counts(variant: str) -> None:
    recipe = get("efficientnet_v2").variants[variant]
    parameters, px, billions = PUBLISHED[variant]
    assert px == recipe.view.crop_px
    slow = counted(recipe.stages, recipe.stem, px)
    assert (slow[0], round(slow[1] / 1e9, 3)) == (parameters, billions)
    with torch.device("meta"):
        network = built(variant)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("variant", PUBLISHED)
def test_the_published_networks_have_timms_tensors(variant: str) -> None:
    with torch.device("meta"):
        ours, theirs = built(variant), timm.create_model(f"tf_efficientnetv2_{variant}")
    shapes = [{key: tuple(t.shape) for key, t in network.state_dict().items()} for network in (ours, theirs)]
    assert shapes[0] == shapes[1]


def test_size_s_equals_timms_port_of_the_authors_network() -> None:
    with seeded(0, "theirs"):
        theirs = timm.create_model("tf_efficientnetv2_s").eval()
        pictures = torch.randn(2, 3, 65, 65)
    with seeded(0, "ours"):
        ours = built("s").eval()
    ours.load_state_dict(theirs.state_dict())
    with torch.inference_mode():
        assert torch.equal(ours(pictures), theirs(pictures))


@pytest.mark.parametrize("variant", ["tiny", "s", "xl"])
def test_early_stages_are_fused_and_late_ones_gated(variant: str) -> None:
    with torch.device("meta"):
        network = built(variant)
    kinds = [{type(block).__name__ for block in stage} for stage in network.blocks]
    assert kinds[:3] == [{"ConvBnAct"}, {"EdgeResidual"}, {"EdgeResidual"}]
    assert all(kind == {"InvertedResidual"} for kind in kinds[3:])
    for stage in network.blocks[3:]:
        assert all(type(block.se).__name__ == "SqueezeExcite" for block in stage)
    rates = [m.drop_prob for m in network.modules() if type(m).__name__ == "DropPath"]
    assert rates == sorted(rates)
    assert rates[-1] > 0
    assert [name for name, m in network.named_modules() if isinstance(m, torch.nn.Linear)] == ["classifier"]


@pytest.mark.parametrize("variant", ["tiny", "s", "m", "l"])
def test_pictures_grow_in_equal_stages_and_are_largest_at_test(variant: str) -> None:
    recipe = get("efficientnet_v2").variants[variant]
    recipe.check()
    sizes = [recipe.crop_px(epoch) for epoch in range(recipe.epochs)]
    assert sizes == sorted(sizes)
    assert sizes[0] == recipe.sizes[0] < sizes[-1] == recipe.train_crop_px <= recipe.view.crop_px
    spread = [sizes.count(px) for px in recipe.sizes]
    assert max(spread) - min(spread) <= 1
    if variant != "tiny":
        assert recipe.strength(0) * recipe.rand_magnitude == pytest.approx(5.0)
        assert recipe.strength(recipe.epochs - 1) == 1.0


def test_fine_tuning_of_the_claims_network_is_at_one_size_and_a_constant_rate() -> None:
    recipe = get("efficientnet_v2").variants["xl"]
    recipe.check()
    assert (recipe.sizes, recipe.rate_factor, recipe.epochs, recipe.view.squash) == ((), 1.0, 15, True)
