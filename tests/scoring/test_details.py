from __future__ import annotations

import itertools
import json
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.made import class_list, from_sets, from_top, random_case, tree
from topfive.records import BadInput, ClassList, Predictions, Truth
from topfive.scoring import calibration, classes_kept, details, flat_errors, mark, rank_by, score
from topfive.scoring.bootstrap import percentile_interval, resampled
from topfive.scoring.by_class import balanced_statistic
from topfive.scoring.calibration import calibration_statistic
from topfive.scoring.details import chance, flat_error, limited
from topfive.scoring.selective import selective_statistic
from topfive.scoring.severity import severity_statistic

USUAL = {
    "n", "protocol", "top1_error", "top5_error", "top1_correct", "top5_correct", "top1_error_interval",
    "top5_error_interval", "truth", "classes", "view",
}  # fmt: skip


def few(made: Predictions, truth: Truth, **given: object):
    return details(made, truth, n_resamples=40, **given)


def test_everything_is_there_and_the_usual_keys_are_those_of_score() -> None:
    made, truth = random_case(0, 200, 6)
    found = few(made, truth, hierarchy=tree())
    said = found.to_json()
    usual = score(made, truth).to_json()
    assert {key: said[key] for key in usual} == usual and usual.keys() >= USUAL
    assert said["refused"] == {} and said["n_dropped"] == 0
    json.dumps(said, allow_nan=False)
    assert said["balanced_error"] == found.by_class.balanced_error
    assert said["worst_class"] == found.by_class.row(int(found.by_class.with_images[0]))
    assert said["chance"] == pytest.approx({"top1_error": 5 / 6, "top5_error": 1 / 6})
    assert said["flat_error"][0] == said["top1_error"] and said["flat_error"][4] == said["top5_error"]
    assert len(said["hierarchical_error"]) == 5
    assert said["severity"]["mean"] == found.severity.mean
    assert said["calibration"]["ece"] == found.calibration.ece
    assert said["selective"]["aurc"] == found.selective.aurc and "risk" not in said["selective"]
    long = said["details"]
    assert set(long) == {"per_class", "per_subtree", "confusion_by_subtree", "reliability", "risk_coverage"}
    assert sum(row["n"] for row in long["per_class"]) == 200
    assert np.array(long["confusion_by_subtree"]["counts"]).sum() == 200
    assert long["confusion_by_subtree"]["names"] == list(found.groups.titles)
    assert long["confusion_by_subtree"]["wnids"] == list(found.groups.wnids)
    assert next(row["name"] for row in long["per_subtree"]) == "root"
    assert sum(row["n"] for row in long["reliability"]) == 200
    assert long["risk_coverage"][-1] == [1.0, pytest.approx(said["top1_error"])]


def test_intervals_hold_their_figures() -> None:
    made, truth = random_case(1, 300, 6)
    said = details(made, truth, hierarchy=tree(), n_resamples=300).to_json()
    pairs = [
        (said["balanced_error"], said["balanced_error_interval"]),
        (said["severity"]["mean"], said["severity"]["mean_interval"]),
        (said["severity"]["trimmed_mean"], said["severity"]["trimmed_mean_interval"]),
        (said["calibration"]["nll"], said["calibration"]["nll_interval"]),
        (said["calibration"]["brier"], said["calibration"]["brier_interval"]),
        (said["selective"]["aurc"], said["selective"]["aurc_interval"]),
    ]
    for value, (low, high) in pairs:
        assert low < value < high
    assert said["calibration"]["ece_interval"][0] < said["calibration"]["ece_interval"][1]


def test_same_seed_same_numbers_and_order_changes_none() -> None:
    made, truth = random_case(2, 150, 6, 2)
    one = few(made, truth, hierarchy=tree(), seed=3).to_json()
    assert few(made, truth, hierarchy=tree(), seed=3).to_json() == one
    other = few(made, truth, hierarchy=tree(), seed=4).to_json()
    assert other["balanced_error_interval"] != one["balanced_error_interval"]
    order = np.random.default_rng(0).permutation(150)
    shuffled = replace(
        made,
        ids=tuple(made.ids[i] for i in order),
        top_index=made.top_index[order],
        top_score=made.top_score[order],
        logits=made.logits[order],
    )
    assert few(shuffled, truth, hierarchy=tree(), seed=3).to_json() == one


