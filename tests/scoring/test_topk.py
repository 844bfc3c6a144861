from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from topfive.records import BadInput, ClassList, Predictions
from topfive.scoring import rank_of_label
from topfive.scoring.topk import _compiled


def slow_rank(row: list[float], label: int) -> int:
    order = sorted(range(len(row)), key=lambda c: (-row[c], c))
    return order.index(label)


def test_by_hand() -> None:
    logits = np.array([[0.1, 0.9, 0.5], [2.0, 2.0, 2.0], [-1.0, -3.0, -2.0]], dtype=np.float32)
    assert rank_of_label(logits, np.array([2, 1, 1])).tolist() == [1, 1, 2]


def test_several_labels_of_one_row() -> None:
    logits = np.array([[0.1, 0.9, 0.5], [3.0, 2.0, 1.0]], dtype=np.float32)
    assert rank_of_label(logits, np.array([0, 1, 2]), np.array([0, 0, 1])).tolist() == [2, 0, 2]


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
        elements=st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.25, 1.0, np.inf]),
    ),
    st.integers(0, 2**32),
    st.integers(1, 3),
)
def test_equals_sorting_with_many_ties(logits: np.ndarray, seed: int, workers: int) -> None:
    labels = np.random.default_rng(seed).integers(0, logits.shape[1], len(logits))
    expected = [slow_rank(row, label) for row, label in zip(logits.tolist(), labels.tolist(), strict=True)]
    assert rank_of_label(logits, labels, workers=workers).tolist() == expected


def test_the_tie_rule_is_that_of_predictions() -> None:
    rng = np.random.default_rng(3)
    logits = rng.integers(0, 4, (200, 12)).astype(np.float32)
    classes = ClassList(tuple(f"c{i}" for i in range(12)), tuple(f"c{i}" for i in range(12)))
    top = Predictions.from_logits(tuple(str(i) for i in range(200)), logits, classes).top_index
    labels = rng.integers(0, 12, 200)
    rank = rank_of_label(logits, labels)
    for row, label in enumerate(labels):
        found = np.flatnonzero(top[row] == label)
        assert (rank[row] if rank[row] < 5 else None) == (found[0] if len(found) else None)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_and_strides(dtype: type) -> None:
    logits = np.random.default_rng(0).normal(size=(7, 20)).astype(dtype)
    labels = np.arange(7)
    expected = [slow_rank(row, label) for row, label in zip(logits[:, ::2].tolist(), labels.tolist(), strict=True)]
    assert rank_of_label(logits[:, ::2], labels).tolist() == expected


def test_empty() -> None:
    assert rank_of_label(np.zeros((0, 5), np.float32), np.zeros(0, np.int32)).tolist() == []


@pytest.mark.parametrize("column", [0, 1, 2])
def test_nan_is_refused_wherever_it_stands(column: int) -> None:
    logits = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], dtype=np.float32)
    logits[1, column] = np.nan
    with pytest.raises(
        BadInput, match=r"^logits, row 1: a score is not a number\. Predict it anew: NaN cannot be ranked$"
    ):
        rank_of_label(logits, np.array([1, 1, 1, 1]), np.array([0, 1, 0, 1]))
    logits[0, column] = np.nan
    with pytest.raises(BadInput, match=r"^logits, row 0: "):
        rank_of_label(logits, np.array([1, 1]))


def test_labels_and_rows_outside_are_refused() -> None:
    logits = np.zeros((2, 3), np.float32)
    with pytest.raises(BadInput, match=r"^logits, row 1: label 3 is not among 3$"):
        rank_of_label(logits, np.array([0, 3]))
    with pytest.raises(BadInput, match=r"^logits, row 0: label -1 is not among 3$"):
        rank_of_label(logits, np.array([-1, 4]))
    with pytest.raises(BadInput, match=r"^logits, row 1: row 2 is not among 2$"):
        rank_of_label(logits, np.array([0, 0, 0]), np.array([0, 2, -1]))
    with pytest.raises(BadInput, match=r"^logits: 3 labels do not fit 2 rows of scores$"):
        rank_of_label(logits, np.array([0, 0, 0]))


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_any_number_of_threads_fills_every_place(workers: int) -> None:
    logits = np.random.default_rng(1).normal(size=(5, 9)).astype(np.float32)
    labels = np.array([8, 0, 3, 3, 1], dtype=np.uint8)
    found = rank_of_label(logits, labels, workers=workers)
    assert found.dtype == np.int32
    assert found.tolist() == [
        slow_rank(row, label) for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    ]


def test_counting_lets_other_threads_run_and_is_compiled_once_a_machine() -> None:
    compiled = _compiled()
    assert compiled.targetoptions["nogil"] is True
    assert type(compiled._cache).__name__ == "FunctionCache"
