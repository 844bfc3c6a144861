"""AlexNet against its paper: parts, counts, initial weights, and the tiny variant's likeness to the published one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topfive.records import BadInput, ClassList
from topfive.systems import get

torch = pytest.importorskip("torch")

from topfive.systems.alexnet import PUBLISHED, TINY, AlexNet, AlexNetHalf, joined  # noqa: E402
from topfive.systems.engine.chance import seeded  # noqa: E402
from topfive.systems.features.explanations import ExplainedNetwork, tiled_filters  # noqa: E402
from topfive.systems.features.occlusion import importance, occlusion  # noqa: E402
from topfive.systems.features.response_norm import ResponseNorm  # noqa: E402


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


def built(n_classes: int = 20) -> Any:
    with seeded(0, "weights"):
        return AlexNet(n_classes, **TINY.architecture()).eval()


# Dense testing


def test_dense_scores_equal_the_forward_pass_and_average_over_places() -> None:
    network = built()
    x = 60 * torch.randn(2, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network.dense(x), network(x), rtol=1e-4, atol=1e-4)
        # Two columns of full layers fit on the maps of a wider picture: each is one layer's answer, by the plain way.
        wide = 60 * torch.randn(1, 3, 80, 104, generator=torch.Generator().manual_seed(1))
        maps, side = network.maps(wide), network.side
        assert maps.shape[3] == side + 1
        places = [maps[..., i : i + side].flatten(1) for i in range(2)]
        answers = [network.fc8(network.fc7(network.fc6(place).relu()).relu()) for place in places]
        torch.testing.assert_close(network.dense(wide), (answers[0] + answers[1]) / 2, rtol=1e-4, atol=1e-4)
        with pytest.raises(BadInput, match="full layers read"):
            network.dense(x[:, :, :72])


# Explanations


def test_occlusion_finds_the_corner_that_alone_decides() -> None:
    picture = np.full((32, 32, 3), 200, dtype=np.uint8)

    def brightness_of_the_first_corner(images: Any) -> Any:
        return images[:, :8, :8].mean((1, 2, 3)) / 200.0

    sure, covered = occlusion(brightness_of_the_first_corner, picture, np.zeros(3, dtype=np.uint8))
    assert sure == 1.0
    # Squares of 8 px, 4 px apart: the first covers the corner, its neighbours a half of it, the diagonal one a quarter.
    assert covered.shape == (7, 7)
    np.testing.assert_allclose(covered[:2, :2], [[0.0, 0.5], [0.5, 0.75]])
    assert (covered[2:] == 1).all()
    drop = importance(sure - covered, 32)
    assert drop.shape == (32, 32)
    assert drop[0, 0] == 1.0
    assert drop[5, 5] == pytest.approx((1.0 + 0.5 + 0.5 + 0.25) / 4)
    assert drop[20, 20] == 0


def test_filters_stand_on_one_sheet_each_at_its_own_scale() -> None:
    weights = np.random.default_rng(0).normal(0, 1, (7, 3, 11, 11)).astype(np.float32)
    weights[2] = 0
    weights[3] *= 1e-6
    sheet = tiled_filters(weights)
    # Four columns of 33 px and white lines of 2 px.
    assert sheet.shape == (2 + 2 * 35, 2 + 4 * 35, 3)
    tiles = [sheet[2 + i // 4 * 35 : 35 + i // 4 * 35, 2 + i % 4 * 35 : 35 + i % 4 * 35] for i in range(8)]
    assert (tiles[2] == 128).all()
    assert (tiles[7] == 255).all()
    assert max(abs(int(tiles[3].max()) - 128), abs(int(tiles[3].min()) - 128)) == 127
    peak = np.abs(weights[0]).max()
    assert tiles[0][4, 7, 1] == round(128 + 127 * float(weights[0, 1, 1, 2] / peak))


def test_a_fitted_network_explains_a_picture() -> None:
    classes = ClassList(tuple(f"n{i:08d}" for i in range(20)), tuple(f"class {i}" for i in range(20)))
    fitted = ExplainedNetwork(
        built(), system="alexnet", architecture=TINY.architecture(), classes=classes, view=TINY.view
    )
    shown = fitted.explain(np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8))
    assert [image.shape for _, image in shown] == [(80, 80, 3), (80, 80, 3), (2 + 5 * 29, 2 + 7 * 29, 3)]
    assert "probability of class " in shown[1][0]
    assert all(image.dtype == np.uint8 for _, image in shown)


# Two processes, half of the filters each


def test_halves_hold_half_of_every_layer_and_join_to_the_whole() -> None:
    whole = built(7)
    halves = [AlexNetHalf(whole, rank) for rank in (0, 1)]
    state = joined(halves[0].state_dict(), halves[1].state_dict())
    assert state.keys() == whole.state_dict().keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in whole.state_dict().items())
    assert halves[0].conv2.weight.shape == halves[1].conv2.weight.shape == (32, 16, 5, 5)
    assert halves[1].conv3.weight.shape == (48, 64, 3, 3), "the third convolution sees both halves"
    assert [len(half.fc8.weight) for half in halves] == [4, 3]
    with torch.no_grad():
        halves[0].conv1.weight.zero_()
    assert whole.conv1.weight.detach().any(), "a half shares no memory with the whole"


_PROCESS = """
import sys
import torch
from torch import distributed
from safetensors.torch import load_file, save_file
from topfive.systems.alexnet import AlexNet, AlexNetHalf

