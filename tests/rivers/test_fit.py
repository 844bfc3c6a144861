"""From a landmark's name to a run folder: told, resumed, begun with another run, exported, shared by processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from topfive import flows
from topfive.records import BadInput, Dataset, Run
from toy.drawn import drawn_set, pictures

torch = pytest.importorskip("torch")

QUICK = {"epochs": "2", "width": "4", "blocks": "1,1,1,1"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=16, tune=0, val=6, px=56)


def options(**settings: str) -> flows.Options:
    return flows.Options(settings=QUICK | settings, seed=2)


@pytest.fixture(scope="module")
def run(drawn: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "resnet"
    flows.fit_system("resnet", drawn, out, options=options())
    return out


@pytest.mark.slow
def test_a_run_folder_holds_what_was_told(run: Path) -> None:
    told = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in told] == [1, 2]
    assert all(0 <= row["waiting_share"] <= 1 for row in told)
    assert list((run / "tensorboard").iterdir())
    assert not [path for path in run.parent.iterdir() if path.name.startswith(".")], "nothing is left beside it"


@pytest.mark.slow
def test_a_killed_command_goes_on_and_gives_the_same_weights(run: Path, drawn: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "resnet"
    settings = [f"--set={key}={value}" for key, value in (QUICK | {"epochs": "40"}).items()]
    command = [sys.executable, "-m", "topfive", "train", "resnet", str(drawn.root), "--out", str(out), "--seed", "2"]
    command += [*settings, "--set=checkpoint_minutes=0"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as first:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".resnet-*.fit/checkpoints/step-*3.json")):
            assert time.monotonic() < deadline
            assert first.poll() is None
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
    assert not out.exists()
    subprocess.run(command, check=True, capture_output=True)
    assert Run.read(out / "run.json").notes["resumed"] is True
    whole = tmp_path / "whole"
    flows.fit_system("resnet", drawn, whole, options=options(epochs="40", checkpoint_minutes="0"))
    same = (whole / "weights" / "weights.safetensors").read_bytes()
    assert (out / "weights" / "weights.safetensors").read_bytes() == same
    steps = [json.loads(line)["epoch"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 41))


@pytest.mark.slow
def test_a_fit_begins_with_another_runs_weights(run: Path, drawn: Dataset, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    probe = flows.Options(settings=QUICK | {"freeze": "true", "layer_decay": "0.5"}, seed=3, init=run)
    made = flows.fit_system("resnet", drawn, tmp_path / "probe", options=probe)
    assert made.recipe["init"] == Run.read(run / "run.json").run_id
    before, after = (load_file(folder / "weights" / "weights.safetensors") for folder in (run, tmp_path / "probe"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"fc.weight", "fc.bias"}, "only the last layer learns"
    with pytest.raises(BadInput, match=r"has another network: .* is of shape"):
        other = flows.Options(settings=QUICK | {"width": "6"}, init=run)
        flows.fit_system("resnet", drawn, tmp_path / "other", options=other)
    with pytest.raises(BadInput, match="begins with no other run"):
        flows.fit_system("sift_fisher", drawn, tmp_path / "fisher", options=flows.Options(init=run))


@pytest.mark.slow
def test_an_exported_network_answers_the_same(run: Path, drawn: Dataset, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    facts = flows.export(run, tmp_path / "network.onnx")
    assert facts["largest_difference"] < 1e-4
    from topfive.systems.engine.pixels import floats
    from topfive.systems.models import open_model
    from topfive.systems.predict import load_fitted
    from topfive.systems.weights.reading import read_weights

    fitted, _ = load_fitted(run)
    val = pictures(drawn, "val", labels=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    inputs = floats(val.arrays(fitted.view), fitted.view).contiguous().numpy()
    np.testing.assert_allclose(session.run(None, {"pixels": inputs})[0], fitted.scores(val), atol=1e-4)
    opened = open_model(f"onnx:{tmp_path / 'network.onnx'}")
    assert (opened.classes, opened.view) == (fitted.classes, fitted.view), "the file says so"
    np.testing.assert_allclose(opened.scores(val), fitted.scores(val), atol=1e-4)
    assert flows.export(run, tmp_path / "network.safetensors")["bytes"] > 1000
    stated = read_weights(tmp_path / "network.safetensors").stated
    assert (stated.classes, stated.view) == (fitted.classes, fitted.view)
    with pytest.raises(BadInput, match="no known ending"):
        flows.export(run, tmp_path / "network.pt")


@pytest.mark.slow
def test_torchrun_makes_one_run_folder(drawn: Dataset, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "topfive"]
    settings = [f"--set={key}={value}" for key, value in QUICK.items()]
    done = subprocess.run(
        [*command, "train", "resnet", str(drawn.root), "--out", str(tmp_path / "run"), "--json", *settings],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    run = Run.read(tmp_path / "run" / "run.json")
    assert json.loads(done.stdout)["run"] == run.run_id, "one process tells, once"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
def test_more_crops_have_another_fingerprint(run: Path, drawn: Dataset) -> None:
    one, _ = flows.predict(str(run), drawn, "val")
    ten, timing = flows.predict(str(run), drawn, "val", how=flows.Inference(crops="10-crop"))
    assert timing["crops"] == "10-crop"
    assert one.view != ten.view
    assert one.ids == ten.ids


@pytest.mark.parametrize("setting", ["lr=nan", "lr=inf", "epochs=0", "width=-4", "width=x", "colour=1", "stem=5"])
def test_settings_that_cannot_be_are_refused_and_leave_nothing(setting: str, drawn: Dataset, tmp_path: Path) -> None:
    key, _, value = setting.partition("=")
    with pytest.raises(BadInput):
        flows.fit_system("resnet", drawn, tmp_path / "run", options=flows.Options(settings={key: value}))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_fits_of_one_run_do_not_meet(drawn: Dataset, tmp_path: Path) -> None:
    from topfive.flows.fit import _alone, fit, plan_fit

    plan = plan_fit("resnet", drawn, options=options())
    with _alone(tmp_path / f".{plan.run.run_id}.fit"):
        with pytest.raises(BadInput, match="another process"):
            fit(plan, tmp_path / "run")
    fit(plan, tmp_path / "run")


def test_memory_and_checkpoints_are_no_part_of_a_runs_id(drawn: Dataset) -> None:
    from topfive.flows.fit import plan_fit

    ids = {
        plan_fit("resnet", drawn, options=options(**settings)).run.run_id
        for settings in ({}, {"cache_mb": "1"}, {"checkpoint_minutes": "3"})
    }
    assert len(ids) == 1


@pytest.mark.slow
def test_members_with_unlike_crops_are_tested_with_ten(drawn: Dataset, tmp_path: Path) -> None:
    flows.fit_system("resnet", drawn, tmp_path / "a", options=options())
    flows.fit_system("alexnet", drawn, tmp_path / "b", options=flows.Options(settings={"epochs": "1", "stem": "9,2,0"}))
    members = ",".join(str(tmp_path / name) for name in "ab")
    flows.fit_system("ensemble", drawn, tmp_path / "both", options=flows.Options(settings={"members": members}))
    made, _ = flows.predict(str(tmp_path / "both"), drawn, "val", how=flows.Inference(crops="10-crop"))
    assert len(made) == 36
