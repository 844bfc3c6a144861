"""Rank sets: the procedure against a slow one, and their coverage by simulation, exact ties included."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList, Predictions, Truth
from topfive.scoring import (
    Coverage,
    compare,
    holm,
    paired_difference,
    rank_coverage,
    rank_intervals,
    rank_systems,
    wilson,
)
from topfive.scoring.ranks import _only, simulated, true_ranks

CLASSES = ClassList(tuple(f"n{i:08d}" for i in range(3)), tuple("abc"))


def slow_p(first_only: int, second_only: int) -> float:
    n, k = first_only + second_only, min(first_only, second_only)
    return float(min(Fraction(1), Fraction(2 * sum(comb(n, i) for i in range(k + 1)), 2**n)))


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
    found = rank_intervals(correct)
    assert found == slow_ranks(correct)
    order = rng.permutation(60)
    assert rank_intervals(correct[:, order]) == found, "the order of images says nothing"
    systems = rng.permutation(m)
    assert rank_intervals(correct[systems]) == [found[s] for s in systems]


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


def made(results: np.ndarray) -> tuple[list[Predictions], Truth]:
    ids = tuple(f"i{i}" for i in range(results.shape[1]))
    truth = Truth.single(ids, np.zeros(len(ids), dtype=np.int32), CLASSES)
    sides = [
        Predictions(ids, np.where(row, 0, 1).astype(np.int32)[:, None], np.ones((len(ids), 1), np.float32), CLASSES)
        for row in results
    ]
    return sides, truth


def test_rank_systems_by_hand() -> None:
    # Of 40 images: b none wrong, a and c 20 each (other ones), d all wrong.
    right = np.ones((4, 40), dtype=bool)
    right[0, :20] = right[2, 20:] = right[3] = False
    sides, truth = made(right)
    found = rank_systems(sides, truth, ["a", "b", "c", "d"])
    assert found.names == ("b", "a", "c", "d")
    assert (found.ranks, found.wrong) == ((1, 2, 2, 4), (0, 20, 20, 40))
    assert found.rank_intervals == ((1, 1), (2, 3), (2, 3), (4, 4))
    tie = found.pairs[3]
    assert (tie.first, tie.second, tie.difference, tie.n_discordant, tie.separates) == (1, 2, 0.0, 40, False)
    value = found.to_json()
    assert [system["name"] for system in value["systems"]] == ["b", "a", "c", "d"]
    assert value["systems"][1]["error"] == 0.5
    assert value["systems"][1]["rank_interval"] == [2, 3]
    two = compare(sides[1], sides[0], truth)
    pair = value["pairs"][0]
    assert (pair["first"], pair["second"], pair["separates"]) == ("b", "a", True)
    assert (pair["difference"], pair["p_value"], pair["n_discordant"]) == (two.difference, two.p_value, 20)
    assert pair["interval"] == list(two.few_interval)


def test_rank_systems_refuses() -> None:
    sides, truth = made(np.ones((2, 4), dtype=bool))
    with pytest.raises(BadInput, match=r"^a\.parquet: stands twice\. Name each predictions file once$"):
        rank_systems(sides, truth, ["a.parquet", "a.parquet"])
    with pytest.raises(BadInput, match=r"^b: hold 1 guesses an image, and top-5 error needs 3"):
        rank_systems([sides[0], sides[1]], truth, ["b", "c"], metric="top5")
    with pytest.raises(BadInput, match=r"^compare: is no metric: 'top3'"):
        rank_systems(sides, truth, ["b", "c"], metric="top3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="longer"):
        rank_systems(sides[:1], truth, ["b", "c"])
    short = Predictions(sides[1].ids[:3], sides[1].top_index[:3], sides[1].top_score[:3], CLASSES)
    with pytest.raises(BadInput, match=r"^c: 1 of 4 images are missing"):
        rank_systems([sides[0], short], truth, ["b", "c"])


def test_true_ranks_of_ties() -> None:
    assert true_ranks([0.7, 0.9, 0.7, 0.1]) == [(2, 3), (1, 1), (2, 3), (4, 4)]
    assert true_ranks([0.1, 0.9]) == [(2, 2), (1, 1)]
    assert true_ranks([0.5, 0.5, 0.5]) == [(1, 3)] * 3
    assert true_ranks([]) == []


@pytest.mark.parametrize(
    "accuracy",
    [(0.7, 0.7, 0.7, 0.7), (0.8, 0.7, 0.7, 0.6), (0.76, 0.74, 0.72, 0.70, 0.70)],
    ids=["all tied", "a tie in the middle", "near ones and a tie"],
)
def test_rank_sets_hold_the_true_ranks(accuracy: tuple[float, ...]) -> None:
    trials = 2000 if os.environ.get("TOPFIVE_NIGHTLY") else 300
    rng = np.random.default_rng(5)
    found = rank_coverage(accuracy, 400, n_trials=trials, correlation=0.5, rng=rng)
    # Holm keeps a false order under 5 %; 2.6 standard errors of 300 trials allow 91.7 % where 95 % is true.
    assert found.to_json()["coverage_interval"][1] >= 0.95
    assert found.n_covered >= 0.93 * trials
    assert min(found.by_system) >= found.n_covered / trials
    assert 1 <= found.mean_width <= len(accuracy)


def test_rank_sets_narrow_where_systems_are_apart() -> None:
    rng = np.random.default_rng(1)
    found = rank_coverage((0.9, 0.5, 0.1), 400, n_trials=20, correlation=0.5, rng=rng)
    assert (found.n_covered, found.mean_width) == (20, 1.0)


def test_simulated_systems_have_their_accuracy_and_share_hard_images() -> None:
    rng = np.random.default_rng(0)
    right = simulated((0.9, 0.5, 0.5), 200_000, 0.5, rng)
    assert right.mean(axis=1) == pytest.approx([0.9, 0.5, 0.5], abs=0.005)
    # Two deviates that correlate by 0.5 are both below 0 with chance 1/4 + asin(0.5) / (2 pi) = 1/3.
    assert (right[1] & right[2]).mean() == pytest.approx(1 / 3, abs=0.005)
    apart = simulated((0.5, 0.5), 200_000, 0.0, rng)
    assert (apart[0] & apart[1]).mean() == pytest.approx(1 / 4, abs=0.005)


def test_a_wrong_set_is_counted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from topfive.scoring import ranks

    monkeypatch.setattr(ranks, "rank_intervals", lambda correct: [(1, 1), (2, 2)])
    rng = np.random.default_rng(1)
    tied = rank_coverage((0.5, 0.5), 10, n_trials=7, correlation=0.0, rng=rng)
    assert (tied.n_covered, tied.by_system, tied.mean_width) == (0, (0.0, 0.0), 1.0)
    right = rank_coverage((0.6, 0.5), 10, n_trials=7, correlation=0.0, rng=rng)
    assert (right.n_covered, right.by_system) == (7, (1.0, 1.0))


def test_what_a_ranking_says() -> None:
    right = np.zeros((2, 40), dtype=bool)
    right[0, :30] = True
    sides, truth = made(right)
    found = rank_systems(sides, truth, ["worse", "best"][::-1])
    assert found.to_json() == {
        "protocol": "rank-sets/1",
        "metric": "top1",
        "n": 40,
        "level": 0.05,
        "systems": [
            {"name": "best", "rank": 1, "rank_interval": [1, 1], "error": 0.25, "error_interval": list(wilson(10, 40))},
            {"name": "worse", "rank": 2, "rank_interval": [2, 2], "error": 1.0, "error_interval": list(wilson(40, 40))},
        ],
        "pairs": [
            {
                "first": "best",
                "second": "worse",
                "difference": -0.75,
                "interval": list(paired_difference(0, 30, 40)),
                "p_value": pytest.approx(2 / 2**30),
                "n_discordant": 30,
                "separates": True,
            }
        ],
    }


def test_what_a_coverage_says() -> None:
    found = Coverage(n_trials=20, n_covered=15, by_system=(0.75, 1.0), mean_width=1.5)
    assert found.to_json() == {
        "n_trials": 20,
        "coverage": 0.75,
        "coverage_interval": list(wilson(15, 20)),
        "by_system": [0.75, 1.0],
        "mean_width": 1.5,
    }


def test_counts_of_many_images_are_whole() -> None:
    """Blocks of images add up: 2**20 + 3 images are two blocks."""
    right = np.zeros((2, (1 << 20) + 3), dtype=bool)
    right[0, -4:] = right[1, :2] = True
    sides = rank_intervals(right)
    assert sides == slow_ranks(right[:, [0, 1, -4, -3, -2, -1]]) == [(1, 2), (1, 2)]
    right[0, -40:] = True
    assert rank_intervals(right) == [(1, 1), (2, 2)]
    right[1, (1 << 20) - 1 :] = True  # the last of the first block and all of the second
    right[0, (1 << 20) - 1] = False
    assert _only(right).tolist() == [[0, 36], [3, 0]]


def test_equal_systems_stay_in_the_order_given() -> None:
    sides, truth = made(np.tile(np.arange(8) < 6, (40, 1)))
    sides[::2] = made(np.tile(np.arange(8) < 5, (20, 1)))[0]
    names = [f"s{i:02d}" for i in range(40)]
    assert rank_systems(sides, truth, names).names == (*names[1::2], *names[::2])
