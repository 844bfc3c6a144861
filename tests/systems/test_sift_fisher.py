"""The Fisher-vector pipeline end to end on drawn shapes: learning, scores alone and together, saving, refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, View
from topfive.systems import FitLog, sift_fisher
from topfive.systems.features.dense_sift import grey
from topfive.systems.sift_fisher import PUBLISHED, TINY, FittedFisher, Recipe
from toy.drawn import drawn_set, pictures

SMALL = replace(
    TINY, view=View(56, 56), step_px=6, n_axes=16, n_components=8, n_sampled=3000, epochs=30, pyramid=("1x1", "2x1")
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=20, tune=5, val=10)


@pytest.fixture(scope="module")
def learnt(drawn: Dataset) -> tuple[FittedFisher, list[Mapping[str, float]]]:
    lines: list[Mapping[str, float]] = []
    log = FitLog(metrics=lines.append)
    return sift_fisher.fit(pictures(drawn, "train"), pictures(drawn, "tune"), SMALL, seed=0, log=log), lines


def test_it_learns_shapes(learnt: tuple[FittedFisher, list[Mapping[str, float]]], drawn: Dataset) -> None:
    fitted, lines = learnt
    val = pictures(drawn, "val")
    scores = fitted.scores(val)
    assert np.mean(scores.argmax(axis=1) != val.class_index) < 0.25
    assert [line["penalty"] for line in lines] == list(SMALL.penalties)
    # Scores are on the scale of logits: on new pictures their softmax is about as sure as it is right.
    sure = np.exp(scores - scores.max(axis=1, keepdims=True))
    sure = (sure / sure.sum(axis=1, keepdims=True)).max(axis=1)
    assert abs(sure.mean() - np.mean(scores.argmax(axis=1) == val.class_index)) < 0.2


def test_scores_do_not_depend_on_batch_order_or_threads(
    learnt: tuple[FittedFisher, list[Mapping[str, float]]], drawn: Dataset
) -> None:
    fitted, rows = learnt[0], drawn.manifest.rows("val")
    together = fitted.scores(Pictures(drawn, rows, labels=False))
    turned = np.arange(len(rows))[::-1].copy()
    again = fitted.scores(Pictures(drawn, rows.take(turned), labels=False, workers=1), batch_size=7)
    np.testing.assert_array_equal(again, together[turned])


def test_the_same_seed_learns_the_same_and_another_seed_another(
    learnt: tuple[FittedFisher, list[Mapping[str, float]]], drawn: Dataset
) -> None:
    def fitted(seed: int) -> FittedFisher:
        return sift_fisher.fit(pictures(drawn, "train"), pictures(drawn, "tune"), SMALL, seed=seed, log=FitLog())

    np.testing.assert_array_equal(fitted(0).linear.weights, learnt[0].linear.weights)
    assert not np.array_equal(fitted(1).linear.weights, learnt[0].linear.weights)


def test_what_is_saved_is_what_is_loaded(
    learnt: tuple[FittedFisher, list[Mapping[str, float]]], drawn: Dataset, tmp_path: Path
) -> None:
    fitted, val = learnt[0], pictures(drawn, "val", labels=False)
    fitted.save(tmp_path)
    loaded = sift_fisher.load(tmp_path)
    assert loaded.classes == drawn.classes
    assert loaded.encoder.recipe == SMALL
    assert loaded.view == SMALL.view
    np.testing.assert_array_equal(loaded.scores(val), fitted.scores(val))
    assert [path.name for path in tmp_path.iterdir()] == ["sift_fisher.npz"]


def test_a_vector_is_made_of_its_parts(learnt: tuple[FittedFisher, list[Mapping[str, float]]], drawn: Dataset) -> None:
    encoder = learnt[0].encoder
    image = pictures(drawn, "val").arrays(SMALL.view)[3]
    descriptors = encoder.projection(SMALL.sift.describe(grey(image[None]))[0])
    whole = encoder.mixture.encode(descriptors)[0]
    found = encoder(image)
    assert found.shape == (3 * 2 * 8 * 16,)
    np.testing.assert_allclose(found[: 2 * 8 * 16], whole, atol=1e-6)


def test_vectors_that_exceed_the_memory_go_to_a_file_and_give_the_same_machines(drawn: Dataset, tmp_path: Path) -> None:
    # 150 vectors of 3,072 values are 1.8 MB.
    wide = replace(SMALL, n_components=32, epochs=60)
    train, tune, val = (pictures(drawn, split) for split in ("train", "tune", "val"))
    fitted = [
        sift_fisher.fit(train, tune, recipe, seed=0, log=FitLog(checkpoints=tmp_path))
        for recipe in (wide, replace(wide, memory_mb=1))
    ]
    inside, outside = (one.scores(val) for one in fitted)
    np.testing.assert_allclose(outside, inside, atol=0.05 * np.abs(inside).max())
    assert np.mean(outside.argmax(axis=1) == inside.argmax(axis=1)) > 0.95
    assert not list(tmp_path.iterdir()), "the file is removed"


def test_a_plain_picture_is_scored(learnt: tuple[FittedFisher, list[Mapping[str, float]]]) -> None:
    assert np.isfinite(learnt[0].encoder(np.full((56, 56, 3), 128, np.uint8))).all()


def damaged(folder: Path, how: str, fitted: FittedFisher) -> None:
    path = folder / "sift_fisher.npz"
    fitted.save(folder)
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif how == "flipped":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(bytes(data))
    elif how == "text":
        path.write_text("no archive")
    else:
        with np.load(path) as arrays:
            parts = dict(arrays)
        about = json.loads(str(parts["about"]))
        if how == "classes":
            about["classes"] = [part[:-1] for part in about["classes"]]
        else:
            about["recipe"]["colour"] = True
        np.savez(path, **parts | {"about": np.array(json.dumps(about))})


@pytest.mark.parametrize("how", ["missing", "cut", "flipped", "text", "classes", "field"])
def test_a_damaged_file_is_refused_by_name(
    how: str, learnt: tuple[FittedFisher, list[Mapping[str, float]]], tmp_path: Path
) -> None:
    damaged(tmp_path, how, learnt[0])
    with pytest.raises(BadInput, match=r"sift_fisher\.npz"):
        sift_fisher.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n_axes": 0}, "n_axes"),
        ({"n_sampled": 3}, "n_sampled"),
        ({"penalties": ()}, "penalties"),
        ({"pyramid": ()}, "pyramid"),
        ({"pyramid": ("3",)}, "no level of a pyramid"),
        ({"step_px": 0}, "step_px"),
        ({"view": View(12, 12)}, "no room for a descriptor"),
        ({"n_axes": 200}, "200 axes"),
        ({"memory_mb": 0}, "memory_mb = 0"),
    ],
)
def test_a_recipe_that_cannot_be_fitted_is_refused(change: dict[str, object], reason: str, drawn: Dataset) -> None:
    recipe = replace(SMALL, **change)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=reason):
        sift_fisher.fit(pictures(drawn, "train"), pictures(drawn, "tune"), recipe, seed=0, log=FitLog())


def test_pictures_without_labels_are_refused(drawn: Dataset) -> None:
    hidden = pictures(drawn, "train", labels=False)
    with pytest.raises(BadInput, match="train: has no labelled images"):
        sift_fisher.fit(hidden, pictures(drawn, "tune"), SMALL, seed=0, log=FitLog())


def test_the_published_recipe_has_the_published_size() -> None:
    def length(recipe: Recipe) -> int:
        return 4 * 2 * recipe.n_components * recipe.n_axes

    assert len(PUBLISHED.pyramid) == 2
    assert length(PUBLISHED) == 131_072
    assert PUBLISHED.view.crop_px**2 == 99_856
    PUBLISHED.check()
