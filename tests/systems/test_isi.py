"""ISI end to end on drawn shapes: four Fisher-vector systems, their weighted sum, saving, refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, View
from topfive.systems import FitLog, isi
from topfive.systems.isi import PUBLISHED, SYSTEMS, TINY, Encoder, FittedIsi
from toy.drawn import drawn_set, pictures

SMALL = replace(TINY, view=View(56, 56), step_px=6, n_axes=16, n_components=6, n_sampled=3000, pyramid=("1x1", "2x1"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=20, tune=5, val=10)


@pytest.fixture(scope="module")
def learnt(drawn: Dataset) -> tuple[FittedIsi, list[Mapping[str, float]]]:
    lines: list[Mapping[str, float]] = []
    log = FitLog(metrics=lines.append)
    return isi.fit(pictures(drawn, "train"), pictures(drawn, "tune"), SMALL, seed=0, log=log), lines


@pytest.mark.slow
def test_it_learns_shapes(learnt: tuple[FittedIsi, list[Mapping[str, float]]], drawn: Dataset) -> None:
    fitted, lines = learnt
    val = pictures(drawn, "val")
    scores = fitted.scores(val)
    assert np.mean(scores.argmax(axis=1) != val.class_index) < 0.25
    weights = [line[f"{name}_weight"] for name, line in zip(SYSTEMS, lines, strict=False)]
    np.testing.assert_array_equal(weights, fitted.fusion)
    assert (fitted.fusion >= 0).all() and fitted.fusion.any()
    alone = [line[f"{name}_tune_error"] for name, line in zip(SYSTEMS, lines, strict=False)]
    assert lines[-1]["tune_error"] <= np.median(alone)


@pytest.mark.slow
def test_scores_do_not_depend_on_batch_order_or_threads(
    learnt: tuple[FittedIsi, list[Mapping[str, float]]], drawn: Dataset
) -> None:
    fitted, rows = learnt[0], drawn.manifest.rows("val")
    together = fitted.scores(Pictures(drawn, rows, labels=False))
    turned = np.arange(len(rows))[::-1].copy()
    again = fitted.scores(Pictures(drawn, rows.take(turned), labels=False, workers=1), batch_size=7)
    np.testing.assert_array_equal(again, together[turned])


@pytest.mark.slow
def test_the_same_seed_learns_the_same_and_another_seed_another(
    learnt: tuple[FittedIsi, list[Mapping[str, float]]], drawn: Dataset
) -> None:
    def fitted(seed: int) -> FittedIsi:
        train = Pictures(drawn, drawn.manifest.rows("train"), workers=1)
        return isi.fit(train, pictures(drawn, "tune"), SMALL, seed=seed, log=FitLog())

    np.testing.assert_array_equal(fitted(0).linear.weights, learnt[0].linear.weights)
    assert not np.array_equal(fitted(1).linear.weights, learnt[0].linear.weights)


@pytest.mark.slow
def test_what_is_saved_is_what_is_loaded(
    learnt: tuple[FittedIsi, list[Mapping[str, float]]], drawn: Dataset, tmp_path: Path
) -> None:
    fitted, val = learnt[0], pictures(drawn, "val", labels=False)
    fitted.save(tmp_path)
    loaded = isi.load(tmp_path)
    assert loaded.classes == drawn.classes
    assert loaded.encoder.recipe == SMALL
    assert loaded.view == SMALL.view
    np.testing.assert_array_equal(loaded.fusion, fitted.fusion)
    np.testing.assert_array_equal(loaded.scores(val), fitted.scores(val))
    assert [path.name for path in tmp_path.iterdir()] == ["isi.npz"]


@pytest.mark.slow
def test_a_row_is_made_of_its_systems(learnt: tuple[FittedIsi, list[Mapping[str, float]]], drawn: Dataset) -> None:
    encoder = learnt[0].encoder
    image = pictures(drawn, "val").arrays(SMALL.view)[3]
    row, n_regions = encoder(image), 3
    assert row.shape == (encoder.length,) == (4 * n_regions * 2 * 6 * 16,)
    lengths = np.linalg.norm(row.reshape(4 * n_regions, -1), axis=1)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-5)
    for i, words in enumerate(encoder.vocabularies):
        whole = words.mixture.encode(words.projection(SMALL.describers[i](image)))[0]
        np.testing.assert_allclose(row[encoder.parts[i]][: whole.size], whole, atol=1e-5)


@pytest.mark.slow
def test_a_plain_picture_is_scored(learnt: tuple[FittedIsi, list[Mapping[str, float]]]) -> None:
    row = learnt[0].encoder(np.full((56, 56, 3), 128, np.uint8))
    assert np.isfinite(learnt[0].linear(row[None])).all()


def damaged(folder: Path, how: str, fitted: FittedIsi) -> None:
    path = folder / "isi.npz"
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
    how: str, learnt: tuple[FittedIsi, list[Mapping[str, float]]], tmp_path: Path
) -> None:
    damaged(tmp_path, how, learnt[0])
    with pytest.raises(BadInput, match=r"isi\.npz"):
        isi.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n_axes": 0}, "n_axes"),
        ({"n_components": 0}, "n_components"),
        ({"n_sampled": 3}, "n_sampled"),
        ({"pyramid": ()}, "pyramid"),
        ({"pyramid": ("3",)}, "no level of a pyramid"),
        ({"limit": 0.0}, "limit"),
        ({"epochs": 0}, "epochs"),
        ({"step_px": 0}, "step_px"),
        ({"bins_px": ()}, "bins_px"),
        ({"lbp_cells_px": ()}, "cells_px"),
        ({"gist_cell_px": 0}, "cell_px"),
        ({"gist_cell_px": 15}, "leaves gist no room for a descriptor"),
        ({"gist_directions": ()}, "directions"),
        ({"n_axes": 200}, "200 axes"),
        ({"memory_mb": 0}, "memory_mb"),
    ],
)
def test_a_recipe_that_cannot_be_fitted_is_refused(change: dict[str, object], reason: str, drawn: Dataset) -> None:
    recipe = replace(SMALL, **change)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=reason):
        isi.fit(pictures(drawn, "train"), pictures(drawn, "tune"), recipe, seed=0, log=FitLog())


def test_pictures_without_labels_are_refused(drawn: Dataset) -> None:
    hidden = pictures(drawn, "train", labels=False)
    with pytest.raises(BadInput, match="train: has no labelled images"):
        isi.fit(hidden, pictures(drawn, "tune"), SMALL, seed=0, log=FitLog())


def test_the_published_recipe_has_the_sizes_that_its_page_states() -> None:
    PUBLISHED.check()
    assert [len(regions) for regions in Encoder(PUBLISHED, ()).regions] == [4] * 4
    assert 4 * 2 * PUBLISHED.n_components * PUBLISHED.n_axes == 131_072
    assert PUBLISHED.view.crop_px**2 == 99_856
