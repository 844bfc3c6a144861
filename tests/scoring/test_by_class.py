from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.made import class_list, from_sets, from_top, random_case
from topfive.scoring import ByClass, by_class, mark, wilson
from topfive.scoring.by_class import PROTOCOL, balanced_statistic


def test_by_hand() -> None:
    made = from_top([[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0]], 4)
    truth = from_sets([[0], [0], [1], [1]], 4)
    found = by_class(mark(made, truth), truth)
    assert found.n.tolist() == [2, 2, 0, 0]
    assert found.top1_correct.tolist() == [1, 1, 0, 0]
    assert found.top5_correct.tolist() == [2, 2, 0, 0]
    assert found.balanced_error == 0.5
    assert found.with_images.tolist() == [0, 1]  # equal shares: in class order
    assert found.row(1) == {
        "wnid": "n00000001",
        "name": "class 1",
        "n": 2,
        "top1_error": 0.5,
        "top1_error_interval": list(wilson(1, 2)),
        "top5_error": 0.0,
        "top5_error_interval": list(wilson(0, 2)),
    }
    assert [row["wnid"] for row in found.to_json()] == ["n00000000", "n00000001"]


def test_small_classes_count_like_large_ones_and_the_worst_stands_first() -> None:
    made = from_top([[0], [0], [0], [0], [2]], 3)
    truth = from_sets([[0], [0], [0], [0], [1]], 3)
    found = by_class(mark(made, truth), truth)
    assert found.balanced_error == 0.5  # one image in five is wrong
    assert found.with_images.tolist() == [1, 0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(2, 9), st.integers(1, 3))
def test_equals_counting_image_by_image(seed: int, n: int, k: int, most: int) -> None:
    made, truth = random_case(seed, n, k, min(most, k), ties=True)
    found = by_class(mark(made, truth), truth)
    counts = np.zeros((3, k), dtype=int)
    for row in range(n):
        allowed = set(truth.of(row).tolist())
        for label in allowed:
            counts[:, label] += [
                1,
                made.top_index[row, 0] in allowed,
                bool(allowed & set(made.top_index[row].tolist())),
            ]
    assert np.array_equal(counts, [found.n, found.top1_correct, found.top5_correct])
    there = counts[0] > 0
    assert found.balanced_error == pytest.approx(1 - (counts[1][there] / counts[0][there]).mean())
    # Order changes nothing.
    shuffled = truth.take(np.random.default_rng(seed).permutation(n))
    assert by_class(mark(made, shuffled), shuffled).to_json() == found.to_json()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(2, 6), st.integers(1, 2))
def test_a_resample_is_the_error_of_the_images_drawn(seed: int, n: int, k: int, most: int) -> None:
    made, truth = random_case(seed, n, k, most, ties=True)
    marks = mark(made, truth)
    weights = np.random.default_rng(seed).integers(0, 3, (3, len(marks))).astype(np.float32)
    weights[:, 0] += 1
    statistic = balanced_statistic(marks)(weights)
    for b in range(3):
        drawn: dict[int, list[float]] = {}
        for i in range(len(marks)):
            for label in marks.labels[marks.offsets[i] : marks.offsets[i + 1]].tolist():
                drawn.setdefault(label, []).extend([float(marks.rank[i] > 0)] * int(weights[b, i]))
        assert statistic[b] == pytest.approx(np.mean([np.mean(v) for v in drawn.values() if v]), abs=1e-6)
    assert balanced_statistic(marks)(np.ones((1, len(marks)), np.float32))[0] == pytest.approx(
        by_class(marks, truth).balanced_error, abs=1e-6
    )


def test_shares_and_not_counts_order_the_classes_and_equal_ones_stay() -> None:
    # Class 0 has three of four right, class 1 both of two; of forty others every second one has none right.
    n = np.array([4, 2, *[1] * 40])
    right = np.array([3, 2, *[0, 1] * 20])
    found = ByClass(class_list(42), n, right, right)
    assert found.with_images.tolist() == [*range(2, 42, 2), 0, 1, *range(3, 42, 2)]
    assert found.row(0)["top5_error"] == 0.25
    assert PROTOCOL == "by-class/1"


def test_the_sixth_guess_counts_for_nothing() -> None:
    made = from_top([[0, 1, 2, 3, 4, 5, 6]] * 2, 7)
    truth = from_sets([[4], [5]], 7)
    assert by_class(mark(made, truth), truth).top5_correct.tolist() == [0, 0, 0, 0, 1, 0, 0]
