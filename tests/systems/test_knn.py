"""k-NN: the vote by hand and by the slow way, k chosen on tune, saving, refusals, and features of another landmark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, Progress, Run, View, silent
from topfive.systems import FitLog, knn
from topfive.systems._arrays import read_arrays, write_arrays
from topfive.systems.knn import FLOOR, FittedKnn, Recipe, unit, vote
from toy.drawn import drawn_set, pictures

torch = pytest.importorskip("torch")


def test_the_vote_by_hand() -> None:
    labels, similarity = np.array([[2, 0, 2]]), np.array([[1.0, 0.93, 0.86]], dtype=np.float32)
    e = np.exp([0.0, -1.0, -2.0])
    expected = np.log(np.array([e[1], 0.0, e[0] + e[2]]) / e.sum() + FLOOR)
    np.testing.assert_allclose(vote(labels, similarity, 3, 0.07)[0], expected, rtol=1e-5)


def test_the_vote_by_the_slow_way() -> None:
    rng = np.random.default_rng(0)
    labels, similarity = rng.integers(0, 5, (30, 12)), rng.uniform(-1, 1, (30, 12)).astype(np.float32)
    scores = vote(labels, similarity, 5, 0.07)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    for i in range(30):
        weights = np.exp(similarity[i].astype(float) / 0.07)
        for c in range(5):
            share = weights[labels[i] == c].sum() / weights.sum()
            assert scores[i, c] == pytest.approx(np.log(share + FLOOR), abs=1e-4)


def test_unit_vectors() -> None:
    found = unit(np.array([[3, 4], [0, 0], [1e-20, 0]], dtype=np.float32))
    np.testing.assert_allclose(found[0], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(found[1], [0, 0])
    assert np.isfinite(found).all()


class Coloured:
    """A backbone whose features are the mean colours of a picture's quarters; it stands in for a network."""

    contaminated = "no"
    view = View(24, 24)
    run_id = "stand-in"

    def __init__(self, name: str) -> None:
        self.name = name

    def features(
        self, pictures: Pictures, view: View, *, batch_size: int = 64, progress: Progress = silent, device: str = "cpu"
    ) -> NDArray[np.float32]:
        images = pictures.arrays(view).astype(np.float32) - 128
        half = view.crop_px // 2
        parts = [images[:, y : y + half, x : x + half].mean(axis=(1, 2)) for y in (0, half) for x in (0, half)]
        return np.concatenate(parts, axis=1)


@pytest.fixture
def drawn(tmp_path: Path) -> Dataset:
    return drawn_set(tmp_path / "set", train=8, tune=3, val=3, px=24)


def learn(dataset: Dataset, recipe: Recipe, log: FitLog | None = None) -> FittedKnn:
    return knn.fit(pictures(dataset, "train"), pictures(dataset, "tune"), recipe, seed=0, log=log or FitLog())


def test_k_is_chosen_on_tune_and_limited_by_the_pictures(drawn: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "Backbone", Coloured)
    lines: list[Mapping[str, float]] = []
    fitted = learn(drawn, Recipe(backbone="any"), FitLog(metrics=lines.append))
    assert [line["k"] for line in lines] == [10, 20, 48]
    best = min(lines, key=lambda line: (line["tune_error"], line["tune_loss"]))
    assert fitted.k == best["k"]
    scores = fitted.scores(pictures(drawn, "tune"))
    assert np.mean(scores.argmax(axis=1) != pictures(drawn, "tune").class_index) == pytest.approx(best["tune_error"])
    assert fitted.contaminated == "no"
    assert fitted.view == View(24, 24)
    own = learn(drawn, Recipe(backbone="any", own_view=View(16, 16)))
    assert own.view == View(16, 16)


