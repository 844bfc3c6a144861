"""Predict and score in one go: going on after a kill, in flat memory, shared by processes, alike on any number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topfive import flows
from topfive.records import (
    BadInput,
    ClassList,
    Dataset,
    Manifest,
    Predictions,
    Truth,
    View,
    WorkFailed,
    lay_down,
    mapped,
)
from topfive.scoring import details
from topfive.systems import runtimes
from topfive.taxonomy import ilsvrc_classes
from toy.drawn import SHAPES, drawn_set

MODEL = """
import os, signal
from pathlib import Path
import numpy as np
from topfive.records import ClassList, View
SHAPES = ("disc", "square", "triangle", "ring", "cross", "stripes")
CLASSES = ClassList(SHAPES, SHAPES)
VIEW = View(16, 14, "bilinear")
LEFT = Path(__file__).with_name("left")
FAILS = Path(__file__).with_name("fails")

def build():
    weights = np.random.default_rng(1).normal(size=(14 * 14 * 3, 6)).astype("f4")
    seen = 0

    def run(images):
        nonlocal seen
        seen += len(images)
        if LEFT.exists() and seen > int(LEFT.read_text()):
            os.kill(os.getpid(), signal.SIGKILL)
        if FAILS.exists() and FAILS.read_text() == os.environ.get("RANK", "0"):
            raise RuntimeError("out of patience")
        return np.stack([row.reshape(-1).astype("f4") @ weights / 255 for row in images])

    return run
"""
N = 3_000
PLAIN = flows.Inference(batch_size=64)
TIMING = ("seconds", "setup_s", "images_per_s", "n_resumed", "n_processes")


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model" / "model.py"
    path.parent.mkdir()
    path.write_text(MODEL)
    return f"py:{path}:build"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three thousand pictures, each of sixty many times, two of which do not decode."""
    few = drawn_set(tmp_path_factory.mktemp("sets") / "drawn", train=0, tune=0, val=10, px=20)
    return repeated(few, N, bad=(17, 2_900))


def repeated(few: Dataset, n: int, bad: tuple[int, ...] = ()) -> Dataset:
    at = np.arange(n) % len(few.manifest)
    size = few.manifest.column("size")[at].copy()
    size[list(bad)] = 30
    columns: dict[str, Any] = {name: few.manifest.column(name)[at] for name in ("offset", "class_index")}
    columns |= {"image_id": [f"p{i:06d}" for i in range(n)], "container": ["pictures.bin"] * n, "size": size}
    columns |= {"split": ["val"] * n}
    made = Dataset(few.root, Manifest.from_columns(columns, few.classes))
    made.write(few.root)
    return Dataset.read(few.root)


def numbers(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in TIMING}


def stopping(after: int) -> Callable[..., None]:
    def stop(what: str, done: float, total: float | None, unit: str = "") -> None:
        if what == "predicting" and done > after:
            raise KeyboardInterrupt

    return stop


def test_it_leaves_what_predict_leaves(model: str, dataset: Dataset, tmp_path: Path) -> None:
    out, other = tmp_path / "p.parquet", tmp_path / "q.parquet"
    result = flows.evaluate(model, dataset, how=replace(PLAIN, predictions=out))
    facts = flows.predict_file(model, dataset, "val", other, how=PLAIN)
    assert facts is not None and out.read_bytes() == other.read_bytes()
    assert result["n"] == facts["n"] == N - 2 and result["predictions"] == str(out)
    assert {problem["image_id"] for problem in result["problems"]} == {"p000017", "p002900"}
    told = flows.score_file(out, Path(dataset.root), split="val") if not result["n_problems"] else None
    assert told is None or told["top1_error"] == result["top1_error"]
    assert not list(tmp_path.glob(".*")), "the parts are swept"


@pytest.mark.parametrize("place", ["out", "page", "cache"])
def test_a_stopped_evaluation_goes_on(place: str, model: str, dataset: Dataset, tmp_path: Path) -> None:
    def run(folder: Path, progress: Any = lambda *_: None) -> dict[str, Any]:
        how = replace(PLAIN, predictions=folder / "p.parquet") if place == "out" else PLAIN
        how = replace(how, cache=folder / "cache") if place == "cache" else how
        page = flows.Page(folder / "page.html") if place == "page" else None
        return flows.evaluate(model, dataset, how=how, page=page, progress=progress)

    whole = run(tmp_path / "whole")
    for after in (1_500, 1_500):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut", stopping(after))
    result = run(tmp_path / "cut")
    assert result["n_resumed"] == 1_500, "two parts of 375 were whole, then two more"
    files = {name: (tmp_path / "cut" / name) for name in ("p.parquet", "page.html")}
    same = ("report", "predictions")
    assert {k: v for k, v in numbers(result).items() if k not in same} == {
        k: v for k, v in numbers(whole).items() if k not in same
    }
    for name, file in files.items():
        assert not file.exists() or file.read_bytes() == (tmp_path / "whole" / name).read_bytes()
    left = [path for path in (tmp_path / "cut").rglob("*") if path.is_file()]
    assert left == [file for file in files.values() if file.exists()], "nothing else is left"


