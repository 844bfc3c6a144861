from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.made import from_sets, from_top, random_case, tree
from topfive.records import UNKNOWN
from topfive.scoring import hierarchical_errors, mark, severity
from topfive.scoring.severity import severity_statistic


def test_by_hand() -> None:
    made = from_top([[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [3, 4, 2, 1, 0], [5, 3, 2, 1, 0]], 6)
    truth = from_sets([[0], [0], [2], [2]], 6)
    found = severity(mark(made, truth), made.top_index, tree())
    assert found.n_wrong == 3
    assert found.mean == pytest.approx((2 + 4 + 6) / 3)
    assert found.histogram == {2: 1, 4: 1, 6: 1}
    assert found.trimmed_mean == pytest.approx((1 + 1 + 3) / 3)
    assert found.trimmed_histogram == {1: 2, 3: 1}
    assert found.cost.tolist() == [0, 2, 4, 6]
    assert found.trimmed_cost.tolist() == [0, 1, 1, 3]
    assert found.hierarchical_error == pytest.approx(((0 + 2 + 4 + 6) / 4, (4 + 4) / 4, 0, 0, 0))
    # Means over five guesses: image 0 costs 0 2 2 5 6, image 1 2 0 2 5 6, image 2 4 6 0 2 2, image 3 6 4 0 2 2.
    assert found.hierarchical_distance == pytest.approx({1: 3.0, 5: (15 + 15 + 14 + 14) / 20})


def test_of_several_labels_the_nearest_counts() -> None:
    made = from_top([[3]], 6)
    found = severity(mark(made, from_sets([[4, 2]], 6)), made.top_index, tree())
    assert (found.mean, found.trimmed_mean, found.hierarchical_distance) == (4.0, 1.0, {1: 4.0})


def test_no_mistake_has_no_severity() -> None:
    made = from_top([[3]], 6)
    found = severity(mark(made, from_sets([[3]], 6)), made.top_index, tree())
    assert (found.n_wrong, found.mean, found.histogram, found.trimmed_mean) == (0, None, {}, None)
    said = found.to_json(None, None)
    assert said["mean"] is None and said["mean_interval"] is None and said["histogram"] == {}


def test_guesses_not_made_cost_nothing() -> None:
    made = from_top([[3, 4]], 6)
    top = np.array([[3, UNKNOWN]], dtype=np.int32)
    found = severity(mark(made, from_sets([[2]], 6)), top, tree())
    assert found.hierarchical_error == (4.0, 4.0)
    five = np.array([[3, UNKNOWN, 0, UNKNOWN, UNKNOWN]], dtype=np.int32)
    found = severity(mark(made, from_sets([[2]], 6)), five, tree())
    assert found.hierarchical_distance == {1: 4.0, 5: (4 + 2) / 2}, "the mean over the guesses made"
    none = severity(mark(made, from_sets([[2]], 6)), np.full((1, 5), UNKNOWN, np.int32), tree())
    assert none.hierarchical_distance == {1: 0.0, 5: 0.0}


def test_json_has_both_trees() -> None:
    made = from_top([[3], [0]], 6)
    said = severity(mark(made, from_sets([[2], [0]], 6)), made.top_index, tree()).to_json((1.0, 2.0), (0.5, 1.5))
    assert said == {
        "protocol": "mistake-severity/1",
        "n_wrong": 1,
        "mean": 4.0,
        "mean_interval": [1.0, 2.0],
        "histogram": {"4": 1},
        "trimmed_mean": 1.0,
        "trimmed_mean_interval": [0.5, 1.5],
        "trimmed_histogram": {"1": 1},
        "hierarchical_distance": {"1": 2.0},
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 3))
def test_equals_the_slow_form(seed: int, n: int, most: int) -> None:
    made, truth = random_case(seed, n, 6, most, ties=True)
    marks, hierarchy = mark(made, truth), tree()
    found = severity(marks, made.top_index, hierarchy)
    costs, distance, first = hierarchy.costs, np.zeros(5), []
    for row in range(n):
        allowed = truth.of(row).tolist()
        if allowed:
            each = [min(int(costs[label, guess]) for label in allowed) for guess in made.top_index[row].tolist()]
            distance += np.cumsum(each) / np.arange(1, 6)
            if each[0]:
                first.append(each[0])
    assert found.n_wrong == len(first)
    assert found.hierarchical_distance == pytest.approx({1: distance[0] / len(marks), 5: distance[4] / len(marks)})
    assert sum(h * m for h, m in found.histogram.items()) == sum(first)
    if most == 1:
        slow = hierarchical_errors(made.top_index, truth.labels, costs)
        assert found.hierarchical_error == pytest.approx(slow)
    weights = np.random.default_rng(seed).integers(0, 3, (2, len(marks))).astype(np.float32)
    moved = severity_statistic(marks, found)(weights)
    for b in range(2):
        drawn = np.repeat(found.cost[marks.rank > 0], weights[b, marks.rank > 0].astype(int))
        trimmed = np.repeat(found.trimmed_cost[marks.rank > 0], weights[b, marks.rank > 0].astype(int))
        wanted = [drawn.mean(), trimmed.mean()] if len(drawn) else [np.nan, np.nan]
        assert moved[b] == pytest.approx(wanted, rel=1e-6, nan_ok=True)


def test_the_sixth_guess_counts_for_nothing() -> None:
    made = from_top([[0, 1, 3, 4, 5, 2]], 6)
    found = severity(mark(made, from_sets([[2]], 6)), made.top_index, tree())
    assert found.hierarchical_error == (2.0, 2.0, 2.0, 2.0, 2.0)
