"""SENet against its paper: counts, the gate by hand, and timm's networks where those are the published ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from topfive.systems import get

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from topfive.systems.senet import Basic, SENet  # noqa: E402


def built(variant: str) -> Any:
    return SENet(1000, **get("senet").variants[variant].architecture())


# Parameters, and multiply-adds at 224 px in billions (the paper: 28.1 M and 3.87 G, 115.1 M and 20.7 G).
PUBLISHED = {"50": (28_088_024, 3.860), "154": (115_088_984, 20.688)}


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
    assert (sum(p.numel() for p in network.parameters()), round(adds / 1e9, 3)) == PUBLISHED[variant]


@pytest.mark.parametrize(("variant", "name"), [("50", "legacy_seresnet50"), ("154", "legacy_senet154")])
def test_the_published_networks_have_timms_tensors(variant: str, name: str) -> None:
    with torch.device("meta"):
        ours, theirs = built(variant), timm.create_model(name)
    shapes = [{key: tuple(t.shape) for key, t in network.state_dict().items()} for network in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.slow
def test_every_stage_of_se_resnet_50_equals_timms() -> None:
    state = torch.random.get_rng_state()
    theirs, ours = timm.create_model("legacy_seresnet50").eval(), built("50").eval()
    ours.load_state_dict(theirs.state_dict())
    outputs: dict[str, list[Any]] = {}
    for network in (theirs, ours):
        for name in ("layer0", "pool0", "layer1", "layer2", "layer3", "layer4", "last_linear"):
            network.get_submodule(name).register_forward_hook(
                lambda layer, inputs, output, name=name: outputs.setdefault(name, []).append(output.clone())
            )
    pictures = torch.randn(2, 3, 96, 96)
    torch.random.set_rng_state(state)
    with torch.inference_mode():
        theirs(pictures), ours(pictures)
    assert len(outputs) == 7
    for pair in outputs.values():
        torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-5)


def test_the_gate_by_the_slow_formula() -> None:
    """Squeeze to the mean, excite by relu and sigmoid, scale: s = sigmoid(W2 relu(W1 z)), equations 2 to 4."""
    state = torch.random.get_rng_state()
    gate, x = Basic(8, 8, 1, 4).se_module, torch.randn(2, 8, 5, 3)
    torch.random.set_rng_state(state)
    w1, b1, w2, b2 = (p.detach().numpy() for p in (gate.fc1.weight, gate.fc1.bias, gate.fc2.weight, gate.fc2.bias))
    assert w1.shape == (2, 8, 1, 1)
    a, slow = x.numpy(), np.empty(x.shape, dtype=np.float32)
    for i in range(2):
        z = [a[i, c].mean() for c in range(8)]
        inner = np.maximum(w1[:, :, 0, 0] @ z + b1, 0)
        slow[i] = a[i] / (1 + np.exp(-(w2[:, :, 0, 0] @ inner + b2)))[:, None, None]
    np.testing.assert_allclose(gate(x).detach().numpy(), slow, rtol=1e-5, atol=1e-6)


def test_a_basic_block_gates_before_the_sum_and_after_no_relu() -> None:
    """With the convolutions at the identity and the gate at one half, y = relu(x + 0.5 relu(x)); negatives vanish."""
    block = Basic(4, 4, 1, 2).eval()
    with torch.no_grad():
        for convolution in (block.conv1, block.conv2):
            torch.nn.init.dirac_(convolution.weight)
        for layer in (block.se_module.fc1, block.se_module.fc2):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        block.conv2.weight.neg_()
    x = torch.tensor([2.0, -1.0, 0.5, 0.0]).reshape(1, 4, 1, 1)
    with torch.inference_mode():
        y = block(x).flatten().tolist()
    # The second convolution negates: without a ReLU before the gate 2 - 0.5 * 2 = 1; with one it would stay 2.
    assert y == pytest.approx([1.0, 0.0, 0.25, 0.0], rel=1e-4)


def test_senet_154_differs_from_a_resnext_where_the_paper_says() -> None:
    with torch.device("meta"):
        network = built("154")
    block = network.get_submodule("layer2.0")
    assert block.conv1.out_channels * 2 == block.conv2.out_channels, "the first 1x1 is halved"
    assert (block.conv1.stride, block.conv2.stride, block.conv2.groups) == ((1, 1), (2, 2), 64)
    assert block.downsample[0].kernel_size == (3, 3)
    assert network.get_submodule("layer1.0").downsample[0].kernel_size == (1, 1)
    stem = [layer for layer in network.layer0 if isinstance(layer, torch.nn.Conv2d)]
    assert [(c.kernel_size, c.stride, c.out_channels) for c in stem] == [
        ((3, 3), (2, 2), 64), ((3, 3), (1, 1), 64), ((3, 3), (1, 1), 128)]  # fmt: skip
    assert network.dropout.p == 0.2


def test_every_block_of_tiny_has_a_gate() -> None:
    with torch.device("meta"):
        network = built("tiny")
    assert sum(name.endswith("se_module") for name, _ in network.named_modules()) == 8
    assert [name for name, m in network.named_modules() if isinstance(m, torch.nn.Linear)] == ["last_linear"]
