"""Predictions of any size: in parts, resumed, shared by processes, checked, damaged pictures named."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toy.drawn import drawn_set

torch = pytest.importorskip("torch")

from topfive import flows  # noqa: E402
from topfive.records import BadInput, Dataset, Predictions, View, WorkFailed  # noqa: E402
from topfive.systems import runtimes  # noqa: E402

HERE = Path(__file__).parents[1]
BUILD = """
import torch
from topfive.records import ClassList, View
SHAPES = ("disc", "square", "triangle", "ring", "cross", "stripes")
CLASSES = ClassList(SHAPES, SHAPES)
VIEW = View(32, 28, "bilinear")

def build():
    generator = torch.Generator().manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(),
        torch.nn.Linear(128, 6),
    )
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
    return network
"""
PLAIN = flows.Inference(runtime="torch", check=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "model.py"
    path.write_text(BUILD)
    return f"py:{path}:build"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("sets") / "drawn", train=0, tune=0, val=10)


def damaged(dataset: Dataset, folder: Path, rows: list[int]) -> Dataset:
    """The same set, of which these pictures are cut to 40 bytes."""
    sizes = dataset.manifest.column("size").copy()
    sizes[rows] = 40
    made = replace(dataset, manifest=dataset.manifest.with_column("size", sizes))
    folder.mkdir()
    (folder / "pictures.bin").write_bytes((dataset.root / "pictures.bin").read_bytes())
    made.write(folder)
    return Dataset.read(folder)


def equal(a: Predictions, b: Predictions) -> bool:
    same = a.ids == b.ids and a.view == b.view and np.array_equal(a.top_index, b.top_index)
    assert a.logits is not None and b.logits is not None
    return same and np.array_equal(a.logits, b.logits)


def test_a_file_in_parts_is_what_is_predicted_at_once(model: str, dataset: Dataset, tmp_path: Path) -> None:
    made, timing = flows.predict(model, dataset, "val", how=PLAIN)
    out = tmp_path / "p.parquet"
    facts = flows.predict_file(model, dataset, "val", out, how=replace(PLAIN, part=7))
    assert facts is not None and facts["n"] == 60 and facts["n_resumed"] == 0
    assert equal(Predictions.read(out), made)
    assert list(tmp_path.iterdir()) == [out], "the parts are swept"
    assert timing["runtime"] == facts["runtime"] == "torch" and timing["n_problems"] == 0
    flows.predict_file(model, dataset, "val", out, how=PLAIN, keep_logits=False)
    assert Predictions.read(out).logits is None


def test_a_stopped_prediction_goes_on(model: str, dataset: Dataset, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.parquet", tmp_path / "p.parquet"
    how = replace(PLAIN, part=16, batch_size=16)
    flows.predict_file(model, dataset, "val", whole, how=how)
    seen: list[float] = []

    def stop(what: str, done: float, total: float | None, unit: str = "") -> None:
        if what == "predicting" and done > 40:
            raise KeyboardInterrupt
        seen.append(done)

    with pytest.raises(KeyboardInterrupt):
        flows.predict_file(model, dataset, "val", out, how=how, progress=stop)
    assert not out.exists()
    parts = tmp_path / ".p.parquet.parts"
    for number in (
        0,
        2,
    ):  # blocks hold 1,024 pictures, so a toy has no part yet: two are put there as a kill leaves them
        rows = Predictions.read(whole)
        at = np.arange(number * 8, number * 8 + 8)  # a small set has eight parts, so that processes can share it out
        part = replace(
            rows,
            ids=tuple(rows.ids[i] for i in at),
            top_index=rows.top_index[at],
            top_score=rows.top_score[at],
            logits=None if rows.logits is None else rows.logits[at],
        )
        part.write(parts / f"part-{number:06d}.parquet")
        (parts / f"part-{number:06d}.json").write_text("[]")
    facts = flows.predict_file(model, dataset, "val", out, how=replace(how, runtime="auto"))
    assert facts is not None and facts["n_resumed"] == 16 and facts["runtime"] == "torch"
    assert out.read_bytes() == whole.read_bytes()


def test_parts_of_something_else_are_refused(model: str, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    about = {"set": "x", "view": "v", "runtime": "torch"}
    runtimes.Parts(out, about, n=60, size=1_024).begin()
    with pytest.raises(BadInput, match=r"parts of another prediction: its classes is None.*Remove the folder"):
        flows.predict_file(model, dataset, "val", out, how=PLAIN)
    other = runtimes.Parts(out, about | {"view": "w"}, n=60, size=1_024)
    with pytest.raises(BadInput, match="its view is v, not w"):
        other.begin()


@pytest.mark.parametrize("crops", ["1-crop", "flip"])
def test_damaged_pictures_are_left_out_and_named(crops: str, model: str, dataset: Dataset, tmp_path: Path) -> None:
    broken = damaged(dataset, tmp_path / "set", [0, 17, 59])
    how = replace(PLAIN, part=1 if crops == "1-crop" else 16, crops=crops)
    whole, _ = flows.predict(model, dataset, "val", how=how)
    made, timing = flows.predict(model, broken, "val", how=how)
    gone = {broken.manifest.ids[i] for i in (0, 17, 59)}
    assert timing["n_problems"] == 3 and {problem["image_id"] for problem in timing["problems"]} == gone
    assert all("PNG" in problem["reason"] for problem in timing["problems"])
    keep = np.array([i not in (0, 17, 59) for i in range(60)])
    assert whole.logits is not None and made.logits is not None
    np.testing.assert_array_equal(made.logits, whole.logits[keep])
    facts = flows.predict_file(model, broken, "val", tmp_path / "p.parquet", how=how)
    assert facts is not None and facts["n"] == 57 and facts["problems"] == timing["problems"]
    assert equal(Predictions.read(tmp_path / "p.parquet"), made)
    result = flows.evaluate(model, broken, "val", how=how)
    assert result["n"] == 57 and result["n_problems"] == 3


def test_a_set_without_a_picture_that_decodes_is_refused(model: str, dataset: Dataset, tmp_path: Path) -> None:
    broken = damaged(dataset, tmp_path / "set", list(range(60)))
    with pytest.raises(BadInput, match="no picture that decodes"):
        flows.predict(model, broken, "val", how=PLAIN)
    with pytest.raises(BadInput, match="no picture that decodes"):
        flows.predict_file(model, broken, "val", tmp_path / "p.parquet", how=PLAIN)


def test_a_runtime_that_answers_otherwise_is_caught(
    model: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = runtimes.get("torch").build

    def broken(work: runtimes.Work, precision: str) -> Any:
        """Blue and red change places, as they do where a decoder's order is forgotten."""
        run = own(work, precision)
        return lambda batches, view: run((images[..., ::-1] for images in batches), view)

    monkeypatch.setattr(runtimes.get("torch"), "build", broken)
    how = flows.Inference(decoder="exact", runtime="torch")
    with pytest.raises(WorkFailed, match=r"runtime torch: its first guess is the reference path's on \d+ of 60"):
        flows.evaluate(model, dataset, "val", how=how)
    assert flows.evaluate(model, dataset, "val", how=replace(how, check=False))["n"] == 60


