"""EfficientNet against its paper: compound scaling, counts from table 1, TensorFlow's padding, timm's B0."""

from __future__ import annotations

import math
from typing import Any

import pytest

from topfive.systems import get

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from topfive.systems.efficientnet import efficientnet  # noqa: E402
from topfive.systems.engine import seeded  # noqa: E402


def built(variant: str, n_classes: int = 1000) -> Any:
    return efficientnet(n_classes, **get("efficientnet").variants[variant].architecture())


# Width, depth, side in px, dropout; parameters; multiply-adds in billions.
# Table 2 has 5.3, 7.8, 9.2, 12, 19, 30, 43, 66 M and 0.39, 0.70, 1.0, 1.8, 4.2, 9.9, 19, 37 G.
PUBLISHED = {
    "b0": ((1.0, 1.0, 224, 0.2), 5_288_548, 0.386),
    "b1": ((1.0, 1.1, 240, 0.2), 7_794_184, 0.687),
    "b2": ((1.1, 1.2, 260, 0.3), 9_109_994, 0.994),
    "b3": ((1.2, 1.4, 300, 0.3), 12_233_232, 1.827),
    "b4": ((1.4, 1.8, 380, 0.4), 19_341_616, 4.394),
    "b5": ((1.6, 2.2, 456, 0.4), 30_389_784, 10.266),
    "b6": ((1.8, 2.6, 528, 0.5), 43_040_704, 19.068),
    "b7": ((2.0, 3.1, 600, 0.5), 66_347_960, 37.746),
}

# Table 1: expansion, channels, repeats, kernel, stride.
B0 = ((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1), (6, 192, 4, 5, 2),
      (6, 320, 1, 3, 1))  # fmt: skip


def channels(c: int, width: float) -> int:
    """The nearest multiple of eight, or the next one where that would lose more than a tenth."""
    nearest = max(8, int(c * width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * c * width else nearest


def counted(width: float, depth: float, px: int) -> tuple[int, int]:
    """Parameters and multiply-adds of the scaled table 1, no network needed."""
    side, before = math.ceil(px / 2), channels(32, width)
    parameters, adds = 27 * before + 2 * before, side * side * 27 * before
    for expansion, c, repeats, kernel, stride in B0:
        after = channels(c, width)
        for i in range(math.ceil(depth * repeats)):
            inside, inner = before * expansion, before // 4
            if expansion > 1:
                parameters += before * inside + 2 * inside
                adds += side * side * before * inside
            side = math.ceil(side / stride) if i == 0 else side
            parameters += kernel * kernel * inside + 2 * inside
            parameters += inside * inner + inner + inner * inside + inside
            parameters += inside * after + 2 * after
            adds += side * side * inside * (kernel * kernel + after) + 2 * inside * inner
            before = after
    head = channels(1280, width)
    parameters += before * head + 2 * head + head * 1000 + 1000
    return parameters, adds + side * side * before * head + head * 1000


@pytest.mark.parametrize("variant", PUBLISHED)
def test_published_counts(variant: str) -> None:
    recipe = get("efficientnet").variants[variant]
    sizes, parameters, billions = PUBLISHED[variant]
    assert sizes == (recipe.width, recipe.depth, recipe.view.crop_px, recipe.dropout)
    slow = counted(*sizes[:3])
    assert slow[0] == parameters
    assert round(slow[1] / 1e9, 3) == pytest.approx(billions, abs=0.001)
    with torch.device("meta"):
        network = built(variant)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_multiply_adds_of_the_baseline_by_its_layers() -> None:
    with torch.device("meta"):
        network = built("b0")
    adds = 0

    def count(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal adds
        adds += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert adds == counted(1.0, 1.0, 224)[1]


def test_b0_equals_timms_port_of_the_authors_network() -> None:
    with seeded(0, "theirs"):
        theirs = timm.create_model("tf_efficientnet_b0").eval()
        pictures = torch.randn(2, 3, 97, 97)
    with seeded(0, "ours"):
        ours = built("b0").eval()
    ours.load_state_dict(theirs.state_dict())
    with torch.inference_mode():
        assert torch.equal(ours(pictures), theirs(pictures))


def test_padding_is_tensorflows_which_adds_only_at_the_end_where_one_pixel_lacks() -> None:
    with seeded(0, "stem"):
        stem, x = built("tiny", 10).conv_stem, torch.randn(1, 3, 8, 8)
    slow = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (0, 1, 0, 1)), stem.weight, stride=2)
    with torch.inference_mode():
        torch.testing.assert_close(stem(x), slow)


@pytest.mark.parametrize("variant", ["tiny", "b0", "b7"])
def test_every_part_of_the_paper_is_there(variant: str) -> None:
    recipe = get("efficientnet").variants[variant]
    with torch.device("meta"):
        network = built(variant)
    blocks = [block for stage in network.blocks for block in stage]
    assert len(blocks) == sum(math.ceil(recipe.depth * r) for r in (1, 2, 2, 3, 3, 4, 1))
    assert all(type(block.se).__name__ == "SqueezeExcite" for block in blocks)
    rates = [m.drop_prob for m in network.modules() if type(m).__name__ == "DropPath"]
    assert rates == sorted(rates)
    assert 0.8 * recipe.drop_path < rates[-1] < recipe.drop_path
    assert network.drop_rate == recipe.dropout > 0
    assert [name for name, m in network.named_modules() if isinstance(m, torch.nn.Linear)] == ["classifier"]
