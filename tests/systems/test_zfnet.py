"""ZFNet against its paper: counts, maps, rescaled filters; and projections back to pixels against slow loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from topfive.records import BadInput, ClassList, View
from topfive.systems import get

torch = pytest.importorskip("torch")

from topfive.systems.engine.chance import seeded  # noqa: E402
from topfive.systems.features.response_norm import ResponseNorm  # noqa: E402
from topfive.systems.zfnet import PUBLISHED, TINY, B, FittedZFNet, ZFNet, deconvolve  # noqa: E402

nn = torch.nn


def built(recipe: Any = TINY, n_classes: int = 20, seed: int = 0) -> Any:
    with seeded(seed, "weights"):
        return ZFNet(n_classes, **recipe.architecture()).eval()


# Parameters, and multiply-adds at 224 px in billions: counted from figure 3 and table 2, the paper prints neither.
COUNTS = {"published": (62_357_608, 1.168), "b": (107_627_624, 2.477)}


@pytest.mark.parametrize("variant", COUNTS)
def test_published_counts(variant: str) -> None:
    with torch.device("meta"):
        network = built(get("zfnet").variants[variant], 1000)
    adds = 0

    def count(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal adds
        adds += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert (sum(p.numel() for p in network.parameters()), round(adds / 1e9, 3)) == COUNTS[variant]


def test_maps_have_the_sides_of_figure_3() -> None:
    with torch.device("meta"):
        network = built(PUBLISHED, 1000)
    sides = {}
    for name, layer in network.features.named_children():
        layer.register_forward_hook(lambda layer, x, output, name=name: sides.update({name: tuple(output.shape[1:])}))
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert {name: sides[name] for name in ("conv1", "norm1", "conv2", "norm2", "conv3", "conv4", "conv5", "pool5")} == {
        "conv1": (96, 110, 110),
        "norm1": (96, 55, 55),
        "conv2": (256, 26, 26),
        "norm2": (256, 13, 13),
        "conv3": (384, 13, 13),
        "conv4": (384, 13, 13),
        "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
    }
    assert list(sides).index("pool1") < list(sides).index("norm1"), "contrast normalisation follows pooling"
    assert B.widths == (96, 256, 512, 1024, 512)


@pytest.mark.parametrize("recipe", [PUBLISHED, TINY], ids=["published", "tiny"])
def test_every_part_of_the_paper_is_there(recipe: Any) -> None:
    with torch.device("meta"):
        network = built(recipe)
    convolutions = [layer for layer in network.features if isinstance(layer, nn.Conv2d)]
    assert [layer.kernel_size[0] for layer in convolutions] == [7, 5, 3, 3, 3]
    assert [layer.stride[0] for layer in convolutions] == [2, 2, 1, 1, 1]
    assert all(layer.groups == 1 for layer in convolutions)
    assert isinstance(network.features.norm1, ResponseNorm)
    assert isinstance(network.features.norm2, ResponseNorm)
    assert network.dropout.p == recipe.dropout > 0


def test_filters_past_the_radius_are_scaled_back_to_it_and_no_others() -> None:
    network = built()
    with torch.no_grad():
        network.features.conv1.weight[3].fill_(0.25)
        network.features.conv1.weight[4].fill_(-0.0999)
        network.features.conv4.weight[0] *= 1000
        network.fc6.weight[0] = 7.0
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.after_step()
    after = network.state_dict()
    torch.testing.assert_close(after["features.conv1.weight"][3], torch.full((3, 7, 7), 0.1))
    large, scaled = before["features.conv4.weight"][0], after["features.conv4.weight"][0]
    torch.testing.assert_close(scaled, large * 0.1 / large.square().mean().sqrt())
    for name, tensor in after.items():
        changed = [int(i) for i in torch.nonzero((tensor != before[name]).flatten(1).any(1))] if tensor.ndim > 1 else []
        assert changed == {"features.conv1.weight": [3], "features.conv4.weight": [0]}.get(name, [])


def test_initial_weights_are_the_papers_and_a_narrow_layer_varies_as_much() -> None:
    wide, narrow = built(PUBLISHED, 10), built()
    assert float(wide.features.conv3.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    for name in ("conv2", "conv3", "conv4", "conv5"):
        gains = [
            float(network.features.get_submodule(name).weight.detach().square().sum((1, 2, 3)).mean().sqrt())
            for network in (wide, narrow)
        ]
        assert gains[0] == pytest.approx(gains[1], rel=0.05)
    assert all(float(p.detach().abs().max()) == 0 for name, p in narrow.named_parameters() if name.endswith("bias"))


def test_dense_scores_equal_the_forward_pass_on_a_crop() -> None:
    network = built()
    x = 60 * torch.randn(2, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network.dense(x), network(x), rtol=1e-4, atol=1e-5)
        assert network.dense(60 * torch.ones(1, 3, 150, 112)).shape == (1, 20)
        with pytest.raises(BadInput, match="picture"):
            network.dense(x[:, :, :64])


# Deconvolution


def slow_projection(picture: Any, layers: list[Any], unit: int) -> Any:
    """Loops over a stack of ("conv", weight, bias, stride, padding), ("relu",) and ("pool", size, stride, ceil)."""
    x, undo = picture.astype(np.float64), []
    for kind, *rest in layers:
        shape = x.shape
        if kind == "relu":
            undo.append((kind, shape, None))
            x = np.maximum(x, 0)
        elif kind == "conv":
            weight, bias, stride, padding = rest
            padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
            k = weight.shape[2]
            side = [(n - k) // stride + 1 for n in padded.shape[1:]]
            out = np.empty((len(weight), *side))
            for o in range(len(weight)):
                for i in range(side[0]):
                    for j in range(side[1]):
                        window = padded[:, i * stride : i * stride + k, j * stride : j * stride + k]
                        out[o, i, j] = (window * weight[o]).sum() + bias[o]
            undo.append((kind, shape, rest))
            x = out
        else:
            size, stride, _ = rest
            side = [-(-(n - size) // stride) + 1 for n in shape[1:]]
            out, where = np.empty((shape[0], *side)), {}
            for c in range(shape[0]):
                for i in range(side[0]):
                    for j in range(side[1]):
                        window = x[c, i * stride : i * stride + size, j * stride : j * stride + size]
                        di, dj = np.unravel_index(window.argmax(), window.shape)
                        where[c, i, j] = (c, i * stride + di, j * stride + dj)
                        out[c, i, j] = window.max()
            undo.append((kind, shape, where))
            x = out
    signal = np.zeros_like(x)
    place = (unit, *np.unravel_index(x[unit].argmax(), x[unit].shape))
    signal[place] = x[place]
    for kind, shape, rest in reversed(undo):
        if kind == "relu":
            signal = np.maximum(signal, 0)
        elif kind == "conv":
            weight, _, stride, padding = rest
            k = weight.shape[2]
            below = np.zeros((shape[0], shape[1] + 2 * padding, shape[2] + 2 * padding))
            for (o, i, j), value in np.ndenumerate(signal):
                below[:, i * stride : i * stride + k, j * stride : j * stride + k] += value * weight[o]
            signal = below[:, padding : padding + shape[1], padding : padding + shape[2]]
        else:
            below = np.zeros(shape)
            for place, target in rest.items():
                below[target] += signal[place]
            signal = below
    return signal.transpose(1, 2, 0)


def tiny_stack() -> tuple[Any, list[Any]]:
    """Two convolutions with overlapping ceil pooling between them, and the same as plain arrays."""
    with seeded(4, "weights"):
        stack = nn.Sequential()
        for name, layer in {
            "conv1": nn.Conv2d(3, 4, 3, 2, 1),
            "relu1": nn.ReLU(),
            "pool1": nn.MaxPool2d(3, 2, ceil_mode=True),
            "conv2": nn.Conv2d(4, 5, 2),
            "relu2": nn.ReLU(),
            "pool2": nn.MaxPool2d(2),
        }.items():
            stack.add_module(name, layer)
    first, second = (
        ("conv", stack[i].weight.detach().numpy().astype(float), stack[i].bias.detach().numpy().astype(float))
        for i in (0, 3)
    )
    return stack, [(*first, 2, 1), ("relu",), ("pool", 3, 2, True), (*second, 1, 0), ("relu",)]


def test_projections_equal_slow_loops_unit_by_unit() -> None:
    stack, layers = tiny_stack()
    picture = np.random.default_rng(0).normal(0, 1, (3, 15, 12)).astype(np.float32)
    tops = []
    for unit in range(5):
        found, pixels = deconvolve(stack, torch.from_numpy(picture), "conv2", unit)
        assert (found, pixels.shape, pixels.dtype) == (unit, (15, 12, 3), np.float32)
        np.testing.assert_allclose(pixels, slow_projection(picture, layers, unit), atol=1e-5)
        with torch.no_grad():
            tops.append(float(stack[:5](torch.from_numpy(picture)[None])[0, unit].max()))
    assert np.any(deconvolve(stack, torch.from_numpy(picture), "conv2", int(np.argmax(tops)))[1])
    assert deconvolve(stack, torch.from_numpy(picture), "conv2")[0] == int(np.argmax(tops))


def test_of_a_single_linear_layer_it_is_the_transposed_convolution() -> None:
    with seeded(1, "weights"):
        stack = nn.Sequential(nn.Conv2d(3, 6, 5, 3, 2, bias=False))
        picture = torch.randn(3, 20, 17)
    with torch.no_grad():
        maps = stack(picture[None])
        for unit in (0, 5):
            kept = torch.zeros_like(maps)
            kept[0, unit] = torch.where(maps[0, unit] == maps[0, unit].max(), maps[0, unit], 0.0)
            # 20 = 3 * 6 + 1 + 1 and 17 = 3 * 5 + 1 + 1: one row and one column that no window ends on.
            back = nn.functional.conv_transpose2d(kept, stack[0].weight, None, 3, 2, output_padding=(1, 1))
            pixels = deconvolve(stack, picture, "0", unit)[1]
            np.testing.assert_allclose(pixels, back[0].permute(1, 2, 0).numpy(), atol=1e-5)


class Rectified(torch.autograd.Function):  # type: ignore[misc,name-defined]
    """ReLU whose gradient is rectified itself, wherever the input was below zero."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.relu()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return gradient.relu()


