"""ConvNeXt against its paper: counts from the layer list, a block by the slow formula, stochastic depth."""

from __future__ import annotations

from typing import Any

import pytest

from topfive.systems import get

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from topfive.systems.convnext import convnext  # noqa: E402
from topfive.systems.engine import seeded  # noqa: E402


def built(variant: str, n_classes: int = 1000) -> Any:
    return convnext(n_classes, **get("convnext").variants[variant].architecture())


# Parameters, side in px, multiply-adds in billions (table 1: 29, 50, 89, 198, 350 M; 4.5, 8.7, 15.4, 34.4, 179 G).
PUBLISHED = {
    "t": (28_589_128, 224, 4.456),
    "s": (50_223_688, 224, 8.684),
    "b": (88_591_464, 224, 15.355),
    "l": (197_767_336, 224, 34.361),
    "xl": (350_196_968, 384, 179.029),
}


def counted(depths: Any, widths: Any, px: int) -> tuple[int, int]:
    """Parameters and multiply-adds from the paper's layer list, no network needed."""
    side, before = px // 4, 3
    parameters, adds = 0, 0
    for stage, (depth, c) in enumerate(zip(depths, widths, strict=True)):
        patch = 4 if stage == 0 else 2
        if stage:
            side //= 2
            parameters += 2 * before
        else:
            parameters += 2 * c
        parameters += patch * patch * before * c + c
        adds += side * side * patch * patch * before * c
        # Depthwise 7x7, normalisation, four times as wide and back, LayerScale.
        parameters += depth * ((49 * c + c) + 2 * c + (4 * c * c + 4 * c) + (4 * c * c + c) + c)
        adds += depth * side * side * (49 * c + 8 * c * c)
        before = c
    return parameters + 2 * before + 1000 * before + 1000, adds + 1000 * before


@pytest.mark.parametrize("variant", PUBLISHED)
def test_published_counts(variant: str) -> None:
    recipe = get("convnext").variants[variant]
    parameters, px, billions = PUBLISHED[variant]
    assert px == recipe.view.crop_px
    slow = counted(recipe.depths, recipe.widths, px)
    assert (slow[0], round(slow[1] / 1e9, 3)) == (parameters, billions)
    with torch.device("meta"):
        network = built(variant)
    adds = 0

    def count(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal adds
        adds += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    network(torch.empty(1, 3, px, px, device="meta"))
    assert (sum(p.numel() for p in network.parameters()), round(adds / 1e9, 3)) == (parameters, billions)


def test_a_block_is_the_papers_formula() -> None:
    """x + gamma * W2 gelu(W1 norm(depthwise 7x7 of x)), each position by itself but for the depthwise one."""
    with seeded(0, "test"):
        block = built("tiny", 10).eval().stages[0].blocks[0]
        x = torch.randn(1, 24, 6, 5)
    names = {name: p.detach() for name, p in block.named_parameters()}
    padded, slow = torch.nn.functional.pad(x, (3, 3, 3, 3)), torch.empty_like(x)
    for i in range(6):
        for j in range(5):
            seen = padded[0, :, i : i + 7, j : j + 7]
            h = (seen * names["conv_dw.weight"][:, 0]).sum((1, 2)) + names["conv_dw.bias"]
            h = (h - h.mean()) / (h.var(unbiased=False) + 1e-6).sqrt() * names["norm.weight"] + names["norm.bias"]
            h = names["mlp.fc1.weight"] @ h + names["mlp.fc1.bias"]
            h = h * 0.5 * (1 + torch.erf(h / 2**0.5))
            h = names["mlp.fc2.weight"] @ h + names["mlp.fc2.bias"]
            slow[0, :, i, j] = x[0, :, i, j] + names["gamma"] * h
    with torch.inference_mode():
        torch.testing.assert_close(block(x) - x, slow - x, rtol=1e-2, atol=1e-7)
    assert torch.all(names["gamma"] == 1e-6)


def test_stochastic_depth_grows_to_its_last_block_and_repeats_from_a_seed() -> None:
    with torch.device("meta"):
        rates = [m.drop_prob for m in built("xl").modules() if type(m).__name__ == "DropPath"]
    assert len(rates) == sum((3, 3, 27, 3)) - 1, "the first block's chance is zero"
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.4)
    with seeded(0, "weights"):
        network, x = built("tiny", 10), torch.randn(4, 3, 64, 64)
        for block in network.modules():
            if hasattr(block, "gamma"):
                torch.nn.init.ones_(block.gamma)
    outputs = []
    for path in ("one", "one", "two", "three", "four"):
        with seeded(1, path), torch.inference_mode():
            outputs.append(network.train()(x))
    assert torch.equal(outputs[0], outputs[1])
    assert not all(torch.equal(outputs[0], other) for other in outputs[2:])


def test_fine_tuning_begins_with_a_head_near_zero() -> None:
    with seeded(0, "heads"):
        plain, scaled = (convnext(10, depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), head_scale=s) for s in (1.0, 0.001))
    assert float(plain.head.fc.weight.detach().std()) > 500 * float(scaled.head.fc.weight.detach().std()) > 0
