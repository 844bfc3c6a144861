"""Siblings: two ways of one set, outliers by average precision, and what a mark on every picture does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList, Predictions, Truth
from topfive.scoring import (
    Outliers,
    both_ways,
    only_classes,
    outliers,
    require_same_ids,
    score,
    shortcut,
    wilson,
    with_classes,
)
from topfive.scoring.siblings import anomaly, average_precision

TEN = ClassList(tuple(f"n{i:08d}" for i in range(10)), tuple("abcdefghij"))
SOME = ClassList(("n00000001", "n00000003", "n00000005"), tuple("bdf"))


def predictions(logits: np.ndarray, classes: ClassList = TEN, view: str = "v") -> Predictions:
    return Predictions.from_logits(tuple(f"i{i}" for i in range(len(logits))), logits, classes, view=view)


def test_both_ways_by_hand() -> None:
    # Image 0: class 3 leads. Image 1: class 0, which is none of the set's, leads before class 5.
    logits = np.zeros((2, 10), np.float32)
    logits[0, 3], logits[1, 0], logits[1, 5] = 2, 2, 1
    truth = Truth.single(["i0", "i1"], np.array([1, 2], np.int32), SOME)
    found = both_ways(predictions(logits), truth)
    assert found.full.top1_error == 0.5
    assert found.restricted is not None
    assert (found.restricted.top1_error, found.restricted.restricted) == (0.0, True)
    value = json.loads(json.dumps(found.to_json()))
    assert [way["n_ways"] for way in value["ways"]] == [3, 10]
    assert [way["restricted"] for way in value["ways"]] == [True, False]
    assert (value["n_classes"], value["n_classes_with_images"]) == (3, 2)


def test_all_classes_have_one_way_and_no_logits_are_refused() -> None:
    logits = np.eye(10, dtype=np.float32)
    truth = Truth.single([f"i{i}" for i in range(10)], np.arange(10, dtype=np.int32), TEN)
    assert [way["n_ways"] for way in both_ways(predictions(logits), truth).to_json()["ways"]] == [10]
    made = predictions(logits[:2])
    bare = Predictions(made.ids, made.top_index, made.top_score, made.classes)
    with pytest.raises(BadInput, match="have no logits"):
        both_ways(bare, Truth.single(["i0", "i1"], np.array([1, 2], np.int32), SOME))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_ways_agree_with_the_score_of_each(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(30, 10)).astype(np.float32)
    truth = Truth.single([f"i{i}" for i in range(30)], rng.integers(0, 3, 30).astype(np.int32), SOME)
    found = both_ways(predictions(logits), truth)
    assert found.full == score(predictions(logits), truth)
    assert found.restricted == score(predictions(logits), truth, restrict=True)
    assert found.restricted.top1_error <= found.full.top1_error  # type: ignore[union-attr]


def test_labels_in_other_class_lists() -> None:
    truth = Truth.from_sets(["x", "y", "z"], [[3, 5], [0], []], TEN)
    assert [only_classes(truth, SOME).of(row).tolist() for row in range(3)] == [[1, 2], [], []]
    assert only_classes(Truth.from_sets(["x"], [[0, 1, 2]], TEN), SOME).of(0).tolist() == [0]
    back = ClassList(tuple(reversed(TEN.wnids)), tuple(reversed(TEN.names)))
    assert [with_classes(truth, back).of(row).tolist() for row in range(3)] == [[4, 6], [9], []]
    with_classes(truth, back).check()
    assert (with_classes(truth, back).classes, only_classes(truth, SOME).classes) == (back, SOME)
    named = Truth.from_sets(["x"], [[3]], TEN, "real")
    assert (only_classes(named, SOME).name, with_classes(named, back).name) == ("real", "real")
    with pytest.raises(BadInput, match=r"set: lack 7 of the truth's 10 classes"):
        with_classes(truth, SOME, "set")


def slow_precision(scores: list[float], positive: list[bool]) -> float:
    total, gained = 0.0, 0
    for limit in sorted(set(scores), reverse=True):
        above = [p for s, p in zip(scores, positive, strict=True) if s >= limit]
        new = sum(above) - gained
        gained = sum(above)
        total += new * sum(above) / len(above)
    return total / sum(positive)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_average_precision_equals_the_slow_one_and_scikits(seed: int, n: int) -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 8, n).astype(float)
    positive = rng.random(n) < 0.4
    positive[rng.integers(n)] = True
    found = average_precision(scores, positive)
    assert found == pytest.approx(slow_precision(scores.tolist(), positive.tolist()), abs=1e-12)
    assert found == pytest.approx(average_precision_score(positive, scores), abs=1e-12)
    weights = rng.integers(0, 3, n)
    if (weights * positive).sum():
        again = average_precision(np.repeat(scores, weights), np.repeat(positive, weights))
        assert average_precision(scores, positive, weights) == pytest.approx(again, abs=1e-12)


def test_average_precision_by_hand() -> None:
    # Found at places 1 and 3: (1/1 + 2/3) / 2.
    assert average_precision(np.array([4.0, 3, 2, 1]), np.array([True, False, True, False])) == pytest.approx(5 / 6)
    assert average_precision(np.ones(4), np.array([True, False, False, False])) == 0.25, "ties say nothing"
    with pytest.raises(BadInput, match=r"^average precision: has nothing to find$"):
        average_precision(np.ones(2), np.zeros(2, dtype=bool))


def test_anomaly_looks_at_the_subset_alone() -> None:
    logits = np.zeros((2, 10), np.float32)
    logits[0, 0] = 50  # none of the subset's
    logits[1, 3] = 1e4
    # Three equal logits: the greatest softmax is a third; a huge one: 1, without overflow.
    assert anomaly(predictions(logits), SOME).tolist() == pytest.approx([-1 / 3, -1.0])


def test_outliers_are_told_from_the_subset() -> None:
    rng = np.random.default_rng(0)
    sure = np.zeros((60, 10), np.float32)
    sure[np.arange(60), rng.choice([1, 3, 5], 60)] = 3 + rng.random(60)
    unsure = rng.random((40, 10)).astype(np.float32)
    outside, inside = predictions(unsure), predictions(sure)
    found = outliers(outside, inside, SOME)
    assert (found.aupr, found.interval) == (1.0, (1.0, 1.0))
    mixed = predictions(np.concatenate([sure[:20], unsure[:20]]))
    found = outliers(mixed, inside, SOME, seed=3)
    assert found.interval[0] < found.aupr < found.interval[1]
    assert found == outliers(mixed, inside, SOME, seed=3)
    value = found.to_json()
    assert (value["chance"], value["n_ways"], value["n_outside"]) == (0.4, 3, 40)
    bare = Predictions(inside.ids, inside.top_index, inside.top_score, TEN)
    with pytest.raises(BadInput, match=r"^in\.parquet: have no logits, and .* needs them\. Predict with logits kept$"):
        outliers(outside, bare, SOME, where=("out.parquet", "in.parquet"))


def test_a_shortcut_by_hand() -> None:
    # Four images of class 0 and one of class 2, the marked class. The mark turns two of the four to class 2.
    truth = Truth.single([f"i{i}" for i in range(5)], np.array([0, 0, 0, 0, 2], np.int32), TEN)
    clean, marked = (np.zeros((5, 10), np.float32) for _ in range(2))
    clean[[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]] = 1
    marked[[0, 1, 2, 3, 4], [0, 2, 2, 1, 2]] = 1
    found = shortcut(predictions(marked), predictions(clean), truth, "n00000002").to_json()
    assert (found["clean_error"], found["marked_error"]) == (pytest.approx(0.2), pytest.approx(0.6))
    assert found["error_rise"] == pytest.approx(0.4)
    assert (found["n_other"], found["called_clean"], found["called_marked"], found["called_rise"]) == (4, 0.0, 0.5, 0.5)
    assert found["called_rise_interval"][0] <= 0.5 <= found["called_rise_interval"][1]
    called = shortcut(predictions(clean), predictions(marked), truth, "n00000002").to_json()
    assert (called["called_clean"], called["called_marked"], called["called_rise"]) == (0.5, 0.0, -0.5)
    with pytest.raises(BadInput, match=r"^marked predictions: do not know the class n99999999$"):
        shortcut(predictions(marked), predictions(clean), truth, "n99999999")
    only = Truth.single(["i0"], np.array([2], np.int32), TEN)
    with pytest.raises(BadInput, match=r"^truth 'original': has no picture of another class than n00000002$"):
        shortcut(predictions(marked[:1]), predictions(clean[:1]), only, "n00000002")


def test_other_images_are_named() -> None:
    require_same_ids(predictions(np.zeros((2, 10), np.float32)), ("i1", "i0"), "p")
    with pytest.raises(BadInput, match=r"^p: 1 of 3 images are missing, the first is 'i2'"):
        require_same_ids(predictions(np.zeros((2, 10), np.float32)), ("i0", "i1", "i2"), "p")


def test_what_the_ways_say() -> None:
    logits = np.zeros((2, 10), np.float32)
    logits[0, 3], logits[1, 0], logits[1, 5] = 2, 2, 1
    found = both_ways(predictions(logits), Truth.single(["i0", "i1"], np.array([1, 2], np.int32), SOME))
    assert found.restricted is not None
    assert found.to_json() == {
        "protocol": "sibling-ways/1",
        "n_classes": 3,
        "n_classes_with_images": 2,
        "ways": [{"n_ways": 3, **found.restricted.to_json()}, {"n_ways": 10, **found.full.to_json()}],
    }


def test_what_outliers_and_a_shortcut_say() -> None:
    assert Outliers(2, 6, 200, 0.5, (0.25, 0.75), 4).to_json() == {
        "protocol": "outlier-aupr/1",
        "aupr": 0.5,
        "aupr_interval": [0.25, 0.75],
        "chance": 0.25,
        "n_outside": 2,
        "n_inside": 6,
        "n_ways": 200,
        "seed": 4,
    }
    truth = Truth.from_sets([f"i{i}" for i in range(6)], [[0], [0], [0], [0], [2], []], TEN)
    clean, marked = (np.zeros((6, 10), np.float32) for _ in range(2))
    clean[range(6), [0, 0, 0, 2, 2, 2]] = 1
    marked[range(6), [0, 2, 2, 2, 2, 2]] = 1
    found = shortcut(predictions(marked), predictions(clean), truth, "n00000002")
    assert found.to_json() == {
        "protocol": "shortcut/1",
        "wnid": "n00000002",
        "n": 5,
        "clean_error": 0.2,
        "marked_error": 0.6,
        "error_rise": pytest.approx(0.4),
        "error_rise_interval": list(found.comparison.interval),
        "p_value": 0.5,
        "n_other": 4,
        "called_clean": 0.25,
        "called_clean_interval": list(wilson(1, 4)),
        "called_marked": 0.75,
        "called_marked_interval": list(wilson(3, 4)),
        "called_rise": 0.5,
        "called_rise_interval": list(found.rise_interval),
    }
    again = shortcut(predictions(marked), predictions(clean), truth, "n00000002", seed=0)
    assert found == again, "the seed is 0 where none is given"


def test_who_is_at_fault_is_named() -> None:
    two, one = predictions(np.eye(2, 10, dtype=np.float32)), predictions(np.eye(1, 10, dtype=np.float32))
    truth = Truth.single(["i0", "i1"], np.zeros(2, np.int32), TEN)
    with pytest.raises(BadInput, match=r"^marked predictions: 1 of 2"):
        shortcut(one, two, truth, "n00000002")
    with pytest.raises(BadInput, match=r"^clean predictions: 1 of 2"):
        shortcut(two, one, truth, "n00000002")
    with pytest.raises(BadInput, match=r"^predictions: 1 of 2"):
        both_ways(one, truth)
    with pytest.raises(BadInput, match=r"^p: 1 of 2"):
        both_ways(one, truth, "p")
    with pytest.raises(BadInput, match=r"^p: have no logits"):
        bare = Predictions(two.ids, two.top_index, two.top_score, TEN)
        both_ways(bare, Truth.single(["i0", "i1"], np.zeros(2, np.int32), SOME), "p")
    with pytest.raises(BadInput, match=r"^truth: lack 7"):
        with_classes(truth, SOME)
    bare = Predictions(two.ids, two.top_index, two.top_score, TEN)
    for sides, name in (((bare, two), "outside"), ((two, bare), "inside")):
        with pytest.raises(BadInput, match=f"^{name}: have no logits"):
            outliers(*sides, SOME)
    with pytest.raises(BadInput, match=r"^predictions: have no logits"):
        anomaly(bare, SOME)


def test_the_outliers_interval_is_drawn_from_both_sides() -> None:
    rng = np.random.default_rng(1)
    outside, inside = (predictions(rng.normal(size=(n, 10)).astype(np.float32)) for n in (7, 9))
    found = outliers(outside, inside, SOME)
    values = np.concatenate([anomaly(outside, SOME), anomaly(inside, SOME)])
    positive = np.arange(16) < 7
    again, drawn = np.random.default_rng(0), []
    for _ in range(1000):
        weights = [again.multinomial(n, np.full(n, 1 / n)) for n in (7, 9)]
        drawn.append(average_precision(values, positive, np.concatenate(weights)))
    assert found.interval == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=1e-12)
    assert (found.n_outside, found.n_inside, found.n_ways, found.seed) == (7, 9, 3, 0)


def test_a_shortcut_takes_its_seed_and_any_class_that_both_know() -> None:
    rng = np.random.default_rng(2)
    marked, clean = (predictions(rng.normal(size=(60, 10)).astype(np.float32)) for _ in range(2))
    truth = Truth.single([f"i{i}" for i in range(60)], rng.integers(0, 3, 60).astype(np.int32), SOME)
    one, other = (shortcut(marked, clean, truth, "n00000003", seed=seed) for seed in (0, 1))
    assert (one.comparison.seed, other.comparison.seed) == (0, 1)
    # The truth has no picture of class 8: every picture is of another.
    for wnid in ("n00000008", "n00000000"):
        assert shortcut(marked, clean, truth, wnid).n_other == 60
    assert shortcut(marked, clean, truth, "n00000003").n_other == 60 - int((truth.labels == 1).sum())