def test_what_cannot_be_had_is_refused_by_name() -> None:
    made = from_top([[0, 1, 2, 3, 4], [1, 0, 2, 3, 4]], 6)
    found = few(made, from_sets([[0], [0]], 6))
    assert set(found.refused) == {
        "severity", "per_subtree", "confusion_by_subtree", "hierarchical_error", "calibration", "selective",
    }  # fmt: skip
    assert "no logits" in found.refused["calibration"] and "WordNet" in found.refused["severity"]
    said = found.to_json()
    assert not said.keys() & {"severity", "calibration", "selective", "hierarchical_error"}
    assert set(said["details"]) == {"per_class"}
    assert said["balanced_error"] == 0.5


def test_several_labels_refuse_what_needs_one() -> None:
    made, _ = random_case(3, 60, 6)
    found = few(made, from_sets([[0, 1]] + [[2]] * 59, 6))
    assert {"nll", "brier", "classwise_ece", "temperature"} <= set(found.refused)
    assert found.to_json()["calibration"]["nll_interval"] is None
    assert found.to_json()["calibration"]["ece_interval"] is not None
    too_few = few(*random_case(3, 20, 6))
    assert "too few" in too_few.refused["temperature"] and "nll" not in too_few.refused


def test_a_file_of_probabilities_is_not_put_through_softmax_again() -> None:
    made, truth = random_case(4, 80, 6)
    p = np.exp(made.logits - made.logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    twin = Predictions.from_logits(made.ids, p, made.classes)
    plain, undone = few(made, truth), few(twin, truth)
    assert undone.calibration.ece == pytest.approx(plain.calibration.ece, abs=1e-5)
    assert "probabilities" in undone.refused["logits"] and "logits" not in plain.refused


def test_restricting_measures_among_the_truths_classes() -> None:
    logits = np.array([[9.0, 1.0, 0.0, 2.0], [0.0, 1.0, 3.0, 9.0]], dtype=np.float32)
    made = Predictions.from_logits(("a", "b"), logits, class_list(4))
    pair = ClassList(("n00000002", "n00000001"), ("two", "one"))
    truth = Truth.single(["a", "b"], np.array([1, 0], dtype=np.int32), pair)
    found = few(made, truth, restrict=True)
    assert (found.scores.top1_error, found.scores.restricted, found.by_class.balanced_error) == (0.0, True, 0.0)
    assert found.chance == pytest.approx((0.5, 0.0))
    p = np.exp([1.0, 3.0]) / (np.exp([1.0, 3.0]) + np.exp([0.0, 1.0]))
    assert found.calibration.nll == pytest.approx(-np.log(p), abs=1e-6)
    free = few(made, truth)
    assert free.scores.top1_error == 1.0 and free.chance == pytest.approx((0.75, 0.0))
    assert classes_kept(made.classes, pair).wnids == ("n00000001", "n00000002")
    assert limited(made, truth).top_index.tolist() == [[0, 1], [1, 0]]
    with pytest.raises(BadInput, match="predictions: the predictions have no logits"):
        limited(replace(made, logits=None), truth)


def test_a_hierarchy_over_other_classes_is_refused() -> None:
    made, truth = random_case(5, 10, 5)
    with pytest.raises(BadInput, match="does not fit 5 classes"):
        few(made, truth, hierarchy=tree())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(2, 9), st.integers(1, 3))
def test_the_kits_flat_error(seed: int, n: int, k: int, most: int) -> None:
    made, truth = random_case(seed, n, k, min(most, k), ties=True)
    marks = mark(made, truth)
    padded = np.zeros((len(marks), k), dtype=np.int64)
    for i in range(len(marks)):
        own = marks.labels[marks.offsets[i] : marks.offsets[i + 1]] + 1
        padded[i, : len(own)] = own
    guesses = np.zeros((len(marks), 5), dtype=np.int32)
    guesses[:, : marks.n_guesses] = made.top_index[marks.rows] + 1
    slow = flat_errors(guesses, padded)
    assert flat_error(marks) == pytest.approx(slow[: min(5, k)])
    scores = score(made, truth)
    assert scores.top5_error <= scores.top1_error
    assert all(a >= b for a, b in itertools.pairwise(slow))
    # More labels never make an image wrong: ReaL against original.
    wider = from_sets([[*truth.of(row).tolist(), 0] for row in range(n)], k)
    if scores.dropped == 0:
        assert score(made, wider).top1_error <= scores.top1_error


