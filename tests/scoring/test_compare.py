from __future__ import annotations

import json
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList, Predictions, Truth
from topfive.scoring import compare, holm, mcnemar, rank_intervals

CLASSES = ClassList(tuple(f"n{i:08d}" for i in range(7)), tuple("abcdefg"))


def predictions(first: list[int], seed: int, view: str | None = "v") -> Predictions:
    """One first guess an image, four others behind it."""
    rng = np.random.default_rng(seed)
    rows = [[guess, *[c for c in rng.permutation(7).tolist() if c != guess][:4]] for guess in first]
    scores = np.tile(np.arange(5, 0, -1, dtype=np.float32), (len(first), 1))
    return Predictions(tuple(f"i{i}" for i in range(len(first))), np.array(rows, np.int32), scores, CLASSES, view)


def slow_p(first_only: int, second_only: int) -> float:
    n, k = first_only + second_only, min(first_only, second_only)
    return float(min(Fraction(1), Fraction(2 * sum(comb(n, i) for i in range(k + 1)), 2**n)))


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_is_exact(first_only: int, second_only: int) -> None:
    assert float(mcnemar(np.array(first_only), np.array(second_only))) == pytest.approx(
        slow_p(first_only, second_only), rel=1e-10
    )


def test_mcnemar_by_hand_and_large() -> None:
    # Five against none: 2 * (1 / 32).
    assert float(mcnemar(np.array(5), np.array(0))) == pytest.approx(0.0625)
    assert float(mcnemar(np.array(0), np.array(0))) == 1.0
    assert float(mcnemar(np.array(1000), np.array(1060))) == pytest.approx(slow_p(1000, 1060), rel=1e-8)


def test_compare_by_hand() -> None:
    truth = Truth.single([f"i{i}" for i in reversed(range(6))], np.zeros(6, dtype=np.int32), CLASSES)
    a = predictions([0, 0, 0, 0, 1, 1], seed=1)
    b = predictions([0, 1, 1, 1, 0, 1], seed=2, view="w")
    result = compare(a, b, truth)
    assert (result.error_first, result.error_second) == (pytest.approx(2 / 6), pytest.approx(4 / 6))
    assert result.difference == pytest.approx(-2 / 6)
    assert result.interval[0] < result.difference < result.interval[1]
    assert (result.first_only, result.second_only) == (("i3", "i2", "i1"), ("i4",))
    assert result.p_value == pytest.approx(slow_p(3, 1))
    value = json.loads(json.dumps(result.to_json()))
    assert (value["n_discordant"], value["n"], value["metric"], value["same_view"]) == (4, 6, "top1", False)
    assert {"difference", "interval", "p_value", "first_only", "second_only", "protocol"} <= value.keys()


def test_compare_with_itself_and_top5() -> None:
    truth = Truth.single([f"i{i}" for i in range(6)], np.zeros(6, dtype=np.int32), CLASSES)
    a = predictions([0, 0, 1, 2, 3, 4], seed=1, view=None)
    same = compare(a, a, truth, metric="top5")
    assert (same.difference, same.p_value, same.n_discordant) == (0.0, 1.0, 0)
    assert same.interval[0] < 0 < same.interval[1]
    assert same.to_json()["same_view"] is None
    one = Predictions(a.ids, a.top_index[:, :1], a.top_score[:, :1], CLASSES)
    assert compare(one, a, truth).n_discordant == 0
    with pytest.raises(BadInput, match="top-5 error needs 5"):
        compare(one, a, truth, metric="top5")
    with pytest.raises(BadInput, match="is no metric: 'top3'"):
        compare(a, a, truth, metric="top3")  # type: ignore[arg-type]


def slow_ranks(correct: np.ndarray) -> list[tuple[int, int]]:
    m = len(correct)
    tests = []
    for i, j in combinations(range(m), 2):
        gained = sum(a and not b for a, b in zip(correct[i], correct[j], strict=True))
        lost = sum(b and not a for a, b in zip(correct[i], correct[j], strict=True))
        tests.append((slow_p(gained, lost), (i, j) if gained > lost else (j, i)))
    tests.sort(key=lambda test: test[0])
    low, high = [1] * m, [m] * m
    for step, (p, (better, worse)) in enumerate(tests):
        if p > 0.05 / (len(tests) - step):
            break
        low[worse] += 1
        high[better] -= 1
    return list(zip(low, high, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_rank_intervals_equal_the_slow_procedure(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    skill = rng.choice([0.2, 0.5, 0.8], m)
    correct = rng.random((m, 60)) < skill[:, None]
    assert rank_intervals(correct) == slow_ranks(correct)


def test_holm_by_hand() -> None:
    # 0.01 against 0.05 / 4, 0.015 against 0.05 / 3, then 0.03 fails against 0.05 / 2 and stops 0.04 as well.
    assert holm(np.array([0.04, 0.01, 0.03, 0.015])).tolist() == [False, True, False, True]
    assert holm(np.array([0.02, 0.02])).tolist() == [True, True]
    assert holm(np.array([0.05])).tolist() == [True]
    assert holm(np.zeros(0)).tolist() == []


def test_rank_intervals_degenerate() -> None:
    assert rank_intervals(np.ones((1, 4), dtype=bool)) == [(1, 1)]
    assert rank_intervals(np.ones((3, 4), dtype=bool)) == [(1, 3)] * 3
    assert rank_intervals(np.zeros((0, 4), dtype=bool)) == []
    clear = np.array([[True] * 40, [False] * 40])
    assert rank_intervals(clear) == [(1, 1), (2, 2)]


def test_equal_systems_rarely_get_an_order() -> None:
    # Under no difference at all, a claimed order may appear in at most 5 % of boards; the exact test is conservative.
    rng = np.random.default_rng(11)
    wrong = sum(rank_intervals(rng.random((4, 150)) < 0.7) != [(1, 4)] * 4 for _ in range(300))
    assert wrong <= 15
