"""VGG against its paper, against torchvision layer by layer, and dense testing against crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from topfive.records import BadInput, ClassList
from topfive.systems import get

torch = pytest.importorskip("torch")

from topfive.systems.engine import FittedNetwork  # noqa: E402
from topfive.systems.engine.chance import seeded  # noqa: E402
from topfive.systems.features.response_norm import ResponseNorm  # noqa: E402
from topfive.systems.vgg import PUBLISHED, TINY, VGG, begin_from  # noqa: E402

nn = torch.nn


def built(recipe: Any = TINY, n_classes: int = 20, seed: int = 0) -> Any:
    with seeded(seed, "weights"):
        return VGG(n_classes, **recipe.architecture()).eval()


# Parameters (table 2 rounds to 133, 133, 134, 138 and 144 million), and multiply-adds at 224 px in billions.
COUNTS = {
    "A": (132_863_336, 7.609),
    "A-LRN": (132_863_336, 7.609),
    "B": (133_047_848, 11.308),
    "C": (133_638_952, 11.771),
    "D": (138_357_544, 15.470),
    "E": (143_667_240, 19.632),
}


@pytest.mark.parametrize("variant", COUNTS)
def test_published_counts(variant: str) -> None:
    with torch.device("meta"):
        network = built(get("vgg").variants[variant], 1000)
    adds = 0

    def count(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal adds
        adds += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert (sum(p.numel() for p in network.parameters()), round(adds / 1e9, 3)) == COUNTS[variant]


# Table 1, read down: a width stands for a 3x3 convolution, `1x` for a 1x1.
TABLE_1 = {
    "A": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "A-LRN": "64 LRN M 128 M 256 256 M 512 512 M 512 512 M",
    "B": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "C": "64 64 M 128 128 M 256 256 1x256 M 512 512 1x512 M 512 512 1x512 M",
    "D": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "E": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


@pytest.mark.parametrize("variant", TABLE_1)
def test_layers_stand_as_in_table_1(variant: str) -> None:
    with torch.device("meta"):
        network = built(get("vgg").variants[variant], 1000)
    read = []
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            assert layer.stride == (1, 1)
            read.append(f"{'1x' if layer.kernel_size == (1, 1) else ''}{layer.out_channels}")
        elif not isinstance(layer, nn.ReLU):
            read.append("LRN" if isinstance(layer, ResponseNorm) else "M")
    assert " ".join(read) == TABLE_1[variant]
    assert [layer.out_features for layer in network.full_layers()] == [4096, 4096, 1000]


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "theirs"), [("A", "vgg11"), ("B", "vgg13"), ("D", "vgg16"), ("E", "vgg19")])
def test_every_layer_equals_torchvisions(variant: str, theirs: str) -> None:
    models = pytest.importorskip("torchvision.models")
    # Narrow full layers: the published ones hold half a gigabyte of weights that say nothing more about the layers.
    recipe = replace(get("vgg").variants[variant], hidden=32)
    ours = built(recipe, 7)
    with torch.device("meta"):
        model = getattr(models, theirs)(num_classes=7).eval()
    for i, layer in ((0, nn.Linear(512 * 49, 32, device="meta")), (3, nn.Linear(32, 32, device="meta"))):
        model.classifier[i] = layer
    model.classifier[6] = nn.Linear(32, 7, device="meta")
    model.load_state_dict(ours.state_dict(), strict=True, assign=True)
    outputs: dict[str, list[Any]] = {}
    for network in (model, ours):
        for name, layer in network.named_modules():
            if name.count(".") == 1:
                layer.register_forward_hook(
                    lambda layer, x, output, name=name: outputs.setdefault(name, []).append(output.clone())
                )
    pictures = 60 * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(pictures), model(pictures))
    assert len(outputs) == len(ours.features) + 7
    assert all(len(pair) == 2 and torch.equal(*pair) for pair in outputs.values())


def test_initial_weights_are_glorots() -> None:
    weight = built(PUBLISHED_NARROW).features[2].weight.detach()
    assert float(weight.std()) == pytest.approx((2 / (9 * 64 + 9 * 64)) ** 0.5, rel=0.02)
    assert float(weight.abs().max()) <= (6 / (18 * 64)) ** 0.5
    assert not built().features[0].bias.detach().any()


PUBLISHED_NARROW = replace(PUBLISHED, hidden=16)


# Dense testing


def test_dense_scores_equal_the_forward_pass_on_a_crop() -> None:
    network = built()
    x = 60 * torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network.dense(x), network(x), rtol=1e-4, atol=1e-5)
        with pytest.raises(BadInput, match=r"picture: leaves maps of 1 x 2, where .* 2 x 2"):
            network.dense(x[:, :, :63])


def test_dense_scores_are_the_mean_over_all_crops_32_px_apart() -> None:
    network = built()
    with torch.no_grad():
        for layer in network.features:
            if isinstance(layer, nn.Conv2d):
                # Only the middle weight is left, so that no filter sees the padding at a crop's border.
                middle = layer.weight[:, :, 1, 1].clone()
                layer.weight.zero_()
                layer.weight[:, :, 1, 1] = 3 * middle
    picture = 60 * torch.randn(2, 3, 128, 160, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        crops = [
            network(picture[:, :, top : top + 64, left : left + 64])
            for top in range(0, 65, 32)
            for left in range(0, 97, 32)
        ]
        mean = torch.stack(crops).mean(0)
        assert len(crops) == 12
        assert float(mean.std()) > 1e-3
        torch.testing.assert_close(network.dense(picture), mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network.dense(picture[..., :150]), network.dense(picture[..., :128]))


# Beginning from A


def saved(folder: Path, recipe: Any, n_classes: int = 20) -> Any:
    network = built(recipe, n_classes, seed=9)
    (folder / "weights").mkdir(parents=True)
    classes = ClassList(tuple(f"n{i:08d}" for i in range(n_classes)), tuple("abcdefghijklmnopqrst"[:n_classes]))
    FittedNetwork(network, system="vgg", architecture=recipe.architecture(), classes=classes, view=recipe.view).save(
        folder / "weights"
    )
    return network


DEEP = replace(TINY, depths=(2, 2, 3, 3, 3))


def test_a_deep_network_begins_with_the_outer_layers_of_a_shallow_one(tmp_path: Path) -> None:
    shallow, fresh = saved(tmp_path, TINY), built(DEEP)
    begun = begin_from(built(DEEP), tmp_path)
    taken = []
    for (place, layer), other in zip(begun.convolutions().items(), fresh.convolutions().values(), strict=True):
        if torch.equal(layer.weight, other.weight):
            continue
        taken.append(place)
        assert torch.equal(layer.weight, shallow.convolutions()[place].weight)
    assert taken == [(0, 0), (1, 0), (2, 0), (2, 1)]
    for layer, theirs in zip(begun.full_layers(), shallow.full_layers(), strict=True):
        assert torch.equal(layer.weight, theirs.weight)
        assert torch.equal(layer.bias, theirs.bias)


def test_runs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"network\.json"):
        begin_from(built(DEEP), tmp_path)
    saved(tmp_path / "wide", replace(TINY, widths=(20, 24, 32, 48, 64)))
    with pytest.raises(BadInput, match=r"has \[20, 3, 3, 3\] weights in conv1_1, the new network \[16, 3, 3, 3\]"):
        begin_from(built(DEEP), tmp_path / "wide")
    saved(tmp_path / "classes", TINY, 12)
    with pytest.raises(BadInput, match="in fc8"):
        begin_from(built(DEEP), tmp_path / "classes")


def test_the_tiny_variant_is_zoomed_shifted_and_dropped_as_the_published_one() -> None:
    for recipe in (PUBLISHED, TINY):
        recipe.check()
        assert recipe.smallest_scale < 1
        assert recipe.colour_sigma == 0.1
        assert recipe.dropout > 0
    assert (PUBLISHED.train_resize_px, PUBLISHED.smallest_scale * PUBLISHED.train_resize_px) == (512, 256)
