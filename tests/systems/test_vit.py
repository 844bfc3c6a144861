"""ViT against its paper: counts by formula, a block by hand, positions, attention and what `explain` shows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from topfive.records import BadInput, ClassList
from topfive.systems import get

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from topfive.systems.engine import seeded  # noqa: E402
from topfive.systems.vit import FittedViT, ViT, attention, overlaid, resampled, rollout, waves  # noqa: E402


def built(variant: str, n_classes: int = 1000) -> Any:
    return ViT(n_classes, **get("vit").variants[variant].architecture())


# Parameters, and multiply-adds at 224 px in billions. The papers have 86, 307, 632 M (with the head of pretraining)
# and 1,843 M (without the query's head).
PUBLISHED = {
    "s16": (22_049_896, 4.574),
    "b16": (86_567_656, 17.564),
    "l16": (304_326_632, 61.555),
    "h14": (632_045_800, 167.295),
    "g14": (1_882_797_416, 483.277),
}


def counted(variant: str, px: int = 224) -> tuple[int, int]:
    """Parameters and multiply-adds from the paper's formula, no network needed."""
    recipe = get("vit").variants[variant]
    width, depth, _, hidden = recipe.shape
    tokens = (px // recipe.patch_px) ** 2
    patches, values = tokens, 3 * recipe.patch_px**2
    parameters, adds = values * width + width, tokens * values * width
    if recipe.pool == "token":
        tokens, parameters = tokens + 1, parameters + width
    block = 4 * (width * width + width) + (2 * width * hidden + hidden + width)
    parameters += tokens * width + depth * (block + 4 * width) + 2 * width
    adds += depth * (tokens * (4 * width * width + 2 * width * hidden) + 2 * tokens * tokens * width)
    if recipe.pool == "map":
        # One query over all patches, with a normalisation and full layers of its own.
        parameters += width + 4 * (width * width + width) + 2 * width + 2 * width * hidden + hidden + width
        adds += 2 * patches * width * width + 2 * width * width + 2 * patches * width + 2 * width * hidden
    return parameters + 1000 * width + 1000, adds + 1000 * width


@pytest.mark.parametrize("variant", PUBLISHED)
def test_published_counts(variant: str) -> None:
    recipe = get("vit").variants[variant]
    parameters, adds = counted(variant)
    with torch.device("meta"):
        network = ViT(1000, **(recipe.architecture() | {"px": (224, recipe.patch_px)}))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert (parameters, round(adds / 1e9, 3)) == PUBLISHED[variant]


def test_the_claims_network_has_more_positions_at_518_px() -> None:
    assert get("vit").n_parameters == counted("h14", 518)[0] == 632_045_800 + (37**2 - 16**2) * 1280


def test_multiply_adds_are_those_of_the_layers() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        network = built("b16").eval()
    for block in network.blocks:
        block.attn.fused_attn = False
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() == 2 * counted("b16")[1]


@pytest.fixture(scope="module")
def tiny() -> Any:
    """The tiny network with weights large enough that attention is not flat."""
    with seeded(0, "tiny"):
        network = built("tiny", 5).eval()
        for parameter in network.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, 0.0, 0.2)
    return network


def test_attention_is_the_softmax_of_the_paper_and_gives_the_blocks_output(tiny: Any) -> None:
    """Equations 6 and 7: softmax(q k^T / sqrt(D_h)) for each head; times v and projected it must be the layer's own."""
    with seeded(0, "inputs"):
        pictures = torch.randn(2, 3, 72, 72)
    got: list[Any] = []
    layer = tiny.blocks[0].attn
    handle = layer.register_forward_hook(lambda _, inputs, output: got.extend((inputs[0], output)))
    found = attention(tiny, pictures)
    handle.remove()
    x, output = got[0].double(), got[1].double()
    width, heads = 96, 3
    w, b = layer.qkv.weight.detach().double(), layer.qkv.bias.detach().double()
    mean, joined = torch.zeros(2, 37, 37, dtype=torch.float64), []
    for head in range(heads):
        rows = slice(head * 32, head * 32 + 32)
        q, k, v = ((x @ w[i * width :][rows].T + b[i * width :][rows]) for i in range(3))
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(32), dim=-1)
        mean += weights / heads
        joined.append(weights @ v)
    slow = torch.cat(joined, dim=-1) @ layer.proj.weight.detach().double().T + layer.proj.bias.detach().double()
    torch.testing.assert_close(output, slow, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[0].double(), mean, rtol=1e-3, atol=1e-5)
    assert len(found) == 4
    for block in found:
        torch.testing.assert_close(block.sum(dim=-1), torch.ones(2, 37), rtol=1e-4, atol=1e-4)


def test_rollout_by_hand() -> None:
    one = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    torch.testing.assert_close(rollout([one]), torch.full((1, 2, 2), 0.5))
    two = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    # ((I + two) / 2) ((I + one) / 2): the first block acts first, so it stands on the right.
    torch.testing.assert_close(rollout([one, two]), torch.tensor([[[0.5, 0.5], [0.5, 0.5]]]))
    torch.testing.assert_close(rollout([two, two]), torch.tensor([[[1.0, 0.0], [0.75, 0.25]]]))


