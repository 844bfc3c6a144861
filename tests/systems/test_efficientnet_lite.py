"""The Lite weights: every tensor in its place, damage named, and the reference counts on real pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from topfive.dataset import import_source  # noqa: E402
from topfive.loading import Pictures  # noqa: E402
from topfive.records import BadInput, Dataset, View  # noqa: E402
from topfive.systems.models import open_model  # noqa: E402
from topfive.systems.weights import efficientnet_lite as lite  # noqa: E402
from topfive.systems.weights.filling import fill  # noqa: E402

NAMES = tuple(lite.LITES)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tests run side by side; threads that wait for each other on busy cores take ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def tensors(name: str) -> dict[str, Any]:
    pytest.importorskip(lite.LITES[name].package)
    return lite.read_tensors(lite.weights_file(name))


def network(name: str) -> Any:
    with torch.device("meta"):
        return timm.create_model(lite.LITES[name].network, pretrained=False)


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_has_its_place_and_every_place_its_tensor(name: str) -> None:
    renamed = lite.renamed(tensors(name), Path("file"))
    wanted = network(name).state_dict()
    assert list(renamed) == list(wanted)
    assert [tensor.shape for tensor in renamed.values()] == [tensor.shape for tensor in wanted.values()]
    assert len(renamed) == len(tensors(name))


def test_a_tensor_without_a_place_is_named() -> None:
    for stray in ("_blocks.0._squeeze.weight", "_blocks.99._bn1.bias", "_norm.weight", "weird"):
        with pytest.raises(BadInput, match=f"file: holds a tensor '{stray}'"):
            lite.renamed(tensors(NAMES[0]) | {stray: torch.zeros(1)}, Path("file"))


def test_nothing_is_loaded_where_something_does_not_fit() -> None:
    good = lite.renamed(tensors(NAMES[0]), Path("file"))
    for change, reason in (
        ({"bn1.bias": None}, "lacks the tensor 'bn1.bias'"),
        ({"bn1.bias": torch.zeros(31)}, r"has 'bn1.bias' of shape \[31\], not \[32\]"),
        ({"bn1.bias": torch.full((32,), torch.nan)}, "not finite"),
        ({"extra": torch.zeros(1)}, "holds a tensor 'extra'"),
    ):
        changed = {key: value for key, value in (good | change).items() if value is not None}
        empty = network(NAMES[0])
        with pytest.raises(BadInput, match=reason):
            fill(empty, changed, Path("file"))
        assert next(empty.parameters()).is_meta


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip(lite.LITES[NAMES[0]].package)
    path = lite.weights_file(NAMES[0])
    copy = tmp_path / path.name
    data = bytearray(path.read_bytes())
    data[1_000_000] ^= 1
    copy.write_bytes(bytes(data))
    with pytest.raises(BadInput, match="is damaged: its SHA-256 begins with"):
        lite.read_tensors(copy)
    with pytest.raises(BadInput, match="cannot be read as weights"):
        lite.read_tensors(tmp_path / "gone-57934424.pth")


def test_a_package_that_is_not_there_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(lite.LITES[NAMES[0]], package="efficientnet_lite9_pytorch_model")
    monkeypatch.setitem(lite.LITES, NAMES[0], missing)
    with pytest.raises(BadInput, match="pip install efficientnet-lite9-pytorch-model"):
        lite.open_lite(NAMES[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_folding_leaves_the_logits_as_they_are(name: str) -> None:
    plain = network(name)
    fill(plain.eval(), lite.renamed(tensors(name), Path("file")), Path("file"))
    pixels = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, 3, 96, 96)).astype(np.float32))
    folded = lite.open_lite(name)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        np.testing.assert_allclose(folded(pixels).numpy(), plain(pixels).numpy(), atol=1e-4)
        features = lite.open_lite(name, classifier=False)(pixels)
    assert features.shape == (2, lite.FEATURES)
    assert sum(p.numel() for p in plain.parameters()) == {"0": 4_652_008, "1": 5_416_680, "2": 6_092_072}[name[-1]]


@pytest.fixture(scope="module")
def samples(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    out = tmp_path_factory.mktemp("samples") / "set"
    import_source(shared / "data" / "imagenet-samples.tar", out)
    return Dataset.read(out)


def right(name: str, dataset: Dataset, **changes: Any) -> tuple[int, int]:
    """How many of the 500 real pictures are right first, and among the first five."""
    model = open_model(name)
    model.view = replace(model.view, **changes)
    rows = dataset.manifest.rows("val")
    truth = dataset.classes.positions_in(model.classes)[rows.class_index]
    scores = model.scores(Pictures(dataset, rows, labels=False))
    rank = (scores > scores[np.arange(len(truth)), truth][:, None]).sum(axis=1)
    return int((rank < 1).sum()), int((rank < 5).sum())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "counts"),
    [("efficientnet_lite0", (442, 486)), ("efficientnet_lite1", (441, 491)), ("efficientnet_lite2", (452, 494))],
)
def test_the_reference_view_gives_the_reference_counts(name: str, counts: tuple[int, int], samples: Dataset) -> None:
    tensors(name)
    assert right(name, samples) == counts


@pytest.mark.slow
def test_another_mean_and_deviation_cost_ten_points(samples: Dataset) -> None:
    tensors(NAMES[0])
    imagenet = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    assert right(NAMES[0], samples, **imagenet)[0] == 388


def test_the_views_are_those_of_the_weights() -> None:
    assert [lite.LITES[name].view for name in NAMES] == [View(256, 224), View(272, 240), View(292, 260)]
    assert {(lite.LITES[name].view.mean, lite.LITES[name].view.std) for name in NAMES} == {((0.5,) * 3, (0.5,) * 3)}
    assert lite.TRAINED_ON == "ILSVRC2012 train"
