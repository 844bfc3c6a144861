"""What every landmark promises, found by name: it learns, repeats, is saved exactly, and its claim has a source."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from topfive import systems
from topfive.loading import Pictures
from topfive.records import PROTOCOLS, Dataset, Run, View
from topfive.systems.predict import load_fitted
from topfive.systems.protocols import scores_under
from toy.drawn import drawn_set, pictures

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = Path(systems.__file__).parent
NAMES = systems.names()
MADE_OF = {"ensemble": ("alexnet", "resnet")}

# The tiny recipes learn 1,600 pictures; 360 drawn ones need fewer passes.
SHORTER: dict[str, dict[str, str]] = {
    "alexnet": {"epochs": "16"},
    "zfnet": {"epochs": "14"},
    "googlenet": {"epochs": "10", "batch_size": "32"},
    "vgg": {"epochs": "16"},
    "resnet": {"epochs": "8"},
    "senet": {"epochs": "12"},
    "efficientnet": {"epochs": "14"},
    "vit": {"epochs": "22", "batch_size": "16"},
    "efficientnet_v2": {"epochs": "12"},
    "convnext": {"epochs": "24", "batch_size": "16", "lr": "0.002"},
    "zero_shot": {"epochs": "12", "batch_size": "16"},
    "dino": {"epochs": "1", "mean_patch": "true", "jitter": "0.5,0.5,0.5,0.45", "penalties": "0.1,0.01,0.001"},
    "xrce": {"n_sampled": "8000"},
}
# Without labels 360 pictures teach little in seconds: a bar three standard errors below chance.
BARS = {"dino": 0.7}


def needed(name: str) -> None:
    """Skip where a package that the landmark needs is not installed."""
    for package in systems.describe(name).needs:
        if importlib.util.find_spec(package.replace("-", "_")) is None:
            pytest.skip(f"{name} needs {package}: pip install 'topfive[models]'")


# What can be read without learning anything


@pytest.mark.parametrize("name", NAMES)
def test_the_literals_read_without_importing_are_those_of_the_landmark(name: str) -> None:
    needed(name)
    read, made = systems.describe(name), systems.get(name)
    assert (read.year, read.title, read.paper) == (made.year, made.title, made.paper)
    assert (read.claim, read.n_parameters, read.needs) == (made.claim, made.n_parameters, made.needs)
    assert read.variants == tuple(made.variants)


@pytest.mark.parametrize("name", NAMES)
def test_the_claim_is_whole_and_has_a_source(name: str) -> None:
    landmark = systems.describe(name)
    landmark.claim.check(name)
    assert 2009 < landmark.year < 2030
    assert "tiny" in landmark.variants


@pytest.mark.parametrize("name", NAMES)
def test_the_landmark_has_a_page(name: str) -> None:
    page = REPOSITORY / "docs" / "landmarks" / f"{name}.md"
    assert page.is_file(), f"docs/landmarks/{name}.md is missing"
    text = page.read_text(encoding="utf-8")
    assert len(text) > 400
    claim = systems.describe(name).claim
    assert f"{100 * claim.value:.4g}" in text, "the page does not state the claim"
    figure = page.parent / "figures" / f"{name}.svg"
    assert figure.is_file(), f"scripts/draw_systems.py {name} draws it"
    assert f"](figures/{name}.svg)" in text, "the page does not show its figure"


@pytest.mark.parametrize("name", NAMES)
def test_no_landmark_imports_a_landmark(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.rpartition(".")[2] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {(node.module or "").rpartition(".")[2]} | {alias.name for alias in node.names}
    assert not imported & set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_network_has_the_published_number_of_parameters(name: str) -> None:
    needed(name)
    system = systems.get(name)
    assert (system.n_parameters is None) == (system.network is None)
    if system.network is not None:
        torch = pytest.importorskip("torch")
        with torch.device("meta"):
            assert sum(p.numel() for p in system.network().parameters()) == system.n_parameters


# What is learnt, once for each landmark


@dataclass(frozen=True)
class Learnt:
    fitted: Any
    recipe: Any
    folder: Path
    scores: NDArray[np.float32]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=60, tune=6, val=12, px=56)


@pytest.fixture(scope="module")
def learn(drawn: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Learnt]:
    root = tmp_path_factory.mktemp("runs")

    def fit(name: str) -> tuple[Any, Any]:
        system = systems.get(name)
        recipe = system.recipe("tiny", SHORTER.get(name, {}))
        if name in MADE_OF:
            recipe = replace(recipe, members=tuple(str(once(member).folder) for member in MADE_OF[name]))
        train, tune = pictures(drawn, "train"), pictures(drawn, "tune")
        return system.fit(train, tune, recipe, seed=1, log=systems.FitLog()), recipe

    @cache
    def once(name: str) -> Learnt:
        needed(name)
        fitted, recipe = fit(name)
        folder = root / name
        (folder / "weights").mkdir(parents=True)
        fitted.save(folder / "weights")
        Run(name, {}, 1, drawn.name, drawn.classes.digest, fitted.view.digest).write(folder / "run.json")
        return Learnt(fitted, recipe, folder, fitted.scores(pictures(drawn, "val", labels=False)))

    once.fit = fit  # type: ignore[attr-defined]
    return once


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_tiny_learns_clearly_above_chance(name: str, learn: Callable[[str], Learnt], drawn: Dataset) -> None:
    scores, val = learn(name).scores, pictures(drawn, "val")
    assert scores.dtype == np.float32
    assert scores.shape == (72, 6)
    assert np.isfinite(scores).all()
    error = np.mean(scores.argmax(axis=1) != val.class_index)
    assert error < BARS.get(name, 0.5), "of six classes, chance errs by 0.83; 0.5 is eight standard errors below"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_predictions(name: str, learn: Callable[[str], Learnt], drawn: Dataset) -> None:
    learnt = learn(name)
    again, _ = learn.fit(name)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.scores(pictures(drawn, "val", labels=False)), learnt.scores)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_predictions_do_not_depend_on_batch_size_or_order(
    name: str, learn: Callable[[str], Learnt], drawn: Dataset
) -> None:
    learnt, val = learn(name), pictures(drawn, "val", labels=False)
    shuffled = np.random.default_rng(0).permutation(len(val))
    for batch_size, rows in ((1, np.arange(9)), (7, shuffled), (500, shuffled)):
        scores = learnt.fitted.scores(val.take(rows), batch_size=batch_size)
        np.testing.assert_allclose(scores, learnt.scores[rows], atol=1e-4)
        np.testing.assert_array_equal(scores.argmax(axis=1), learnt.scores[rows].argmax(axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_saved_system_is_the_same_when_loaded(name: str, learn: Callable[[str], Learnt], drawn: Dataset) -> None:
    learnt = learn(name)
    loaded, _ = load_fitted(learnt.folder)
    assert loaded.classes == drawn.classes
    assert loaded.view == learnt.fitted.view
    np.testing.assert_array_equal(loaded.scores(pictures(drawn, "val", labels=False)), learnt.scores)
    kinds = {path.suffix for path in (learnt.folder / "weights").rglob("*") if path.is_file()}
    assert kinds <= {".safetensors", ".json", ".npz", ".npy", ".parquet", ".tsv"}, "no pickles"


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["10-crop", "dense"])
@pytest.mark.parametrize("name", NAMES)
def test_it_answers_under_other_test_protocols(
    name: str, protocol: str, learn: Callable[[str], Learnt], drawn: Dataset
) -> None:
    two = pictures(drawn, "val", labels=False).take(np.arange(2))
    found = scores_under(learn(name).fitted, two, PROTOCOLS[protocol])
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_it_looks_at_comes_as_titled_pictures(name: str, learn: Callable[[str], Learnt], drawn: Dataset) -> None:
    explain = getattr(learn(name).fitted, "explain", None)
    if explain is None:
        pytest.skip(f"{name} draws nothing")
    parts = explain(np.asarray(pictures(drawn, "val").decoded(0, learn(name).fitted.view)))
    assert len(parts) >= 2
    for title, picture in parts:
        assert title and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_view_of_the_recipe_is_the_one_it_sees_through(
    name: str, learn: Callable[[str], Learnt], drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = learn(name)
    used: set[View] = set()
    plain = Pictures.seen

    def seen(self: Pictures, i: int, view: View) -> NDArray[np.uint8]:
        used.add(view)
        return plain(self, i, view)

    monkeypatch.setattr(Pictures, "seen", seen)
    learnt.fitted.scores(pictures(drawn, "val", labels=False))
    assert learnt.fitted.view == learnt.recipe.view
    assert used == {learn(member).fitted.view for member in MADE_OF.get(name, (name,))}
