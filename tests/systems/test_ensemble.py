"""The ensemble: pooling, weights against a grid search, members found by run folder, refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, ClassList, Dataset, Progress, Run, View, silent
from topfive.systems import FitLog, System, catalogue, get
from topfive.systems import ensemble as landmark
from topfive.systems.ensemble import EnsembleRecipe, fit_weights, pool
from topfive.systems.predict import load_fitted
from toy.drawn import drawn_set, pictures


def softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def members(n: int = 200, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Three members that know something of the labels, on unlike scales."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    right = np.eye(4)[labels]
    noise = rng.normal(size=(3, n, 4))
    return np.stack([right + noise[0], 0.05 * (2 * right + noise[1]), 30 * (0.2 * right + noise[2])]), labels


def likelihood(scores: NDArray[np.float64], labels: NDArray[np.int64], weights: Any, mean: Any) -> float:
    return float(pool(scores, np.asarray(weights, float), mean)[np.arange(len(labels)), labels].mean())


def test_pooling_by_hand() -> None:
    scores = np.log(np.array([[[0.5, 0.5]], [[0.8, 0.2]]]))
    np.testing.assert_allclose(np.exp(pool(scores, np.array([0.25, 0.75]), "probability")), [[0.725, 0.275]])
    # sqrt(0.5 * 0.8) : sqrt(0.5 * 0.2) = 2 : 1
    np.testing.assert_allclose(np.exp(pool(scores, np.array([0.5, 0.5]), "log")), [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(pool(scores, np.array([0.0, 1.0]), "log"), scores[1])
    np.testing.assert_allclose(pool(scores, np.array([0.0, 1.0]), "probability"), scores[1])


@pytest.mark.parametrize("mean", ["log", "probability"])
def test_weights_are_the_best_there_are(mean: Any) -> None:
    scores, labels = members()
    weights = fit_weights(scores, labels, mean)
    best = likelihood(scores, labels, weights, mean)
    assert (weights >= 0).all()
    if mean == "probability":
        assert weights.sum() == pytest.approx(1.0)
    spread = scores.std(axis=(1, 2)) if mean == "log" else np.ones(3)
    rng = np.random.default_rng(1)
    for _ in range(300):
        other = rng.dirichlet(np.ones(3))
        other = other * rng.uniform(0.1, 4) / spread if mean == "log" else other
        assert likelihood(scores, labels, other, mean) <= best + 1e-6
    for i in range(3):
        assert best >= likelihood(scores, labels, np.eye(3)[i], mean) - 1e-6


def test_the_scale_of_a_member_does_not_matter_to_the_log_mean() -> None:
    scores, labels = members()
    scaled = scores * np.array([1.0, 1000.0, 1e-3])[:, None, None]
    np.testing.assert_allclose(
        pool(scaled, fit_weights(scaled, labels, "log"), "log"),
        pool(scores, fit_weights(scores, labels, "log"), "log"),
        atol=1e-4,
    )


@pytest.mark.parametrize("mean", ["log", "probability"])
def test_degenerate_members(mean: Any) -> None:
    scores, labels = members(50)
    alone = fit_weights(scores[:1], labels, mean)
    assert alone.shape == (1,)
    assert np.isfinite(pool(scores[:1], alone, mean)).all()
    silent_member = np.concatenate([scores[:1], np.zeros((1, 50, 4))])
    assert np.isfinite(pool(silent_member, fit_weights(silent_member, labels, mean), mean)).all()
    certain = 1e4 * np.eye(4)[labels][None]
    assert np.isfinite(pool(certain, fit_weights(certain, labels, mean), mean).astype(np.float32)).all()
    misled = 1e4 * np.eye(4)[(labels + 1) % 4][None]
    assert np.isfinite(pool(misled, fit_weights(misled, labels, mean), mean).astype(np.float32)).all()


# Members in run folders. The landmark is a stand-in, so that no network is needed.


class Blurred:
    """Reads the brightest quarter of a picture: a system that depends on pixels and view, and learns nothing."""

    def __init__(self, classes: ClassList, view: View, sign: float) -> None:
        self.classes, self.view, self.sign = classes, view, sign

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> NDArray[np.float32]:
        images = pictures.arrays(self.view).astype(np.float32)
        parts = [
            images[:, :8, :8],
            images[:, :8, 8:],
            images[:, 8:, :8],
            images[:, 8:, 8:],
            images[:, 4:12, 4:12],
            images,
        ]
        return self.sign * np.stack([part.mean(axis=(1, 2, 3)) for part in parts], axis=1) / 10

    def save(self, folder: Path) -> None:
        (folder / "sign.json").write_text(json.dumps([self.sign, self.view.to_json(), self.classes.wnids]))

    @classmethod
    def load(cls, folder: Path) -> Blurred:
        sign, view, wnids = json.loads((folder / "sign.json").read_text())
        return cls(ClassList(tuple(wnids), tuple(wnids)), View.from_json(view), sign)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Dataset, list[Path]]]:
    claim = get("ensemble").claim
    stand_in = System("stand-in", 2000, "", claim, {}, fit=None, load=Blurred.load)  # type: ignore[arg-type]
    real = catalogue.get
    monkeypatch.setattr("topfive.systems.predict.get", lambda name: stand_in if name == "alexnet" else real(name))
    dataset = drawn_set(tmp_path / "set", train=1, tune=4, val=3, px=24)
    folders = []
    for i, (sign, crop) in enumerate([(1.0, 16), (-1.0, 20), (0.3, 24)]):
        folder = tmp_path / "runs" / f"member-{i}"
        (folder / "weights").mkdir(parents=True)
        Blurred(dataset.classes, View(24, crop), sign).save(folder / "weights")
        Run("alexnet", {}, i, dataset.name, dataset.classes.digest, "").write(folder / "run.json")
        folders.append(folder)
    yield dataset, folders


def made(dataset: Dataset, folders: list[Path], mean: Any = "log") -> landmark.FittedEnsemble:
    recipe = EnsembleRecipe(members=tuple(map(str, folders)), mean=mean)
    return landmark.fit(pictures(dataset, "train"), pictures(dataset, "tune"), recipe, seed=0, log=FitLog())


@pytest.mark.parametrize("mean", ["log", "probability"])
def test_members_see_their_own_views_and_are_pooled(runs: tuple[Dataset, list[Path]], mean: Any) -> None:
    dataset, folders = runs
    fitted, val = made(dataset, folders, mean), pictures(dataset, "val")
    each = np.stack([load_fitted(folder)[0].scores(val).astype(np.float64) for folder in folders])
    np.testing.assert_allclose(fitted.scores(val), pool(each, fitted.weights, mean), atol=1e-5)
    assert fitted.view == View(24, 16) == EnsembleRecipe(members=(str(folders[0]),)).view
    for batch_size in (1, 5):
        np.testing.assert_array_equal(fitted.scores(val, batch_size=batch_size), fitted.scores(val))


def test_an_ensemble_moves_with_its_members(runs: tuple[Dataset, list[Path]], tmp_path: Path) -> None:
    dataset, folders = runs
    fitted, val = made(dataset, folders), pictures(dataset, "val")
    weights = tmp_path / "runs" / "ensemble" / "weights"
    weights.mkdir(parents=True)
    fitted.save(weights)
    np.testing.assert_array_equal(landmark.load(weights).scores(val), fitted.scores(val))
    moved = tmp_path / "elsewhere"
    (tmp_path / "runs").rename(moved)
    weights = moved / "ensemble" / "weights"
    np.testing.assert_array_equal(landmark.load(weights).scores(val), fitted.scores(val))
    Run("alexnet", {}, 9, dataset.name, dataset.classes.digest, "").write(moved / "member-1" / "run.json")
    with pytest.raises(BadInput, match="the ensemble was made of alexnet-"):
        landmark.load(weights)
    shutil.rmtree(moved / "member-1")
    with pytest.raises(BadInput, match=r"member-1: is no run folder"):
        landmark.load(weights)
    (weights / "ensemble.json").write_text("{}")
    with pytest.raises(BadInput, match="cannot be read as an ensemble"):
        landmark.load(weights)


def test_members_that_do_not_fit_are_refused(runs: tuple[Dataset, list[Path]]) -> None:
    dataset, folders = runs
    with pytest.raises(BadInput, match="members: names no run folder"):
        made(dataset, [])
    with pytest.raises(BadInput, match="mean: is 'median'"):
        made(dataset, folders, "median")
    other = ClassList(("a", "b"), ("a", "b"))
    Blurred(other, View(24, 16), 1.0).save(folders[2] / "weights")
    with pytest.raises(BadInput, match="member-2: was fitted on other classes than member-0"):
        made(dataset, folders)
    with pytest.raises(BadInput, match="other classes than this set's"):
        made(dataset, folders[2:])


def test_members_are_named_on_the_command_line() -> None:
    recipe = get("ensemble").recipe("tiny", {"members": "runs/a,runs/b", "mean": "probability"})
    assert recipe == EnsembleRecipe(members=("runs/a", "runs/b"), mean="probability")
