"""NEC-UIUC end to end on drawn shapes: four codes, their machines' sum, scores alone and together, saving, refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, View
from topfive.systems import FitLog, nec_uiuc
from topfive.systems.features.dense_sift import grey
from topfive.systems.nec_uiuc import MACHINES, PUBLISHED, TINY, Encoder, FittedNec
from toy.drawn import drawn_set, pictures

SMALL = replace(TINY, view=View(56, 56), step_px=6, n_axes=16, n_words=24, n_gaussians=6, n_sampled=3000, epochs=20)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=20, tune=5, val=10)


@pytest.fixture(scope="module")
def learnt(drawn: Dataset) -> tuple[FittedNec, list[Mapping[str, float]]]:
    lines: list[Mapping[str, float]] = []
    log = FitLog(metrics=lines.append)
    return nec_uiuc.fit(pictures(drawn, "train"), pictures(drawn, "tune"), SMALL, seed=0, log=log), lines


@pytest.mark.slow
def test_it_learns_shapes(learnt: tuple[FittedNec, list[Mapping[str, float]]], drawn: Dataset) -> None:
    fitted, lines = learnt
    val = pictures(drawn, "val")
    scores = fitted.scores(val)
    assert np.mean(scores.argmax(axis=1) != val.class_index) < 0.25
    tried = [(line["machine"], line["penalty"]) for line in lines[:-1]]
    assert tried == [(i, penalty) for i in range(len(MACHINES)) for penalty in SMALL.penalties]
    assert lines[-1]["tune_error"] < 0.25


@pytest.mark.slow
def test_scores_do_not_depend_on_batch_order_or_threads(
    learnt: tuple[FittedNec, list[Mapping[str, float]]], drawn: Dataset
) -> None:
    fitted, rows = learnt[0], drawn.manifest.rows("val")
    together = fitted.scores(Pictures(drawn, rows, labels=False))
    turned = np.arange(len(rows))[::-1].copy()
    again = fitted.scores(Pictures(drawn, rows.take(turned), labels=False, workers=1), batch_size=7)
    np.testing.assert_array_equal(again, together[turned])


@pytest.mark.slow
def test_the_same_seed_learns_the_same_and_another_seed_another(
    learnt: tuple[FittedNec, list[Mapping[str, float]]], drawn: Dataset
) -> None:
    def fitted(seed: int) -> FittedNec:
        train = Pictures(drawn, drawn.manifest.rows("train"), workers=1)
        return nec_uiuc.fit(train, pictures(drawn, "tune"), SMALL, seed=seed, log=FitLog())

    np.testing.assert_array_equal(fitted(0).linear.weights, learnt[0].linear.weights)
    assert not np.array_equal(fitted(1).linear.weights, learnt[0].linear.weights)


@pytest.mark.slow
def test_what_is_saved_is_what_is_loaded(
    learnt: tuple[FittedNec, list[Mapping[str, float]]], drawn: Dataset, tmp_path: Path
) -> None:
    fitted, val = learnt[0], pictures(drawn, "val", labels=False)
    fitted.save(tmp_path)
    loaded = nec_uiuc.load(tmp_path)
    assert loaded.classes == drawn.classes
    assert loaded.encoder.recipe == SMALL
    assert loaded.view == SMALL.view
    np.testing.assert_array_equal(loaded.scores(val), fitted.scores(val))
    assert [path.name for path in tmp_path.iterdir()] == ["nec_uiuc.npz"]


@pytest.mark.slow
def test_a_row_is_four_codes_of_length_one(learnt: tuple[FittedNec, list[Mapping[str, float]]], drawn: Dataset) -> None:
    encoder = learnt[0].encoder
    image = pictures(drawn, "val").arrays(SMALL.view)[3]
    row = encoder(image)
    regions = 5
    assert [part.stop - part.start for part in encoder.parts] == 2 * [regions * 24, regions * 6 * 17]
    assert row.shape == (encoder.length,) == (2 * regions * (24 + 6 * 17),)
    np.testing.assert_allclose([np.linalg.norm(row[part]) for part in encoder.parts], 1.0, rtol=1e-5)
    lbp, words = SMALL.descriptors[1], encoder.vocabularies[1]
    values = words.projection(lbp.describe(grey(image[None]))[0])
    expected = words.super_vector.encode(values, encoder.regions[1]).reshape(-1)
    np.testing.assert_array_equal(row[encoder.parts[3]], expected)


@pytest.mark.slow
def test_a_plain_picture_is_scored(learnt: tuple[FittedNec, list[Mapping[str, float]]]) -> None:
    row = learnt[0].encoder(np.full((56, 56, 3), 128, np.uint8))
    assert np.isfinite(learnt[0].linear(row[None])).all()


def damaged(folder: Path, how: str, fitted: FittedNec) -> None:
    path = folder / "nec_uiuc.npz"
    fitted.save(folder)
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif how == "text":
        path.write_text("no archive")
    else:
        with np.load(path) as arrays:
            parts = dict(arrays)
        about = json.loads(str(parts["about"]))
        if how == "classes":
            about["classes"] = [part[:-1] for part in about["classes"]]
        elif how == "array":
            del parts["lbp_axes"]
        else:
            about["recipe"]["colour"] = True
        np.savez(path, **parts | {"about": np.array(json.dumps(about))})


@pytest.mark.slow
@pytest.mark.parametrize("how", ["missing", "cut", "text", "classes", "array", "field"])
def test_a_damaged_file_is_refused_by_name(
    how: str, learnt: tuple[FittedNec, list[Mapping[str, float]]], tmp_path: Path
) -> None:
    damaged(tmp_path, how, learnt[0])
    with pytest.raises(BadInput, match=r"nec_uiuc\.npz"):
        nec_uiuc.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n_axes": 0}, "n_axes"),
        ({"n_words": 0}, "n_words"),
        ({"n_gaussians": 0}, "n_gaussians"),
        ({"n_sampled": 11}, "n_sampled"),
        ({"neighbours": 25}, "neighbours"),
        ({"count": -1.0}, "count"),
        ({"pyramid": ()}, "pyramid"),
        ({"pyramid": ("3",)}, "no level of a pyramid"),
        ({"penalties": ()}, "penalties"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"negatives": -1.0}, "negatives"),
        ({"step_px": 0}, "step_px"),
        ({"hog_cells_px": ()}, "cells_px"),
        ({"lbp_cells_px": (40,)}, "lbp_cells_px.*no room for a descriptor"),
        ({"view": View(12, 12)}, "no room for a descriptor"),
        ({"n_axes": 200}, "200 axes"),
        ({"memory_mb": 0}, "memory_mb"),
    ],
)
def test_a_recipe_that_cannot_be_fitted_is_refused(change: dict[str, object], reason: str, drawn: Dataset) -> None:
    recipe = replace(SMALL, **change)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=reason):
        nec_uiuc.fit(pictures(drawn, "train"), pictures(drawn, "tune"), recipe, seed=0, log=FitLog())


def test_pictures_without_labels_are_refused(drawn: Dataset) -> None:
    hidden = pictures(drawn, "train", labels=False)
    with pytest.raises(BadInput, match="train: has no labelled images"):
        nec_uiuc.fit(hidden, pictures(drawn, "tune"), SMALL, seed=0, log=FitLog())


def test_the_published_recipe_has_the_sizes_that_its_page_states() -> None:
    PUBLISHED.check()
    encoder = Encoder(PUBLISHED, ())
    assert [len(regions) for regions in encoder.regions] == [8, 8]
    assert 8 * PUBLISHED.n_words == 65_536
    assert 8 * PUBLISHED.n_gaussians * (PUBLISHED.n_axes + 1) == 266_240