folder, rank = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
given = load_file(f"{folder}/given.safetensors")
shape = dict(input_px=48, stem=(7, 2, 2), widths=(8, 12, 12, 12, 8), hidden=10, dropout=0.5)
whole = AlexNet(7, **shape)
whole.load_state_dict({name: given[name] for name in whole.state_dict()})
network = AlexNetHalf(whole, rank)
found = {"logits": network.eval()(given["x"]).detach()}
optimiser = torch.optim.SGD(network.train().parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
for step in range(2):
    torch.manual_seed(step)
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(network(given["x"]), given["y"]).backward()
    found |= {f"gradient {step} {name}": p.grad.clone() for name, p in network.named_parameters()}
    optimiser.step()
found |= {f"weight {name}": p.detach().clone() for name, p in network.named_parameters()}
save_file({name: tensor.contiguous() for name, tensor in found.items()}, f"{folder}/found{rank}.safetensors")
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_with_half_of_the_filters_each_do_what_one_does(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    with seeded(3, "weights"):
        whole = AlexNet(7, input_px=48, stem=(7, 2, 2), widths=(8, 12, 12, 12, 8), hidden=10, dropout=0.5)
        x, y = 60 * torch.randn(5, 3, 48, 48), torch.arange(5)
    save_file(whole.state_dict() | {"x": x, "y": y}, tmp_path / "given.safetensors")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(tmp_path), str(rank)],
            env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    parts = [load_file(tmp_path / f"found{rank}.safetensors") for rank in (0, 1)]

    expected = {"logits": whole.eval()(x).detach()}
    assert torch.equal(parts[0]["logits"], parts[1]["logits"])
    torch.testing.assert_close(parts[0].pop("logits"), expected.pop("logits"), rtol=1e-5, atol=1e-6)
    del parts[1]["logits"]
    optimiser = torch.optim.SGD(whole.train().parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    with seeded(0, "dropout"):
        for step in range(2):
            # Inside `seeded`, whose end puts the caller's stream back.
            torch.default_generator.manual_seed(step)
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(whole(x), y).backward()
            expected |= {f"gradient {step} {name}": p.grad.clone() for name, p in whole.named_parameters()}
            optimiser.step()
    expected |= {f"weight {name}": p.detach() for name, p in whole.named_parameters()}
    found = joined(*parts)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: name + text)
    assert all(float(tensor.abs().max()) > 0 for tensor in expected.values())