def test_the_fast_path_passes_its_check(model: str, dataset: Dataset) -> None:
    steps: list[str] = []
    how = flows.Inference(decoder="exact", runtime="torch")
    result = flows.evaluate(model, dataset, "val", how=how, progress=lambda what, *_: steps.append(what))
    assert "checking (fast path)" in steps and result["setup_s"] > 0
    assert (result["runtime"], result["precision"]) == ("torch", "fp32")


def test_functions_run_as_they_are(dataset: Dataset) -> None:
    from topfive.systems.models import OpenModel

    def run(batches: Any, view: View) -> Any:
        for images in batches:
            yield np.tile(images.mean((1, 2, 3))[:, None], (1, 6)) * np.arange(6)

    own = OpenModel("mine", run, dataset.classes, View(32, 28), runtime="python", contaminated="no")
    made, timing = flows.predict(own, dataset, "val")
    assert timing["runtime"] == "python" and (made.top_index[:, 0] == 5).all()
    with pytest.raises(BadInput, match=r"mine: holds no network .* runs on python"):
        flows.predict(own, dataset, "val", how=flows.Inference(runtime="openvino"))
    with pytest.raises(BadInput, match="no network"):
        flows.predict(own, dataset, "val", how=flows.Inference(precision="bf16"))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_any_number_of_processes_writes_the_same_file(
    runtime: str, model: str, dataset: Dataset, tmp_path: Path
) -> None:
    files = []
    for world in (1, 2, 3):
        out = tmp_path / f"{world}.parquet"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
        script = str(HERE / "systems" / "torchrun_predict.py")
        done = subprocess.run(
            [*command, script, model, str(dataset.root), str(out), runtime],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        files.append(out.read_bytes())
    assert files[0] == files[1] == files[2]
    assert len(Predictions.read(tmp_path / "3.parquet")) == 60
