"""Networks of timm and torchvision: weights from a file or a cache, what they are shown, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")

from safetensors.torch import save_file  # noqa: E402

from topfive.records import BadInput, ClassList, Dataset, View  # noqa: E402
from topfive.systems.models import OpenModel, open_model  # noqa: E402
from topfive.systems.models.kinds import timm as kind_timm  # noqa: E402
from topfive.systems.models.kinds import torchvision as kind_torchvision  # noqa: E402
from topfive.systems.weights import library_caches  # noqa: E402
from topfive.systems.weights.stated import statement  # noqa: E402
from topfive.taxonomy import ilsvrc_classes  # noqa: E402
from toy.drawn import drawn_set, pictures  # noqa: E402

SMALL = "test_resnet"
"""timm's own network for tests: 0.5 million parameters."""
THREE = ClassList(("a", "b", "c"), ("a", "b", "c"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=1, tune=1, val=1)


@pytest.fixture(scope="module")
def tensors() -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return dict(timm.create_model(SMALL).state_dict())


def opened(*args: Any, **kwargs: Any) -> OpenModel:
    model = open_model(*args, **kwargs)
    assert isinstance(model, OpenModel)
    return model


def test_a_timm_network_takes_its_weights_from_a_file(drawn: Dataset, tensors: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "small.safetensors"
    save_file({f"module.{name}": tensor.contiguous() for name, tensor in tensors.items()}, file)
    before = torch.random.get_rng_state()
    model = opened(f"timm:{SMALL}", weights=file)
    assert torch.equal(torch.random.get_rng_state(), before)
    config = timm.data.resolve_data_config({}, model=timm.create_model(SMALL))
    assert model.view.crop_px == config["input_size"][-1]
    assert model.view.mean == tuple(config["mean"])
    assert model.contaminated == "unknown"
    reference = timm.create_model(SMALL).eval()
    reference.load_state_dict(tensors)
    val = pictures(drawn, "val", labels=False)
    pixels = (val.arrays(model.view) / 255 - model.view.mean) / model.view.std
    with torch.inference_mode():
        expected = reference(torch.from_numpy(pixels).float().permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(model.scores(val), expected, atol=1e-3)
    assert opened(f"timm:{SMALL}", weights=file, view=View(64, 64)).view == View(64, 64)


def test_a_file_that_states_its_classes_and_view_needs_neither(tmp_path: Path) -> None:
    view = View(40, 32, mean=(0.1, 0.2, 0.3))
    with torch.random.fork_rng(devices=[]):
        kept = timm.create_model(SMALL, num_classes=3).state_dict()
    file = tmp_path / "three.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in kept.items()}, file, metadata=statement(THREE, view))
    model = opened(f"timm:{SMALL}", weights=file)
    assert (model.classes, model.view) == (THREE, view)
    assert model.network.num_classes == 3
    with pytest.raises(BadInput, match="has learnt 3 classes, not 1000"):
        open_model(f"timm:{SMALL}", weights=file, classes=ilsvrc_classes())
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=3)
    save_file(network.state_dict(), file, metadata=statement(THREE, view))
    other = opened("torchvision:squeezenet1_1", weights=file)
    assert (other.classes, other.view, other.contaminated) == (THREE, view, "unknown")


@pytest.mark.parametrize(
    ("changed", "classes", "reason"),
    [
        (
            {"conv1.0.weight": None, "stray": torch.zeros(1)},
            None,
            "lacks the tensor 'conv1.0.weight'. It holds a tensor 'st",
        ),
        ({"fc.weight": torch.zeros(1001, 1), "fc.bias": torch.zeros(1001)}, None, "other shapes"),
        ({}, THREE, "is for 1000 classes, not 3"),
    ],
)
def test_a_file_that_does_not_fit_is_named(
    changed: dict[str, Any], classes: ClassList | None, reason: str, tensors: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "small.safetensors"
    first = next(iter(tensors))
    given = {
        name: tensor.contiguous()
        for name, tensor in (
            tensors | {first if key == "conv1.0.weight" else key: v for key, v in changed.items()}
        ).items()
        if tensor is not None
    }
    save_file(given, file)
    with pytest.raises(BadInput, match=reason.replace("conv1.0.weight", first)):
        open_model(f"timm:{SMALL}", weights=file, classes=classes)


def test_a_background_class_is_suspected_by_name(tensors: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "small.safetensors"
    head = {
        name: torch.zeros(1001, *tensor.shape[1:])
        for name, tensor in tensors.items()
        if tensor.ndim and len(tensor) == 1000
    }
    save_file({name: tensor.contiguous() for name, tensor in (tensors | head).items()}, file)
    with pytest.raises(BadInput, match=r"is for 1001 classes \(a background class besides\?\), not 1000"):
        open_model(f"timm:{SMALL}", weights=file)


def test_forms_that_timm_itself_converts_are_converted(tmp_path: Path) -> None:
    given = {name: tensor.contiguous() for name, tensor in timm.create_model("test_vit").state_dict().items()}
    patches = given["patch_embed.proj.weight"]
    flat = given | {"patch_embed.proj.weight": patches.reshape(len(patches), -1).contiguous()}
    save_file(flat, tmp_path / "vit.safetensors")
    network = opened("timm:test_vit", weights=tmp_path / "vit.safetensors").network
    assert torch.equal(network.patch_embed.proj.weight, patches)
    save_file(flat | {"stray": torch.zeros(1)}, tmp_path / "vit.safetensors")
    with pytest.raises(BadInput, match="holds a tensor 'stray' that no layer takes"):
        open_model("timm:test_vit", weights=tmp_path / "vit.safetensors")


def test_a_timm_model_without_weights_or_of_no_such_name_is_refused(
    tensors: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_caches, "from_hub", lambda *args, **kwargs: None)
    monkeypatch.setattr(library_caches, "from_url", lambda *args, **kwargs: None)
    with pytest.raises(
        BadInput, match=r"nothing is downloaded\. Add --download, or fetch timm/resnet18\.a1_in1k yourself"
    ):
        open_model("timm:resnet18")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match="Nearest: resnet18"):
        open_model("timm:resnet18x", weights=tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_text("no tensors")
    with pytest.raises(BadInput, match=r"a\.safetensors: cannot be read as safetensors"):
        open_model(f"timm:{SMALL}", weights=tmp_path / "a.safetensors")


def test_what_the_library_has_fetched_is_found(
    tensors: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    asked = []

    def from_hub(repository: str, files: Any, *, download: bool) -> Path:
        asked.append((repository, download))
        return file

    monkeypatch.setattr(library_caches, "from_hub", from_hub)
    assert opened(f"timm:{SMALL}").contaminated == "likely", "timm's own weights have learnt from ImageNet"
    assert opened(f"timm:{SMALL}", download=True).network is not None
    assert [repository for repository, _ in asked] == [f"timm/{SMALL}.r160_in1k"] * 2
    assert asked[0][1] is False


def test_torchvisions_cache_is_asked_and_its_digest_must_be_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = torchvision.models.squeezenet1_1(weights=None)
    name = Path(torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url).name
    torch.save(network.state_dict(), tmp_path / name)
    monkeypatch.setattr(library_caches, "from_url", lambda url, **_: tmp_path / name if url.endswith(name) else None)
    with pytest.raises(BadInput, match="is damaged: its SHA-256 begins with"):
        open_model("torchvision:squeezenet1_1")
    copy = tmp_path / "mine.pth"
    shutil.copy(tmp_path / name, copy)
    model = opened("torchvision:squeezenet1_1", weights=copy)
    assert model.view == View(256, 224, "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert model.classes == ilsvrc_classes()
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    shown = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.transforms()
    with torch.inference_mode():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        expected = network.eval()(torchvision.transforms.functional.normalize(pixels / 255, shown.mean, shown.std))
    (found,) = model.run(iter([images]), model.view)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_torchvision_refuses_what_it_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_caches, "from_url", lambda *args, **kwargs: None)
    for spec, reason in (
        ("resnet81", "is no network of torchvision. Nearest: resnet18"),
        ("resnet50/V9", "has no weights 'V9'. Tags: IMAGENET1K_V1, IMAGENET1K_V2"),
        (
            "resnet50/IMAGENET1K_V1",
            "Add --download, or fetch https://download.pytorch.org/models/resnet50-0676ba61.pth",
        ),
        ("vgg16/IMAGENET1K_FEATURES", "has no weights 'IMAGENET1K_FEATURES'. Tags: IMAGENET1K_V1"),
    ):
        with pytest.raises(BadInput, match=reason):
            open_model(f"torchvision:{spec}")


def test_every_classifier_of_torchvision_has_a_view() -> None:
    for name in torchvision.models.list_models(module=torchvision.models):
        for entry in kind_torchvision._published(name, name, ""):
            view = kind_torchvision.view_of(entry, name)
            assert view.crop_px <= view.resize_px


def test_the_view_of_a_timm_network_is_the_one_timm_evaluates_with() -> None:
    network = timm.create_model("resnet18")
    assert kind_timm.view_of(network) == View(
        235, 224, "bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
