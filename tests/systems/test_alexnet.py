"""AlexNet against its paper: parts, counts, initial weights, and the tiny variant's likeness to the published one."""

from __future__ import annotations

import numpy as np
import pytest

from topfive.systems import get

torch = pytest.importorskip("torch")

from topfive.systems.alexnet import PUBLISHED, TINY, AlexNet, ResponseNorm  # noqa: E402


def multiply_adds(network: object, px: int) -> int:
    """Multiplications of all convolutions and full layers for one picture, counted from the shapes alone."""
    total = 0

    def count(layer: object, inputs: object, output: object) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()  # type: ignore[attr-defined]

    for layer in network.modules():  # type: ignore[attr-defined]
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    network(torch.empty(1, 3, px, px, device="meta"))  # type: ignore[operator]
    return total


def test_published_counts() -> None:
    system = get("alexnet")
    with torch.device("meta"):
        network = system.network()  # type: ignore[misc]
    assert sum(p.numel() for p in network.parameters()) == system.n_parameters == 60_965_224
    assert round(multiply_adds(network, 224) / 1e9, 3) == 0.724


def test_published_maps_are_55_27_13_and_6_px_wide() -> None:
    with torch.device("meta"):
        network = AlexNet(1000, **PUBLISHED.architecture())
    sides = {}
    for name in ("conv1", "conv2", "conv3", "conv5", "fc6"):
        network.get_submodule(name).register_forward_hook(
            lambda layer, inputs, output, name=name: sides.update({name: tuple(output.shape[1:])})
        )
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert sides == {"conv1": (96, 55, 55), "conv2": (256, 27, 27), "conv3": (384, 13, 13), "conv5": (256, 13, 13),
                     "fc6": (4096,)}  # fmt: skip
    assert network.fc6.in_features == 6 * 6 * 256


def test_response_normalisation_by_hand_and_by_the_slow_formula() -> None:
    norm = ResponseNorm()
    one = torch.zeros(1, 7, 1, 1)
    one[0, 3] = 100.0
    # Only the squared value itself is near: 100 / (2 + 1e-4 * 100^2) ^ 0.75.
    assert float(norm(one)[0, 3, 0, 0]) == pytest.approx(100 / 3**0.75, rel=1e-5)
    a = np.random.default_rng(0).normal(0, 60, (2, 9, 3, 4))
    slow = np.empty_like(a)
    for i in range(9):
        near = a[:, max(0, i - 2) : min(9, i + 3)]
        slow[:, i] = a[:, i] / (2 + 1e-4 * (near**2).sum(axis=1)) ** 0.75
    np.testing.assert_allclose(norm(torch.from_numpy(a).float()).numpy(), slow, rtol=2e-5)


def test_response_normalisation_is_torchs_with_alpha_times_n() -> None:
    a = torch.from_numpy(np.random.default_rng(1).normal(0, 60, (2, 16, 5, 5))).float()
    theirs = torch.nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
    torch.testing.assert_close(ResponseNorm()(a), theirs(a), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("recipe", [PUBLISHED, TINY], ids=["published", "tiny"])
def test_every_part_of_the_paper_is_there(recipe: object) -> None:
    with torch.device("meta"):
        network = AlexNet(20, **recipe.architecture())  # type: ignore[attr-defined]
    assert [network.get_submodule(f"conv{i}").groups for i in range(1, 6)] == [1, 2, 1, 2, 2]
    assert isinstance(network.norm1, ResponseNorm)
    assert isinstance(network.norm2, ResponseNorm)
    assert network.dropout.p == (0.5 if recipe is PUBLISHED else 0.3)
    assert recipe.colour_sigma == 0.1  # type: ignore[attr-defined]


def test_initial_weights_are_the_papers_and_a_narrow_layer_varies_as_much() -> None:
    torch_state = torch.random.get_rng_state()
    published, tiny = AlexNet(10, input_px=64, hidden=64), AlexNet(10, **TINY.architecture())
    torch.random.set_rng_state(torch_state)
    for i in range(2, 6):
        assert float(published.get_submodule(f"conv{i}").weight.detach().std()) == pytest.approx(0.01, rel=0.03)
    for name in ("conv2", "conv3", "conv4", "conv5"):
        wide, narrow = published.get_submodule(name).weight, tiny.get_submodule(name).weight
        gains = [float(w.detach().square().sum((1, 2, 3)).mean().sqrt()) for w in (wide, narrow)]
        assert gains[0] == pytest.approx(gains[1], rel=0.05)
    biases = {
        name: float(layer.bias.detach().mean()) for name, layer in tiny.named_children() if hasattr(layer, "bias")
    }
    assert biases == {"conv1": 0, "conv2": 1, "conv3": 0, "conv4": 1, "conv5": 1, "fc6": 1, "fc7": 1, "fc8": 0}
