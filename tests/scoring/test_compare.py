from __future__ import annotations

import json
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList, Predictions, Truth
from topfive.scoring import bootstrap_difference, compare, mcnemar, paired_difference, require_one_view, wilson
from topfive.scoring.compare import LISTED

CLASSES = ClassList(tuple(f"n{i:08d}" for i in range(7)), tuple("abcdefg"))


def predictions(first: list[int], seed: int, view: str | None = "v", scores: list[float] | None = None) -> Predictions:
    """One first guess an image, four others behind it."""
    rng = np.random.default_rng(seed)
    rows = [[guess, *[c for c in rng.permutation(7).tolist() if c != guess][:4]] for guess in first]
    best = np.array([5.0] * len(first) if scores is None else scores, np.float32)[:, None]
    falling = best - np.arange(5, dtype=np.float32)
    return Predictions(tuple(f"i{i}" for i in range(len(first))), np.array(rows, np.int32), falling, CLASSES, view)


def zeros(n: int) -> Truth:
    return Truth.single([f"i{i}" for i in range(n)], np.zeros(n, dtype=np.int32), CLASSES)


def slow_p(first_only: int, second_only: int) -> float:
    n, k = first_only + second_only, min(first_only, second_only)
    return float(min(Fraction(1), Fraction(2 * sum(comb(n, i) for i in range(k + 1)), 2**n)))


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_is_exact(first_only: int, second_only: int) -> None:
    assert float(mcnemar(np.array(first_only), np.array(second_only))) == pytest.approx(
        slow_p(first_only, second_only), rel=1e-10
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_scipys_binomial_test(first_only: int, second_only: int) -> None:
    from scipy.stats import binomtest

    total = first_only + second_only
    expected = 1.0 if total == 0 else binomtest(first_only, total, 0.5).pvalue
    assert float(mcnemar(np.array(first_only), np.array(second_only))) == pytest.approx(expected, rel=1e-7)


def test_mcnemar_by_hand_and_large() -> None:
    # Five against none: 2 * (1 / 32).
    assert float(mcnemar(np.array(5), np.array(0))) == pytest.approx(0.0625)
    assert [float(mcnemar(np.array(k), np.array(k))) for k in (0, 1, 3)] == [1.0, 1.0, 1.0]
    assert float(mcnemar(np.array(1), np.array(0))) == 1.0
    assert float(mcnemar(np.array(1000), np.array(1060))) == pytest.approx(slow_p(1000, 1060), rel=1e-8)


def test_compare_by_hand() -> None:
    truth = Truth.single([f"i{i}" for i in reversed(range(6))], np.zeros(6, dtype=np.int32), CLASSES)
    a = predictions([0, 0, 0, 0, 1, 1], seed=1)
    b = predictions([0, 1, 1, 2, 0, 1], seed=2, view="w", scores=[1, 2, 2, 9, 1, 1])
    result = compare(a, b, truth)
    assert (result.error_first, result.error_second) == (pytest.approx(2 / 6), pytest.approx(4 / 6))
    assert result.difference == pytest.approx(-2 / 6)
    assert result.interval[0] <= result.difference <= result.interval[1]
    assert result.few_interval == paired_difference(1, 3, 6)
    # The surest mistake of the second comes first; equal scores go by id.
    assert [image.image_id for image in result.first_only] == ["i3", "i1", "i2"]
    assert result.first_only[0] == ("i3", ("n00000000",), "n00000000", "n00000002")
    assert [image.image_id for image in result.second_only] == ["i4"]
    assert result.second_only[0] == ("i4", ("n00000000",), "n00000001", "n00000000")
    assert result.p_value == pytest.approx(slow_p(3, 1))
    value = json.loads(json.dumps(result.to_json()))
    assert (value["n_discordant"], value["n"], value["metric"], value["same_view"]) == (4, 6, "top1", False)
    assert (value["n_first_only"], value["first_only"]) == (3, ["i3", "i1", "i2"])
    assert value["same_classes"] is True
    assert {"difference", "interval", "p_value", "few_interval", "seed", "second_only", "protocol"} <= value.keys()
    assert value["error_first_interval"] == list(wilson(2, 6))
    assert value["error_second_interval"] == list(wilson(4, 6))
    assert result == compare(a, b, truth, seed=0)


def test_compare_with_itself_and_top5() -> None:
    truth = zeros(6)
    a = predictions([0, 0, 1, 2, 3, 4], seed=1, view=None)
    same = compare(a, a, truth, metric="top5")
    assert (same.difference, same.p_value, same.n_discordant, same.interval) == (0.0, 1.0, 0, (0.0, 0.0))
    assert same.few_interval[0] < 0 < same.few_interval[1]
    assert same.to_json()["same_view"] is None
    one = Predictions(a.ids, a.top_index[:, :1], a.top_score[:, :1], CLASSES)
    assert compare(one, a, truth).n_discordant == 0
    with pytest.raises(
        BadInput,
        match=r"^a\.parquet: hold 1 guesses an image, and top-5 error needs 5\. Predict anew .* --metric top1$",
    ):
        compare(one, a, truth, metric="top5", where=("a.parquet", "b.parquet"))
    with pytest.raises(BadInput, match=r"^compare: is no metric: 'top3'\. Use top1 or top5$"):
        compare(a, a, truth, metric="top3")  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_order_says_nothing_and_sides_change_sign(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    truth = Truth.single([f"i{i}" for i in range(n)], rng.integers(0, 3, n).astype(np.int32), CLASSES)
    a, b = (
        predictions(rng.integers(0, 3, n).tolist(), seed=side, scores=rng.integers(0, 4, n).astype(float).tolist())
        for side in (1, 2)
    )
    found, swapped = compare(a, b, truth), compare(b, a, truth)
    assert swapped.difference == pytest.approx(-found.difference, abs=1e-12)
    assert (swapped.p_value, swapped.n_discordant) == (found.p_value, found.n_discordant)
    if found.difference != 0:
        assert swapped.interval == pytest.approx((-found.interval[1], -found.interval[0]), abs=1e-12)
    assert [image.image_id for image in swapped.first_only] == [image.image_id for image in found.second_only]
    order = rng.permutation(n)
    moved = Truth.single([truth.ids[i] for i in order], truth.labels[order], CLASSES)
    shuffled = Predictions(tuple(a.ids[i] for i in order), a.top_index[order], a.top_score[order], CLASSES, a.view)
    assert compare(shuffled, b, moved) == found


def test_images_without_a_valid_label_are_left_out() -> None:
    truth = Truth.from_sets(["i0", "i1", "i2"], [[], [0, 3], [1]], CLASSES)
    found = compare(predictions([0, 3, 1], 1), predictions([0, 1, 1], 2), truth)
    assert (found.n, found.n_discordant) == (2, 1)
    assert found.first_only[0] == ("i1", ("n00000000", "n00000003"), "n00000003", "n00000001")


def test_classes_are_joined_by_wnid() -> None:
    truth = zeros(3)
    a = predictions([0, 0, 1], 1)
    other = ClassList(tuple(reversed(CLASSES.wnids)), tuple(reversed(CLASSES.names)))
    b = Predictions(a.ids, 6 - a.top_index, a.top_score, other, "v")
    found = compare(a, b, truth)
    assert (found.n_discordant, found.to_json()["same_classes"]) == (0, False)
    # Guesses are named by the list of the side that made them.
    c = Predictions(a.ids, 6 - predictions([0, 2, 0], 1).top_index, a.top_score, other, "v")
    found = compare(a, c, truth)
    assert found.first_only == (("i1", (CLASSES.wnids[0],), CLASSES.wnids[0], CLASSES.wnids[2]),)
    assert found.second_only == (("i2", (CLASSES.wnids[0],), CLASSES.wnids[1], CLASSES.wnids[0]),)
    less = ClassList(CLASSES.wnids[1:], CLASSES.names[1:])
    with pytest.raises(BadInput, match=r"b\.parquet: lack 1 of the truth's 7 classes"):
        compare(a, Predictions(a.ids, a.top_index % 6, a.top_score, less), truth, where=("a.parquet", "b.parquet"))


def test_other_images_are_named() -> None:
    with pytest.raises(BadInput, match=r"b\.parquet: 1 of 3 images are missing, the first is 'i2'"):
        compare(predictions([0, 0, 0], 1), predictions([0, 0], 1), zeros(3), where=("a.parquet", "b.parquet"))


def test_the_list_of_images_is_bounded() -> None:
    n = LISTED + 5
    found = compare(predictions([0] * n, 1), predictions([1] * n, 2), zeros(n))
    assert (found.n_first_only, len(found.first_only), len(found.to_json()["first_only"])) == (n, LISTED, LISTED)
    assert (found.n_discordant, found.error_second) == (n, 1.0)


def test_unlike_views_are_not_compared_unseen() -> None:
    require_one_view(["v", None, "v"], ["a", "b", "c"])
    require_one_view([None, None], ["a", "b"])
    with pytest.raises(BadInput, match=r"^c: has the view 0123456789ab, and b has v: .*--any-view$"):
        require_one_view([None, "v", "0123456789abcd"], ["a", "b", "c"])
    with pytest.raises(BadInput, match=r"^c: has the view v, and b has 0123456789ab: "):
        require_one_view([None, "0123456789abcd", "v"], ["a", "b", "c"])
    with pytest.raises(ValueError, match="shorter"):
        require_one_view(["v", "v"], ["a"])


def test_what_a_comparison_says() -> None:
    a, b = predictions([0, 0, 0, 0, 1, 1], seed=1), predictions([0, 1, 1, 2, 0, 1], seed=2)
    found = compare(a, b, zeros(6), seed=3)
    assert found.to_json() == {
        "difference": pytest.approx(-2 / 6),
        "interval": list(found.interval),
        "p_value": pytest.approx(0.625),
        "n_discordant": 4,
        "n": 6,
        "metric": "top1",
        "protocol": "mcnemar-exact/2",
        "seed": 3,
        "few_interval": list(paired_difference(1, 3, 6)),
        "error_first": pytest.approx(2 / 6),
        "error_first_interval": list(wilson(2, 6)),
        "error_second": pytest.approx(4 / 6),
        "error_second_interval": list(wilson(4, 6)),
        "n_first_only": 3,
        "n_second_only": 1,
        "first_only": ["i1", "i2", "i3"],
        "second_only": ["i4"],
        "same_view": True,
        "same_classes": True,
    }


def test_predictions_at_fault_are_named_by_side() -> None:
    a, short = predictions([0, 0, 0], 1), predictions([0, 0], 1)
    with pytest.raises(BadInput, match=r"^first predictions: 1 of 3"):
        compare(short, a, zeros(3))
    with pytest.raises(BadInput, match=r"^second predictions: 1 of 3"):
        compare(a, short, zeros(3))


def test_the_list_holds_a_thousand() -> None:
    assert LISTED == 1000


def test_sides_with_as_many_errors_are_resampled_as_they_stand() -> None:
    # Three errors each, of which one is shared: the stream of the seed is that of first less second.
    a, b = predictions([1, 1, 1, 0, 0, 0, 0], 1), predictions([1, 0, 0, 1, 1, 0, 0], 2)
    first, second = np.array([True] * 3 + [False] * 4), np.array([True, False, False, True, True, False, False])
    found = compare(a, b, zeros(7), seed=8)
    assert found.interval == bootstrap_difference(first, second, seed=8)
