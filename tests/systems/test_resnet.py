"""ResNet against its paper, and against torchvision where torchvision's network is the published one."""

from __future__ import annotations

from typing import Any

import pytest

from topfive.systems import get

torch = pytest.importorskip("torch")

from topfive.systems.resnet import ResNet  # noqa: E402


def built(variant: str) -> Any:
    return ResNet(1000, **get("resnet").variants[variant].architecture())


# Parameters, and multiply-adds at 224 px in billions (table 1 rounds them to 1.8, 3.6, 3.8, 7.6 and 11.3).
PUBLISHED = {
    "18": (11_689_512, 1.814),
    "34": (21_797_672, 3.664),
    "50": (25_557_032, 3.858),
    "101": (44_549_160, 7.570),
    "152": (60_192_808, 11.282),
}


@pytest.mark.parametrize("variant", PUBLISHED)
def test_published_counts(variant: str) -> None:
    with torch.device("meta"):
        network = built(variant)
    adds = 0

    def count(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal adds
        adds += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    network(torch.empty(1, 3, 224, 224, device="meta"))
    parameters = sum(p.numel() for p in network.parameters())
    assert (parameters, round(adds / 1e9, 3)) == PUBLISHED[variant]


def test_the_claims_network_has_the_claimed_size() -> None:
    system = get("resnet")
    with torch.device("meta"):
        network = system.network()  # type: ignore[misc]
    assert sum(p.numel() for p in network.parameters()) == system.n_parameters


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["18", "34"])
def test_every_layer_of_the_basic_networks_equals_torchvisions(variant: str) -> None:
    models = pytest.importorskip("torchvision.models")
    state = torch.random.get_rng_state()
    theirs, ours = getattr(models, f"resnet{variant}")().eval(), built(variant).eval()
    ours.load_state_dict(theirs.state_dict())
    outputs: dict[str, list[Any]] = {}
    for network in (theirs, ours):
        for name, layer in network.named_modules():
            if name.count(".") == 1 or name in ("conv1", "bn1", "fc"):
                layer.register_forward_hook(
                    lambda layer, inputs, output, name=name: outputs.setdefault(name, []).append(output.clone())
                )
    pictures = torch.randn(2, 3, 96, 96)
    torch.random.set_rng_state(state)
    with torch.inference_mode():
        assert torch.equal(ours(pictures), theirs(pictures))
    assert len(outputs) == 3 + sum(get("resnet").variants[variant].blocks)
    assert all(len(pair) == 2 and torch.equal(*pair) for pair in outputs.values())


def test_bottlenecks_stride_in_the_first_1x1_and_shortcuts_project_only_where_shapes_change() -> None:
    with torch.device("meta"):
        network = built("50")
    for stage in range(2, 5):
        first = network.get_submodule(f"layer{stage}.0")
        assert (first.conv1.stride, first.conv1.kernel_size) == ((2, 2), (1, 1))
        assert first.conv2.stride == (1, 1)
    projected = {
        f"{stage}.{i}"
        for stage, depth in enumerate((3, 4, 6, 3), start=1)
        for i in range(depth)
        if not isinstance(network.get_submodule(f"layer{stage}.{i}").downsample, torch.nn.Identity)
    }
    assert projected == {"1.0", "2.0", "3.0", "4.0"}


def test_initial_weights_have_he_spread() -> None:
    state = torch.random.get_rng_state()
    network = built("18")
    torch.random.set_rng_state(state)
    weight = network.get_submodule("layer3.1.conv2").weight
    assert float(weight.detach().std()) == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
