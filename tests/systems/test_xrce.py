"""Compressed Fisher vectors end to end on drawn shapes: both channels, figures of the compression, fusion, refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, View
from topfive.systems import FitLog, xrce
from topfive.systems.features.colour_moments import ColourMoments
from topfive.systems.features.dense_sift import grey
from topfive.systems.features.signatures import Signatures
from topfive.systems.xrce import PUBLISHED, TINY, FittedXrce, fuse
from toy.drawn import drawn_set, pictures

SMALL = replace(TINY, view=View(56, 56), step_px=6, n_axes=16, n_sampled=3000, epochs=30, pyramid=("1x1", "2x1"))
Lines = list[Mapping[str, float]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=20, tune=5, val=10)


@pytest.fixture(scope="module")
def learnt(drawn: Dataset) -> tuple[FittedXrce, Lines]:
    lines: Lines = []
    log = FitLog(metrics=lines.append)
    return xrce.fit(pictures(drawn, "train"), pictures(drawn, "tune"), SMALL, seed=0, log=log), lines


def figures(lines: Lines) -> dict[str, float]:
    """Those of the compression, of both channels."""
    return {key: value for line in lines if any("codes_mb" in name for name in line) for key, value in line.items()}


def test_it_learns_shapes_from_codes(learnt: tuple[FittedXrce, Lines], drawn: Dataset) -> None:
    fitted, val = learnt[0], pictures(drawn, "val")
    scores = fitted.scores(val)
    assert np.mean(scores.argmax(axis=1) != val.class_index) < 0.3


def test_sizes_and_losses_are_logged(learnt: tuple[FittedXrce, Lines]) -> None:
    found = figures(learnt[1])
    for channel in xrce.CHANNELS:
        # 120 vectors of 3 regions x 2 x 8 Gaussians x 16 axes; four for each centroid leave 30, of which 16 are used.
        assert found[f"{channel}_vectors_mb"] == pytest.approx(120 * 768 * 4 / 2**20)
        assert found[f"{channel}_codes_mb"] * 32 == pytest.approx(found[f"{channel}_vectors_mb"])
        assert found[f"{channel}_centroids"] == 16
        assert found[f"{channel}_bits_a_value"] == 0.5
        assert found[f"{channel}_quantiser_mb"] == pytest.approx(16 * 768 * 4 / 2**20)
        assert 0.05 < found[f"{channel}_reconstruction_loss"] < 0.9
        assert 0 <= found[f"{channel}_tune_error_unquantised"] <= found[f"{channel}_tune_error"] + 0.2
    fused = [line for line in learnt[1] if "colour_share" in line]
    assert [line["colour_share"] for line in fused] == list(SMALL.shares)


def test_without_the_comparison_the_codes_are_written_directly(drawn: Dataset) -> None:
    lines: Lines = []
    recipe = replace(SMALL, compare=False, n_quantised=64, n_centroids=8)
    val = pictures(drawn, "val")
    fitted = xrce.fit(
        pictures(drawn, "train"), pictures(drawn, "tune"), recipe, seed=0, log=FitLog(metrics=lines.append)
    )
    found = figures(lines)
    assert found["sift_centroids"] == 8
    assert not any("unquantised" in key for key in found)
    assert np.mean(fitted.scores(val).argmax(axis=1) != val.class_index) < 0.4


def test_fewer_vectors_than_centroids_need_give_fewer_centroids(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(100, 32)).astype(np.float32))
    vectors = Signatures(tmp_path / "a.npy")
    assert xrce.learn_quantiser(vectors, SMALL, seed=0).centroids.shape == (4, 16, 8)
    assert xrce.learn_quantiser(vectors, replace(SMALL, n_quantised=40), seed=0).centroids.shape == (4, 8, 8)


def test_scores_are_the_weighted_sum_of_both_channels(learnt: tuple[FittedXrce, Lines], drawn: Dataset) -> None:
    fitted, val = learnt[0], pictures(drawn, "val", labels=False)
    image = val.arrays(SMALL.view)[3]
    (sift, sift_machine), (colour, colour_machine) = fitted.channels
    by_hand = sift.mixture.encode(sift.projection(SMALL.sift.describe(grey(image[None]))[0]), sift.regions).reshape(-1)
    np.testing.assert_allclose(sift(image), by_hand, atol=1e-6)
    moments = ColourMoments(SMALL.bins_px, SMALL.step_px).describe(image[None])[0]
    by_hand = colour.mixture.encode(colour.projection(moments), colour.regions).reshape(-1)
    np.testing.assert_allclose(colour(image), by_hand, atol=1e-6)
    expected = sift_machine(sift(image)[None]) + colour_machine(colour(image)[None])
    np.testing.assert_allclose(fitted.scores(val)[3], expected[0], atol=1e-5)


def test_scores_do_not_depend_on_batch_order_or_threads(learnt: tuple[FittedXrce, Lines], drawn: Dataset) -> None:
    fitted, rows = learnt[0], drawn.manifest.rows("val")
    together = fitted.scores(Pictures(drawn, rows, labels=False))
    turned = np.arange(len(rows))[::-1].copy()
    again = fitted.scores(Pictures(drawn, rows.take(turned), labels=False, workers=1), batch_size=7)
    np.testing.assert_array_equal(again, together[turned])


def test_the_fusion_follows_the_better_channel() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 3
    right = 2.0 * np.eye(3, dtype=np.float32)[labels] + rng.normal(size=(600, 3)).astype(np.float32)
    noise = 4.0 * rng.normal(size=(600, 3)).astype(np.float32)
    share, _, lines = fuse(right, noise, labels, (0.0, 0.5, 1.0))
    assert share == 0.0
    assert lines[0]["tune_error"] == np.mean(right.argmax(axis=1) != labels)
    assert fuse(noise, right, labels, (0.0, 0.5, 1.0))[0] == 1.0
    # Two halves of the answer are worth more together.
    first, second = right * (labels < 2)[:, None], right * (labels == 2)[:, None]
    assert fuse(first, second, labels, (0.0, 0.5, 1.0))[0] == 0.5


def test_what_is_saved_is_what_is_loaded(learnt: tuple[FittedXrce, Lines], drawn: Dataset, tmp_path: Path) -> None:
    fitted, val = learnt[0], pictures(drawn, "val", labels=False)
    fitted.save(tmp_path)
    loaded = xrce.load(tmp_path)
    assert loaded.classes == drawn.classes
    assert loaded.channels[1][0].recipe == SMALL
    np.testing.assert_array_equal(loaded.scores(val), fitted.scores(val))
    assert [path.name for path in tmp_path.iterdir()] == ["xrce.npz"]


@pytest.mark.parametrize("how", ["missing", "cut", "channel", "classes", "field"])
def test_a_damaged_file_is_refused_by_name(how: str, learnt: tuple[FittedXrce, Lines], tmp_path: Path) -> None:
    learnt[0].save(tmp_path)
    path = tmp_path / "xrce.npz"
    with np.load(path) as arrays:
        parts = dict(arrays)
    about = json.loads(str(parts["about"]))
    if how == "classes":
        about["classes"] = [part[:-1] for part in about["classes"]]
    elif how == "field":
        about["recipe"]["texture"] = True
    elif how == "channel":
        parts = {key: part for key, part in parts.items() if not key.startswith("colour")}
    np.savez(path, **parts | {"about": np.array(json.dumps(about))})
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadInput, match=r"xrce\.npz"):
        xrce.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n_axes": 97}, "n_axes"),
        ({"n_axes": 12}, "sub_vector"),
        ({"n_centroids": 300}, "n_centroids"),
        ({"n_quantised": 7}, "n_quantised"),
        ({"penalties": (0.0,)}, "penalties"),
        ({"shares": (1.5,)}, "shares"),
        ({"shares": ()}, "shares"),
        ({"memory_mb": 0}, "memory_mb"),
        ({"pyramid": ("3",)}, "no level of a pyramid"),
        ({"view": View(12, 12)}, "no room for a patch"),
    ],
)
def test_a_recipe_that_cannot_be_fitted_is_refused(change: dict[str, object], reason: str, drawn: Dataset) -> None:
    recipe = replace(SMALL, **change)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=reason):
        xrce.fit(pictures(drawn, "train"), pictures(drawn, "tune"), recipe, seed=0, log=FitLog())


def test_pictures_without_labels_are_refused(drawn: Dataset) -> None:
    hidden = pictures(drawn, "train", labels=False)
    with pytest.raises(BadInput, match="train: has no labelled images"):
        xrce.fit(hidden, pictures(drawn, "tune"), SMALL, seed=0, log=FitLog())


def test_the_published_recipe_has_half_a_million_values_and_a_bit_for_each() -> None:
    length = 4 * 2 * PUBLISHED.n_components * PUBLISHED.n_axes
    assert len(PUBLISHED.pyramid) == 2
    assert length == 524_288
    assert np.log2(PUBLISHED.n_centroids) / PUBLISHED.sub_vector == 1.0
    assert PUBLISHED.n_quantised >= 4 * PUBLISHED.n_centroids
    assert not PUBLISHED.compare
    PUBLISHED.check()