def test_chance_by_hand() -> None:
    made = from_top([[0, 1, 2, 3, 4]] * 2, 10)
    marks = mark(made, from_sets([[0], [1, 2, 3]], 10))
    top1, top5 = chance(marks, 10)
    assert top1 == pytest.approx((9 / 10 + 7 / 10) / 2)
    assert top5 == pytest.approx((comb(9, 5) / comb(10, 5) + comb(7, 5) / comb(10, 5)) / 2)
    thousand = mark(from_top([[0, 1, 2, 3, 4]], 1000), from_sets([[0]], 1000))
    assert chance(thousand, 1000) == pytest.approx((0.999, 0.995))
    assert chance(mark(from_top([[0, 1]], 2), from_sets([[0]], 2)), 2) == (0.5, 0.0)


def test_editions_up_to_2017_rank_by_top5() -> None:
    assert [rank_by(year) for year in (2010, 2012, 2017, 2018, 2026)] == ["top5", "top5", "top5", "top1", "top1"]


def test_every_interval_is_of_the_same_resamples_drawn_by_the_seed() -> None:
    made, truth = random_case(6, 120, 6)
    found = details(made, truth, hierarchy=tree(), seed=5, n_resamples=50)
    marks = mark(made, truth)
    for keys, statistic in (
        (("balanced_error",), balanced_statistic(marks)),
        (("severity", "trimmed_severity"), severity_statistic(marks, found.severity)),
        (("ece", "nll", "brier"), calibration_statistic(found.calibration)),
        (("aurc",), selective_statistic(found.selective)),
    ):
        samples = resampled(120, statistic, np.random.default_rng(5), 50)
        for place, key in enumerate(keys):
            assert found.intervals[key] == pytest.approx(percentile_interval(samples[:, place]), abs=1e-6), key
    usual = details(made, truth).intervals
    assert usual == details(made, truth, seed=0, n_resamples=1000).intervals
    assert usual != details(made, truth, n_resamples=999).intervals


def test_calibration_is_that_of_the_seed_and_of_each_class() -> None:
    made, truth = random_case(7, 200, 6)
    for seed in (0, 1):
        alone = calibration(mark(made, truth), made.logits, seed=seed)
        found = few(made, truth, seed=seed).calibration
        assert (found.temperature, found.classwise_ece) == (alone.temperature, alone.classwise_ece)
        assert found.temperature is not None


def test_what_is_refused_says_why() -> None:
    made, _ = random_case(3, 60, 6)
    found = few(made, from_sets([[0, 1]] + [[2]] * 59, 6))
    assert {found.refused[key] for key in ("nll", "brier", "classwise_ece", "temperature")} == {
        "some images have several allowed labels"
    }
    short = from_top([[0, 1, 2, 3, 4]], 6)
    for where in ("predictions", "p.parquet"):
        given = {} if where == "predictions" else {"where": where}
        with pytest.raises(BadInput, match=rf"^{where}: 1 of 2 images are missing"):
            details(short, from_sets([[0], [0]], 6), **given)
    with pytest.raises(BadInput, match=r"^predictions: lack 1 of the truth's 3 classes"):
        classes_kept(class_list(2), class_list(3))


def test_the_sixth_guess_counts_for_nothing() -> None:
    made = from_top([[0, 1, 2, 3, 4, 5, 6]] * 2, 7)
    assert flat_error(mark(made, from_sets([[4], [5]], 7))) == [1.0, 1.0, 1.0, 1.0, 0.5]


def test_what_is_limited_stays_the_same_run() -> None:
    made, _ = random_case(2, 4, 5)
    known = replace(made, view="v", system="s", run="r")
    found = limited(known, Truth.single(made.ids, np.zeros(4, np.int32), class_list(3)))
    assert (found.ids, found.view, found.system, found.run) == (made.ids, "v", "s", "r")
    assert found.classes == class_list(3)