def test_recipes_that_cannot_be_tried_are_refused() -> None:
    for changes, name in (({"ks": ()}, "ks"), ({"ks": (0, 3)}, "ks"), ({"temperature": 0.0}, "temperature")):
        with pytest.raises(BadInput, match=name):
            replace(Recipe(), **changes).check()  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"is no backbone\. Backbones: efficientnet_lite0, .*run folder"):
        _ = Recipe(backbone="resnet").view


# With a real run as backbone


@pytest.fixture
def run(drawn: Dataset, tmp_path: Path) -> Iterator[Path]:
    from topfive.systems.dino import TINY, Dino, FittedDino
    from topfive.systems.engine import seeded

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    shape = replace(TINY, view=View(16, 16), global_px=16, shape=(12, 2, 3)).architecture()
    with seeded(0, "test"):
        network = Dino(6, **shape)
    folder = tmp_path / "runs" / "backbone"
    (folder / "weights").mkdir(parents=True)
    FittedDino(network, system="dino", architecture=shape, classes=drawn.classes, view=View(16, 16)).save(
        folder / "weights"
    )
    Run("dino", {}, 0, drawn.name, drawn.classes.digest, "").write(folder / "run.json")
    yield folder
    torch.set_num_threads(before)


def test_it_moves_with_its_backbone_and_refuses_another(drawn: Dataset, run: Path, tmp_path: Path) -> None:
    pytest.importorskip("timm")
    fitted, val = learn(drawn, Recipe(backbone=os.fspath(run))), pictures(drawn, "val")
    assert Recipe(backbone=os.fspath(run)).view == fitted.view == View(16, 16)
    assert fitted.known.shape == (48, 12)
    np.testing.assert_allclose(np.linalg.norm(fitted.known, axis=1), 1.0, atol=1e-6)
    weights = run.parent / "knn" / "weights"
    weights.mkdir(parents=True)
    fitted.save(weights)
    scores = fitted.scores(val)
    np.testing.assert_array_equal(knn.load(weights).scores(val), scores)
    for batch_size in (1, 5):
        np.testing.assert_array_equal(fitted.scores(val, batch_size=batch_size), scores)
    moved = tmp_path / "elsewhere"
    run.parent.rename(moved)
    weights = moved / "knn" / "weights"
    np.testing.assert_array_equal(knn.load(weights).scores(val), scores)
    Run("dino", {}, 9, drawn.name, drawn.classes.digest, "").write(moved / "backbone" / "run.json")
    with pytest.raises(BadInput, match="the features are of dino-"):
        knn.load(weights)
    shutil.rmtree(moved / "backbone")
    with pytest.raises(BadInput, match="backbone: is gone"):
        knn.load(weights)


def test_files_of_another_make_are_refused(drawn: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Coloured, "to_json", lambda self, folder: {"backbone": "efficientnet_lite0"}, raising=False)
    with monkeypatch.context() as patched:
        patched.setattr(knn, "Backbone", Coloured)
        fitted = learn(drawn, Recipe(backbone="any"))
    path = tmp_path / "knn.npz"
    with pytest.raises(BadInput, match=r"knn\.npz: cannot be read"):
        knn.load(tmp_path)
    fitted.save(tmp_path)
    about, arrays = read_arrays(path)
    assert knn.load(tmp_path).contaminated == "likely"
    for change, reason in (
        ({"backbone": "another"}, "another backbone"),
        ({"k": 0}, "do not fit"),
        ({"k": 4000}, "do not fit"),
        ({"temperature": "warm"}, "cannot be read as a fitted knn"),
        ({"view": {}}, "cannot be read as a fitted knn"),
        ({"classes": [["a"], ["a"]]}, "do not fit"),
    ):
        write_arrays(path, about | change, arrays)
        with pytest.raises(BadInput, match=reason):
            knn.load(tmp_path)
    write_arrays(path, about, {"known": arrays["known"], "labels": arrays["labels"][:-1]})
    with pytest.raises(BadInput, match="do not fit"):
        knn.load(tmp_path)