def test_without_normalisation_it_is_backpropagation_with_relu_applied_to_the_gradient() -> None:
    stack, _ = tiny_stack()
    inputs = torch.randn(1, 3, 15, 12, generator=torch.Generator().manual_seed(3)).requires_grad_()
    x = inputs
    for layer in stack[:5]:
        x = Rectified.apply(x) if isinstance(layer, nn.ReLU) else layer(x)
    for unit in range(5):
        (gradient,) = torch.autograd.grad(0.5 * x[0, unit].max().square(), inputs, retain_graph=True)
        pixels = deconvolve(stack, inputs[0].detach(), "conv2", unit)[1]
        np.testing.assert_allclose(pixels, gradient[0].permute(1, 2, 0).numpy(), atol=1e-5)


def test_a_unit_that_is_not_lit_sees_nothing_and_foreign_names_are_refused() -> None:
    stack, _ = tiny_stack()
    with torch.no_grad():
        stack.conv2.bias[1] = -1000.0
    picture = torch.randn(3, 15, 12, generator=torch.Generator().manual_seed(0))
    assert not deconvolve(stack, picture, "conv2", 1)[1].any()
    for layer in ("conv3", "relu1"):
        with pytest.raises(BadInput, match=f"{layer}.*is no convolution .conv1, conv2"):
            deconvolve(stack, picture, layer)
    with pytest.raises(BadInput, match="has units 0 to 4"):
        deconvolve(stack, picture, "conv2", 5)


def test_a_fitted_network_explains_a_picture() -> None:
    classes = ClassList(tuple(f"n{i:08d}" for i in range(20)), tuple(f"class {i}" for i in range(20)))
    fitted = FittedZFNet(built(), system="zfnet", architecture=TINY.architecture(), classes=classes, view=TINY.view)
    picture = np.random.default_rng(0).integers(0, 256, (70, 130, 3), dtype=np.uint8)
    shown = fitted.explain(picture)
    assert len({title for title, _ in shown}) == len(shown) == 7
    assert [title.partition(" of ")[2][:5] for title, _ in shown[3:]] == ["conv2", "conv3", "conv4", "conv5"]
    for _, image in shown:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
    assert all(image.shape == (80, 80, 3) for _, image in (*shown[:2], *shown[3:]))
    assert fitted.view == View(96, 80, "bilinear", mean=TINY.view.mean, std=TINY.view.std)
    for wrong in (picture.astype(np.float32), picture[..., 0], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(BadInput, match="not uint8"):
            fitted.explain(wrong)