def test_an_overlay_is_bright_where_attention_is() -> None:
    picture = np.full((40, 40, 3), 200, dtype=np.uint8)
    shown = overlaid(picture, torch.tensor([0.0, 0.0, 0.0, 1.0]), (2, 2))
    assert (shown.dtype, shown.shape) == (np.uint8, (40, 40, 3))
    assert shown[:5, :5].max() == 40
    assert shown[-5:, -5:].min() == 200
    flat = overlaid(picture, torch.full((4,), 0.25), (2, 2))
    assert (flat == 40).all(), "even attention marks nothing"


@pytest.mark.parametrize("pool", ["token", "avg", "map"])
def test_explain_shows_what_the_network_sees(tiny: Any, pool: Any) -> None:
    recipe = replace(get("vit").variants["tiny"], pool=pool)
    with seeded(0, "explain"):
        network = tiny if pool == "token" else ViT(5, **recipe.architecture())
    fitted = FittedViT(
        network, system="vit", architecture=recipe.architecture(), classes=ClassList(tuple("abcde"), tuple("abcde")),
        view=recipe.view,
    )  # fmt: skip
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    shown = fitted.explain(picture)
    names = [name for name, _ in shown]
    assert names[-2:] == ["attention of the last block", "attention rollout"]
    for _, overlay in shown[-2:]:
        assert (overlay.dtype, overlay.shape) == (np.uint8, (72, 72, 3))
    again = fitted.explain(picture)
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(shown, again, strict=True))
    for bad in (picture[..., 0], picture.astype(np.float32), picture[..., :2], "photo.jpg"):
        with pytest.raises(BadInput, match="is no picture"):
            fitted.explain(bad)  # type: ignore[arg-type]


def test_fixed_positions_are_the_formula() -> None:
    found = waves(3, 2, 8).numpy()
    slow = np.empty((6, 8))
    for row in range(3):
        for column in range(2):
            for i, rate in enumerate((1.0, 1e-4)):
                slow[row * 2 + column, [i, 2 + i]] = math.sin(column * rate), math.cos(column * rate)
                slow[row * 2 + column, [4 + i, 6 + i]] = math.sin(row * rate), math.cos(row * rate)
    np.testing.assert_allclose(found, slow, atol=1e-7)
    with seeded(0, "small"):
        network = ViT(4, px=(48, 16), shape=(8, 1, 2, 16), pool="avg", positions="waves")
    assert not network.pos_embed.requires_grad
    torch.testing.assert_close(network.pos_embed[0], waves(3, 3, 8))
    assert network.cls_token is None


def test_positions_move_to_another_grid_with_corners_kept() -> None:
    prefix, grid = torch.full((1, 1, 2), 9.0), torch.arange(4.0).reshape(1, 4, 1).expand(1, 4, 2)
    moved = resampled(torch.cat([prefix, grid], dim=1), 1, (3, 3))
    assert moved[0, :, 0].tolist() == pytest.approx([9.0, 0.0, 0.5, 1.0, 1.0, 1.5, 2.0, 2.0, 2.5, 3.0])
    with seeded(0, "two"):
        small, large = (ViT(4, px=(px, 8), shape=(8, 1, 2, 16)) for px in (32, 48))
    found = large.adapted("pos_embed", small.pos_embed.detach())
    assert found.shape == large.pos_embed.shape
    assert large.adapted("head.weight", small.head.weight) is small.head.weight
    other = torch.zeros(1, 16, 8)
    assert large.adapted("pos_embed", other) is other, "no square with a class token: left for the refusal"
    with seeded(0, "fixed"):
        fixed = ViT(4, px=(48, 8), shape=(8, 1, 2, 16), pool="avg", positions="waves")
    torch.testing.assert_close(fixed.adapted("pos_embed", other), waves(6, 6, 8)[None])


def test_initial_weights_are_the_releases() -> None:
    with seeded(0, "initial"):
        network = ViT(10, px=(64, 8), shape=(128, 2, 4, 512))
    assert float(network.head.weight.detach().abs().max()) == 0.0
    qkv = network.blocks[0].attn.qkv.weight.detach()
    assert float(qkv.abs().max()) <= math.sqrt(6 / (128 + 3 * 128)), "Glorot's bound"
    assert float(network.pos_embed.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_patches_must_tile_the_crop() -> None:
    system = get("vit")
    recipe = system.recipe("tiny", {"patch_px": "7"})
    with pytest.raises(BadInput, match="do not tile"):
        system.fit(None, None, recipe, seed=1, log=None)  # type: ignore[arg-type]


def test_the_head_is_the_last_linear_layer_of_every_variant() -> None:
    for variant in get("vit").variants:
        with torch.device("meta"):
            network = built(variant)
        linear = [name for name, m in network.named_modules() if isinstance(m, torch.nn.Linear)]
        assert linear[-1] == "head"
