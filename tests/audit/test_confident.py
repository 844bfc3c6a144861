from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.audit.confident import calibrate, class_thresholds, confident_joint, prune_counts, round_rows


def test_thresholds_are_means_and_clipped_from_below():
    own = np.array([0.9, 0.5, 0.0, 1e-6])
    rows = tuple(np.array(r, dtype=np.int64) for r in ([0, 1], [], [2, 3]))
    thresholds, n_clipped = class_thresholds(own, rows)
    assert thresholds.tolist() == [0.7, 2.0, 2e-6]
    assert n_clipped == 1


def test_the_joint_counts_confident_rows_and_keeps_the_diagonal():
    joint = confident_joint(np.array([0, 0, 0, 1, 2]), np.array([0, 1, 1, 1, -1]), 3)
    assert joint.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 1]]


def test_calibration_keeps_the_number_of_each_given_class():
    joint = np.array([[3, 1, 0], [0, 3, 0], [1, 0, 1]])
    assert calibrate(joint, np.array([8, 4, 0])).tolist() == [[6, 2, 0], [0, 4, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("row", "expected"),
    [([2.5, 2.5], [2, 3]), ([1.7, 1.6, 1.6, 0.1], [2, 2, 1, 0]), ([0.4, 0.3, 0.3], [1, 0, 0]), ([3.0, 0.0], [3, 0])],
)
def test_rounding_keeps_the_sum(row, expected):
    rounded = round_rows(np.array([row]))[0]
    assert sorted(rounded.tolist()) == sorted(expected)
    assert rounded.sum() == sum(expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_rounding_moves_each_value_by_less_than_one(seed):
    rng = np.random.default_rng(seed)
    totals = rng.integers(0, 50, 5)
    values = rng.dirichlet(np.ones(6), 5) * totals[:, None]
    rounded = round_rows(values)
    assert rounded.sum(axis=1).tolist() == totals.tolist()
    assert np.abs(rounded - values).max() < 1.5
    assert rounded.min() >= 0


def test_each_class_keeps_one_row():
    calibrated = np.array([[0, 3, 1], [0, 5, 0], [2, 0, 4]])
    assert prune_counts(calibrated).tolist() == [[1, 2, 0], [0, 5, 0], [2, 0, 4]]