def test_what_fails_after_the_last_prediction_is_not_predicted_again(
    model: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topfive import scoring

    def broken(*_: Any, **__: Any) -> Any:
        raise WorkFailed("no more")

    how = replace(PLAIN, predictions=tmp_path / "p.parquet")
    with monkeypatch.context() as patch, pytest.raises(WorkFailed, match="no more"):
        patch.setattr(scoring, "score", broken)
        flows.evaluate(model, dataset, how=how)
    result = flows.evaluate(model, dataset, how=how)
    assert result["n_resumed"] == N
    assert flows.evaluate(model, dataset, how=how)["n_resumed"] == 0, "what was ended is computed anew"


@pytest.mark.parametrize("changed", ["model", "view", "precision", "set", "note"])
def test_parts_of_another_evaluation_are_not_mixed_in(
    changed: str, model: str, dataset: Dataset, tmp_path: Path
) -> None:
    def run(how: flows.Inference, given: Dataset = dataset, progress: Any = lambda *_: None) -> Any:
        return flows.evaluate(model, given, how=how, progress=progress)

    out = tmp_path / "p.parquet"
    how = replace(PLAIN, predictions=out)
    with pytest.raises(KeyboardInterrupt):
        run(how, progress=stopping(1_500))
    given = dataset
    if changed == "model":
        file = Path(model.split(":")[1])
        file.write_text(MODEL.replace("default_rng(1)", "default_rng(2)"))
    elif changed == "view":
        how = replace(how, view=View(18, 14, "bilinear"))
    elif changed == "note":
        (tmp_path / ".p.parquet.parts" / "about.json").write_text("{")
    elif changed == "precision":
        about = json.loads((tmp_path / ".p.parquet.parts" / "about.json").read_text())
        (tmp_path / ".p.parquet.parts" / "about.json").write_text(json.dumps(about | {"precision": "bf16"}))
    else:
        given = replace(dataset, manifest=dataset.manifest.take(np.arange(N) != 3))
    result = run(how, given)
    assert result["n_resumed"] == 0
    fresh = run(replace(how, predictions=tmp_path / "fresh.parquet"), given)
    assert out.read_bytes() == (tmp_path / "fresh.parquet").read_bytes()
    assert fresh["top1_error"] == result["top1_error"]


def test_a_mistake_is_said_before_the_work(model: str, dataset: Dataset, tmp_path: Path) -> None:
    seen: list[str] = []

    def told(what: str, *_: Any) -> None:
        seen.append(what)

    with pytest.raises(BadInput, match="'nonsense' is no truth and no file"):
        flows.evaluate(model, dataset, how=PLAIN, against=flows.Against(("nonsense",)), progress=told)
    with pytest.raises(BadInput, match="is a folder"):
        flows.evaluate(model, dataset, how=replace(PLAIN, predictions=tmp_path), progress=told)
    assert "predicting" not in seen


def test_parts_are_held_against_other_programs(model: str, dataset: Dataset, tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "p.parquet"
    (tmp_path / ".p.parquet.parts").mkdir()
    handle = os.open(tmp_path / ".p.parquet.parts", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(BadInput, match="by another process"):
        flows.evaluate(model, dataset, how=replace(PLAIN, predictions=out))
    os.close(handle)
    assert flows.evaluate(model, dataset, how=replace(PLAIN, predictions=out))["n"] == N - 2


def test_a_model_that_fails_is_named(model: str, dataset: Dataset, tmp_path: Path) -> None:
    Path(model.split(":")[1]).with_name("fails").write_text("0")
    with pytest.raises(WorkFailed, match=r"model\.py:build: fails .*RuntimeError: out of patience"):
        flows.evaluate(model, dataset, how=replace(PLAIN, predictions=tmp_path / "p.parquet"))
    assert not (tmp_path / "p.parquet").exists()


def test_scoring_makes_no_array_of_all_logits(tmp_path: Path) -> None:
    """4,000 x 1,000 logits are 16 MB: calibration, details, the page and a limit to 200 classes take a fraction."""
    classes, n = ilsvrc_classes(), 4_000
    ids = tuple(f"p{i:06d}" for i in range(n))
    labels = (np.arange(n) % 200 * 5).astype(np.int32)
    some = ClassList(classes.wnids[::5], classes.names[::5])
    truths = {False: Truth.single(ids, labels, classes), True: Truth.single(ids, labels // 5, some)}
    block = np.random.default_rng(0).normal(0, 2, (1_000, 1_000)).astype(np.float32)

    def scored(m: int, restrict: bool) -> None:
        made = Predictions.from_logits(ids[:m], mapped(tmp_path / "logits", 1_000), classes)
        assert made.logits is not None and not made.logits.flags.owndata
        truth = truths[restrict].take(np.arange(m))
        found = (details(made, truth, restrict=restrict, n_resamples=5),)
        flows.report_result(made, (truth,), found, flows.Page(tmp_path / "page.html"))
        assert found[0].calibration is not None and found[0].selective is not None

    def measured(m: int, restrict: bool) -> int:
        lay_down(tmp_path / "logits", (np.roll(block, i, axis=1) for i in range(m // 1_000)))
        scored(m, restrict)  # what is imported and compiled is not counted, nor traced, which takes its time
        tracemalloc.start()
        scored(m, restrict)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    for restrict in (False, True):
        few = measured(1_000, restrict)
        assert measured(n, restrict) - few < 16e6 / 4


def test_probabilities_on_disk_are_undone_as_they_are_read(tmp_path: Path) -> None:
    from topfive.scoring.softmax import as_logits, softmax

    p = np.random.default_rng(0).dirichlet(np.ones(50), 3_000).astype(np.float32)
    lay_down(tmp_path / "p", [p])
    held, _ = as_logits(p)
    read, undone = as_logits(mapped(tmp_path / "p", 50))
    assert undone and np.array_equal(softmax(read).log_sum, softmax(held).log_sum)


def evaluated(folder: Path, *arguments: str, world: int = 0, env: dict[str, str] | None = None) -> Any:
    folder.mkdir(exist_ok=True)
    run = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"] if world else []
    command = [sys.executable, *run, "-m", "topfive", "evaluate", *arguments]
    return subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=300, env=os.environ | (env or {})
    )


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--out", "p.parquet"), ("--report", "page.html")], ids=["out", "report"])
def test_a_killed_evaluation_goes_on(options: tuple[str, str], model: str, dataset: Dataset, tmp_path: Path) -> None:
    left = Path(model.split(":")[1]).with_name("left")
    command = (model, str(dataset.root), *options, "--batch-size", "32", "--json")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    whole = evaluated(tmp_path / "whole", *command, env=cache)
    assert whole.returncode == 0, whole.stderr
    for after in np.random.default_rng(5).integers(600, 1_400, size=3).tolist():
        left.write_text(str(after))
        assert evaluated(tmp_path / "cut", *command, env=cache).returncode == -9
        assert not (tmp_path / "cut" / options[1]).exists()
    left.unlink()
    done = evaluated(tmp_path / "cut", *command, env=cache)
    assert done.returncode == 0 and json.loads(done.stdout)["n_resumed"] > 0
    assert numbers(json.loads(done.stdout)) == numbers(json.loads(whole.stdout))
    assert (tmp_path / "cut" / options[1]).read_bytes() == (tmp_path / "whole" / options[1]).read_bytes()
    assert len(list((tmp_path / "cut").iterdir())) == 1


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_numbers(model: str, dataset: Dataset, tmp_path: Path) -> None:
    truth = tmp_path / "truth.parquet"
    kept = dataset.manifest.take(np.array([i not in (17, 2_900) for i in range(N)]))
    Truth.single(kept.ids, (kept.class_index + 1) % 6, dataset.classes, name="turned").write(truth)
    given = (model, str(dataset.root), "--json")
    told = []
    for world in (1, 2, 3):
        folder = tmp_path / str(world)
        page = ("--out", "p.parquet", "--report", "page.html", "--truth", f"original,{truth}", "--details")
        for options in (page, ("--corruptions", "fog:3", "--out", "passes")):
            done = evaluated(folder, *given, *options, world=world)
            assert done.returncode == 0, done.stderr[-3_000:]
            assert "process" not in done.stderr, "the other processes say nothing"
            told.append(numbers(json.loads(done.stdout)))
        assert sorted(path.name for path in folder.iterdir()) == ["p.parquet", "page.html", "passes"]
    assert told[0] == told[2] == told[4] and told[1] == told[3] == told[5]
    assert told[0]["truths"][0]["n"] == N - 2 and told[0]["truths"][0]["details"]["per_class"]
    for name in ("p.parquet", "page.html", "passes/clean.parquet", "passes/fog-3.parquet"):
        first, *others = ((tmp_path / str(world) / name).read_bytes() for world in (1, 2, 3))
        assert all(other == first for other in others), name


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_failure_in_one_process_ends_all(rank: int, model: str, dataset: Dataset, tmp_path: Path) -> None:
    Path(model.split(":")[1]).with_name("fails").write_text(str(rank))
    done = evaluated(tmp_path / "run", model, str(dataset.root), "--out", "p.parquet", "--json", world=2)
    assert done.returncode != 0 and done.stdout == ""
    assert "model.py:build: fails on pictures" in done.stderr and "out of patience" in done.stderr
    assert not (tmp_path / "run" / "p.parquet").exists()


@pytest.mark.slow
def test_the_first_process_checks_for_all(dataset: Dataset, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first says of the fast path is what the others do."""
    pytest.importorskip("torch")
    said: list[str] = []

    class Second(runtimes.Together):
        def told(self, text: str) -> str:
            said.append(text)
            return "torch" if len(said) == 1 else "runtime torch: answers otherwise"

        def wait(self) -> None:
            return

    import torch

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(14 * 14 * 3, 6))
    from topfive.flows.inference import prepare

    how = flows.Inference(decoder="exact", view=View(16, 14), classes=ClassList(SHAPES, SHAPES))
    with pytest.raises(WorkFailed, match="answers otherwise"):
        prepare(network, dataset, "val", how, together=Second(1, 2))
    assert said == ["", ""]
