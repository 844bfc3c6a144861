"""Ranking suspects: what is clearly better, what restores a figure, what the labels and the scores alone betray."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ttest_rel

from topfive.records import UNKNOWN, BadInput
from topfive.scoring import wilson
from topfive.scoring.suspects import (
    DOUBLE_SOFTMAX,
    N_KIT,
    LowNumber,
    Outcome,
    hopeless,
    joined,
    low_number,
    only_among,
    other_orders,
    outcome,
    rank_suspects,
    softmaxed_twice,
)


def run(suspect: str, right: int, n: int = 100, *, log_p: float = -1.0, easier: bool = False) -> Outcome:
    """The first `right` of n images are right; log-probabilities wobble a little around `log_p`."""
    wobble = 0.01 * np.cos(np.arange(n) + len(suspect))
    return Outcome(suspect, "", np.arange(n) < right, log_p + wobble, easier)


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def test_a_suspect_that_restores_the_figure_stands_first() -> None:
    given, good, bad = run("as given", 60), run("good", 90, log_p=-0.4), run("bad", 30, log_p=-3.0)
    found = low_number(given, [bad, good], expected=0.1)
    assert found.named == "good"
    assert [suspect.name for suspect in found.suspects] == ["good", "bad"]
    first = found.suspects[0]
    assert (first.gained, first.lost, first.top1_error) == (30, 0, pytest.approx(0.1))
    assert first.p_value == pytest.approx(4 * 2 * 0.5**30)  # two tests of two suspects
    assert first.score_gain == pytest.approx(0.6, abs=0.01)
    assert found.as_expected is False
    assert found.verdict == "good:  mends 30 of 100 images and spoils 0"
    assert found.to_json()["suspects"][0]["restores"] is True


def test_where_nothing_is_wrong_nothing_is_named() -> None:
    given = run("as given", 90)
    found = low_number(given, [run("a", 91, log_p=-1.0), run("b", 89, log_p=-1.2)], expected=0.1)
    assert found.named is None
    assert found.verdict == "none of these restores it: it is as expected"


def test_a_clear_gain_that_misses_the_figure_does_not_restore_it() -> None:
    found = low_number(run("as given", 20), [run("half", 50, log_p=-0.5)], expected=0.1)
    assert found.named is None
    assert found.suspects[0].better
    assert found.verdict == "none of these restores it; the nearest is half ()"
    assert low_number(run("as given", 20), [run("half", 50, log_p=-0.5)]).named == "half"


def test_scores_tell_what_the_number_of_right_answers_does_not() -> None:
    found = low_number(run("as given", 88), [run("more likely", 90, log_p=-0.9), run("lanczos", 88)], expected=0.1)
    assert found.suspects[0].p_value == 1.0
    assert found.suspects[0].score_p_value < 1e-6
    assert found.named == "more likely"
    for right in (90, 91):  # no image is gained, one is lost
        assert low_number(run("as given", right), [run("more likely", 90, log_p=-0.9)]).named is None


def test_more_than_was_expected_restores_it_too() -> None:
    assert low_number(run("as given", 60), [run("good", 95, log_p=-0.4)], expected=0.25).named == "good"


def test_an_easier_question_explains_a_figure_only_where_it_is_missed() -> None:
    subset = run("subset", 97, easier=True)
    as_hoped = low_number(run("as given", 90), [subset], expected=0.1)
    assert as_hoped.suspects[0].better
    assert (as_hoped.named, as_hoped.verdict) == (None, "none of these restores it: it is as expected")
    assert low_number(run("as given", 85), [subset], expected=0.03).named == "subset"
    assert low_number(run("as given", 85), [subset]).named is None
    both = low_number(run("as given", 85), [subset, run("mean", 97, log_p=-0.5)], expected=0.03)
    assert both.named == "mean"


def test_the_best_way_of_each_suspect_is_kept() -> None:
    ways = [run("mean", 70, log_p=-0.9), run("mean", 90, log_p=-0.5), run("crop", 60)]
    assert [(s.name, s.top1_error) for s in rank_suspects(run("as given", 60), ways)] == [
        ("mean", pytest.approx(0.1)),
        ("crop", pytest.approx(0.4)),
    ]


def test_a_run_of_the_first_images_is_compared_on_those() -> None:
    (found,) = rank_suspects(run("as given", 60), [run("early", 10, 20, log_p=-2.0)])
    assert (found.n, found.gained, found.lost) == (20, 0, 10)


def test_runs_without_images_or_with_others_are_refused() -> None:
    for pair in (
        (run("as given", 0, 0), run("a", 0, 0)),
        (run("as given", 1, 2), run("a", 1, 3)),
        (run("as given", 1, 2), run("a", 0, 0)),
    ):
        with pytest.raises(BadInput, match="not the same images"):
            rank_suspects(pair[0], [pair[1]])
    assert rank_suspects(run("as given", 1, 2), []) == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_the_paired_test_is_scipys(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, n))
    right = rng.random((2, n)) < 0.5
    (found,) = rank_suspects(Outcome("as given", "", right[0], before), [Outcome("a", "", right[1], after)])
    assert found.score_p_value == pytest.approx(min(1.0, 2 * ttest_rel(after, before).pvalue), rel=1e-6, abs=1e-12)


def test_what_is_clearly_worse_is_given_up_and_what_may_be_better_is_not() -> None:
    assert hopeless(run("as given", 60), run("a", 20, log_p=-3.0))
    assert hopeless(run("as given", 60), run("a", 55, log_p=-2.0))
    assert not hopeless(run("as given", 60), run("a", 59))
    assert not hopeless(run("as given", 60), run("a", 80, log_p=-3.0))


def test_parts_are_joined_in_order() -> None:
    whole = joined([run("a", 1, 2), run("a", 3, 3)])
    assert whole.correct.tolist() == [True, False, True, True, True]
    assert len(whole.log_probability) == 5
    assert joined([replace(run("a", 1, 2), said=said) for said in ("one", "two", "three")]).said == "one"


def test_the_outcome_of_scores_is_by_hand() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]]))
    found = outcome("a", "b", logits + 5, np.array([0, 2, UNKNOWN]))
    assert found.correct.tolist() == [True, False, False]
    np.testing.assert_allclose(np.exp(found.log_probability), [0.7, 0.3, 0.25])


def test_orders_of_labels_are_by_hand_and_undo_each_other() -> None:
    orders = other_orders(12, None)
    text = orders["class order", "labels: folders sorted as text (0, 1, 10)"]
    assert text.tolist() == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    back = orders["class order", "outputs: folders sorted as text (0, 1, 10)"]
    np.testing.assert_array_equal(back[text], np.arange(12))
    assert orders["off by one", "labels: counted from one"].tolist() == [UNKNOWN, *range(11)]
    assert orders["off by one", "outputs: a background class is the first"].tolist() == [*range(1, 12), UNKNOWN]
    kit = np.array([2, 0, 1])
    orders = other_orders(3, kit)
    assert orders["class order", "labels: ILSVRC2012_ID less one"].tolist() == [2, 0, 1]
    assert orders["class order", "outputs: by ILSVRC2012_ID"].tolist() == [1, 2, 0]
    assert len(other_orders(4, kit)) == 4  # the kit's order is of other classes


def test_fewer_classes_are_chosen_among_with_the_same_probabilities() -> None:
    logits = np.array([[3.0, 2.0, 1.0], [0.0, 5.0, 4.0]])
    truth = np.array([1, 2])
    plain = outcome("as given", "", logits, truth)
    found = only_among(plain, logits, truth, np.array([1, 2]))
    assert plain.correct.tolist() == [False, False]
    assert found.correct.tolist() == [True, False]
    assert found.easier
    assert found.log_probability is plain.log_probability


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 60), st.floats(0.0, 30.0))
def test_softmax_twice_is_seen_and_once_or_never_is_not(seed: int, n_classes: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(size=(20, n_classes)) * scale
    once = softmax(logits)
    assert softmaxed_twice(softmax(once).astype(np.float32))
    assert not softmaxed_twice(logits)
    if scale > 1.0:
        assert not softmaxed_twice(once)
        assert not softmaxed_twice(np.log(once))


def test_few_classes_do_not_tell_and_double_softmax_is_named_last() -> None:
    assert not softmaxed_twice(np.array([[0.6, 0.4], [0.5, 0.5]]))
    found = low_number(run("as given", 90), [run("a", 90)], expected=0.1, twice=True)
    assert found.named == DOUBLE_SOFTMAX
    assert "softmax again" in found.verdict
    assert low_number(run("as given", 60), [run("a", 90, log_p=-0.5)], expected=0.1, twice=True).named == "a"


def test_what_a_low_number_says() -> None:
    given, better = run("as given", 60), run("b", 90, log_p=-0.5)
    found = low_number(given, [better], expected=0.1, left_out=2, not_tried=("kit",))
    (first,) = found.suspects
    assert found.to_json() == {
        "n": 100,
        "protocol": "suspects/1",
        "top1_error": pytest.approx(0.4),
        "top1_error_interval": list(wilson(40, 100)),
        "expected": 0.1,
        "as_expected": False,
        "named": "b",
        "verdict": "b:  mends 30 of 100 images and spoils 0",
        "double_softmax": False,
        "suspects": [
            {
                "suspect": "b",
                "instead": "",
                "n": 100,
                "top1_error": pytest.approx(0.1),
                "top1_error_interval": list(wilson(10, 100)),
                "gained": 30,
                "lost": 0,
                "p_value": pytest.approx(2 * 2 * 0.5**30),
                "score_p_value": first.score_p_value,
                "log_probability": pytest.approx(-0.5, abs=0.01),
                "score_gain": first.score_gain,
                "better": True,
                "restores": True,
            }
        ],
        "not_tried": ["kit"],
        "left_out": 2,
    }
    bare = low_number(given, [])
    assert (bare.left_out, bare.not_tried, bare.twice, bare.as_expected) == (0, (), False, None)
    assert bare.verdict == "none of these restores it"
    plain = LowNumber(1, 0.0, (0.0, 1.0), None, ())
    assert (plain.twice, plain.left_out, plain.not_tried) == (False, 0, ())


def test_a_figure_at_the_end_of_an_interval_lies_inside() -> None:
    given, better = run("as given", 60), run("b", 90, log_p=-0.5)
    for end in wilson(10, 100):
        assert low_number(given, [better], expected=end).named == "b"
    for end in wilson(40, 100):
        assert low_number(given, [], expected=end).as_expected is True
    # An easier question is no remedy for a figure that it passes.
    assert low_number(given, [run("easy", 90, easier=True, log_p=-0.5)], expected=0.2).named is None


def test_a_figure_is_by_the_images_as_given_and_needs_some() -> None:
    with pytest.raises(BadInput, match=r"^suspects: are not the same images$"):
        low_number(run("as given", 0, 0), [])
    assert rank_suspects(run("as given", 1, 1), [run("a", 1, 1)])[0].n == 1, "one image is enough to be compared"


def test_without_a_spread_the_scores_say_nothing() -> None:
    flat = Outcome("a", "", np.array([True, True]), np.array([-1.0, -1.0]))
    (found,) = rank_suspects(replace(flat, correct=np.array([False, True])), [flat])
    assert (found.score_p_value, found.p_value) == (1.0, 1.0)
    (one,) = rank_suspects(run("as given", 0, 1), [run("a", 1, 1, log_p=-0.5)])
    assert (one.score_p_value, one.gained) == (1.0, 1)
    assert not hopeless(flat, flat), "nothing is lost"


def test_scores_that_are_lower_make_nothing_better() -> None:
    # Two more are right, which may be chance; every score is clearly lower.
    (found,) = rank_suspects(run("as given", 50), [run("a", 52, log_p=-2.0)])
    assert (found.better, found.score_p_value < 0.05) == (False, True)
    likelier, clear = run("likelier", 39, log_p=-0.5), run("clear", 80, log_p=-1.7)
    ordered = rank_suspects(run("as given", 40), [likelier, clear], expected=0.01)
    assert [(suspect.name, suspect.restores) for suspect in ordered] == [("clear", False), ("likelier", False)]


def test_scores_of_any_kind_are_read_by_row() -> None:
    logits = np.array([[1, 3, 2], [5, 1, 0], [1, 2, 7]])
    truth = np.array([1, 1, UNKNOWN])
    found = outcome("a", "b", logits, truth)
    p = softmax(logits.astype(np.float64))
    np.testing.assert_allclose(np.exp(found.log_probability), [p[0, 1], p[1, 1], p[2, 0]])
    assert found.correct.tolist() == [True, False, False]
    half = outcome("a", "b", logits.astype(np.float16), truth)
    assert half.log_probability.dtype == np.float64
    np.testing.assert_allclose(half.log_probability, found.log_probability, rtol=1e-12)
    assert not found.easier


def test_limits_are_taken_off_and_nothing_is_added() -> None:
    """Scores that float16 would round together are told apart."""
    logits = np.array([[2048.0, 2049.0, 4000.0]], dtype=np.float32)
    found = only_among(outcome("a", "", logits, np.array([1])), logits, np.array([1]), np.array([0, 1]))
    assert found.correct.tolist() == [True]
    assert (found.said, found.suspect) == ("the set's 2 classes only", "subset of classes")


def test_double_softmax_by_hand() -> None:
    once = softmax(np.random.default_rng(0).normal(size=(6, 10)) * 4)
    twice = softmax(once)
    assert softmaxed_twice(twice), "ten classes are enough"
    assert softmaxed_twice(twice) is True and softmaxed_twice(once) is False
    assert not softmaxed_twice(twice[:, :9] / twice[:, :9].sum(axis=1, keepdims=True)), "nine are not"
    mixed = twice.copy()
    mixed[3] = once[3]
    assert not softmaxed_twice(mixed), "every row must be"
    assert softmaxed_twice(twice * (1 + 5e-4)), "float16 does not sum to one exactly"
    assert not softmaxed_twice(twice * 1.01)
    zero = twice.copy()
    zero[0, :2] = 0.0, zero[0, :2].sum()
    assert softmaxed_twice(zero) is False, "no softmax gives exactly 0"
    # Logarithms that sum to 1.5 above their smallest are those of no probabilities.
    assert not softmaxed_twice(softmax(once * 1.5))


def test_the_first_label_may_be_the_first_class() -> None:
    assert other_orders(3, None)["off by one", "labels: counted from one"].tolist() == [UNKNOWN, 0, 1]
    assert N_KIT == 1000
