"""GoogLeNet against its paper: counts, maps, heads; and against torchvision's once that has the paper's parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from topfive.records import BadInput
from topfive.systems import get

torch = pytest.importorskip("torch")

from topfive.systems.engine.chance import seeded  # noqa: E402
from topfive.systems.engine.fitted import head_name  # noqa: E402
from topfive.systems.features.response_norm import ResponseNorm  # noqa: E402
from topfive.systems.googlenet import PUBLISHED, TABLE, TINY, GoogLeNet, Head, Inception  # noqa: E402

nn = torch.nn
functional = nn.functional


def built(recipe: Any = TINY, n_classes: int = 20, **changed: Any) -> Any:
    with seeded(0, "weights"):
        return GoogLeNet(n_classes, **{**recipe.architecture(), **changed}).eval()


def test_published_counts() -> None:
    system = get("googlenet")
    with torch.device("meta"):
        network, trained = system.network(), built(PUBLISHED, 1000)  # type: ignore[misc]
    adds = 0

    def count(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal adds
        adds += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    network.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters == system.n_parameters == 6_998_552
    assert round(adds / 1e9, 3) == 1.583
    heads = sum(p.numel() for p in trained.heads.parameters())
    assert heads == 6_379_728
    assert sum(p.numel() for p in trained.parameters()) == parameters + heads


def test_maps_have_the_sizes_of_table_1() -> None:
    with torch.device("meta"):
        network = built(PUBLISHED, 1000)
    shapes = {}
    for name, layer in network.named_modules():
        layer.register_forward_hook(
            lambda layer, x, output, name=name: shapes.update({name: (tuple(x[0].shape[1:]), tuple(output.shape[1:]))})
        )
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert shapes["conv1"][1] == (64, 112, 112)
    assert shapes["norm1"][1] == (64, 56, 56)
    assert shapes["norm2"][1] == (192, 56, 56)
    outputs = {name: shapes[f"inception.{name}"][1] for name in TABLE}
    assert outputs == {
        "3a": (256, 28, 28),
        "3b": (480, 28, 28),
        "4a": (512, 14, 14),
        "4b": (512, 14, 14),
        "4c": (512, 14, 14),
        "4d": (528, 14, 14),
        "4e": (832, 14, 14),
        "5a": (832, 7, 7),
        "5b": (1024, 7, 7),
    }
    assert shapes["inception.3a"][0] == (192, 28, 28)
    assert shapes["fc"] == ((1024,), (1000,))
    assert {name: head.fc1.in_features for name, head in network.heads.items()} == {"4a": 2048, "4d": 2048}


@pytest.mark.parametrize("recipe", [PUBLISHED, TINY], ids=["published", "tiny"])
def test_every_part_of_the_paper_is_there(recipe: Any) -> None:
    recipe.check()
    with torch.device("meta"):
        network = built(recipe)
    assert isinstance(network.norm1, ResponseNorm)
    assert isinstance(network.norm2, ResponseNorm)
    assert list(network.heads) == ["4a", "4d"]
    assert recipe.auxiliary == 0.3
    assert recipe.average_decay > 0
    for module in network.inception.values():
        assert [layer.kernel_size[0] for layer in module.children()] == [1, 1, 3, 1, 5, 1]
    assert not [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert head_name(network) == "fc", "the auxiliary heads stand before the last layer"
    assert network.dropout.p > 0
    assert all(head.dropout.p > 0 for head in network.heads.values())
    assert (PUBLISHED.dropout, PUBLISHED.head_dropout) == (0.4, 0.7)


def test_heads_answer_in_training_only_and_change_no_answer() -> None:
    network, bare = built(dropout=0.0, head_dropout=0.0), built(heads=False)
    bare.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("heads.")}, strict=True)
    x = 60 * torch.randn(3, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = network(x)
        answers = network.train()(x)
        assert [tuple(answer.shape) for answer in answers] == [(3, 20)] * 3
        assert torch.equal(answers[0], logits)
        assert torch.equal(bare(x), logits)
        assert bare(torch.zeros(1, 3, 131, 97)).shape == (1, 20), "without full layers any size will do"


def test_a_head_by_hand() -> None:
    with seeded(1, "weights"):
        head, x = Head(6, 14, 4, 8, 0.7, 3).eval(), torch.randn(2, 6, 14, 14)
    means = torch.stack([x[:, :, i : i + 5, j : j + 5].mean((2, 3)) for i in (0, 3, 6, 9) for j in (0, 3, 6, 9)], dim=2)
    thin = torch.einsum("ncp,oc->nop", means, head.conv.weight[:, :, 0, 0]) + head.conv.bias[:, None]
    hidden = (thin.relu().flatten(1) @ head.fc1.weight.T + head.fc1.bias).relu()
    torch.testing.assert_close(head(x), hidden @ head.fc2.weight.T + head.fc2.bias, rtol=1e-4, atol=1e-5)


def test_a_module_is_its_four_branches_side_by_side() -> None:
    with seeded(2, "weights"):
        module, x = Inception(5, (2, 3, 4, 1, 2, 3)), torch.randn(2, 5, 6, 7)
    found = module(x)
    branches = (
        module.one(x),
        module.three(module.thin3(x).relu()),
        module.five(module.thin5(x).relu()),
        module.pooled(functional.max_pool2d(x, 3, 1, 1)),
    )
    torch.testing.assert_close(found, torch.cat([branch.relu() for branch in branches], 1))
    assert found.shape == (2, 11, 6, 7)


def _as_published(model: Any, ours: Any) -> None:
    """Give torchvision's network our weights, and the paper's parts where it has others."""

    def unit(layer: Any) -> Any:
        return nn.Sequential(layer, nn.ReLU())

    model.conv1, model.conv2, model.conv3 = unit(ours.conv1), unit(ours.thin2), unit(ours.conv2)
    model.maxpool1 = nn.Sequential(model.maxpool1, nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0))
    model.maxpool2 = nn.Sequential(nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), model.maxpool2)
    model.maxpool4 = nn.MaxPool2d(3, 2, ceil_mode=True)
    for name, module in ours.inception.items():
        theirs = getattr(model, f"inception{name}")
        theirs.branch1 = unit(module.one)
        theirs.branch2 = nn.Sequential(unit(module.thin3), unit(module.three))
        theirs.branch3 = nn.Sequential(unit(module.thin5), unit(module.five))
        theirs.branch4 = nn.Sequential(theirs.branch4[0], unit(module.pooled))
    model.fc = ours.fc


@pytest.mark.slow
def test_every_module_equals_torchvisions_with_the_papers_parts() -> None:
    models = pytest.importorskip("torchvision.models")
    ours = built(PUBLISHED, 7)
    with torch.device("meta"):
        model = models.GoogLeNet(num_classes=7, aux_logits=False, init_weights=False).eval()
    _as_published(model, ours)
    model.eval()
    outputs: dict[str, list[Any]] = {}
    for network, prefix in ((model, "inception"), (ours, "inception.")):
        for name in TABLE:
            network.get_submodule(prefix + name).register_forward_hook(
                lambda layer, x, output, name=name: outputs.setdefault(name, []).append(output)
            )
    pictures = 60 * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(ours(pictures), model(pictures), rtol=1e-4, atol=1e-5)
    assert list(outputs) == list(TABLE)
    for theirs, found in outputs.values():
        torch.testing.assert_close(found, theirs, rtol=1e-3, atol=1e-4)
        assert float(found.std()) > 1e-3


def test_initial_weights_vary_by_one_over_their_inputs_and_no_answer_is_sure() -> None:
    network = built(PUBLISHED, 1000)
    weight = network.inception["4e"].three.weight.detach()
    assert float(weight.std()) == pytest.approx((9 * 160) ** -0.5, rel=0.01)
    biases = {name: float(p.detach().mean()) for name, p in network.named_parameters() if name.endswith("bias")}
    zero = [name for name, value in biases.items() if value == 0]
    assert zero == ["heads.4a.fc2.bias", "heads.4d.fc2.bias", "fc.bias"]
    assert all(value == pytest.approx(0.2) for name, value in biases.items() if name not in zero)
    with torch.inference_mode():
        logits = network(60 * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)))
    assert 1e-3 < float(logits.std()) < 2


@pytest.mark.parametrize(
    "changed", [{"modules": ("3a", "6a")}, {"modules": ()}, {"modules": ("4a", "3a")}, {"width": 0.0}]
)
def test_modules_that_cannot_be_built_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=f"recipe, {next(iter(changed))}: cannot build"):
        built(replace(TINY, **changed))
