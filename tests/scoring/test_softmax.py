from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput
from topfive.scoring import softmax
from topfive.scoring.softmax import N_BINS, Logits, are_probabilities, as_logits, bin_of, own_scores


def slow(logits: np.ndarray, beta: float = 1.0) -> np.ndarray:
    """Probabilities in float64."""
    z = logits.astype(np.float64) * beta
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]], dtype=np.float32))
    found = softmax(logits + np.float32(3))
    assert found.log_sum == pytest.approx([3, 3], abs=1e-6)
    assert found.confidence == pytest.approx([0.5, 0.75], abs=1e-6)
    assert found.doubt == pytest.approx([np.log(2), np.log(4 / 3)], abs=1e-6)
    assert found.squares == pytest.approx([0.375, 0.59375], abs=1e-6)
    assert found.bin_count.sum(axis=1).tolist() == [2, 2, 2]
    # 0.5 lies in the eighth bin (7/15 to 8/15), 0.125 in the second, 0.25 in the fourth, 0.75 in the twelfth.
    assert np.flatnonzero(found.bin_count[0]).tolist() == [1, 7]
    assert np.flatnonzero(found.bin_count[1]).tolist() == [1, 3]
    assert np.flatnonzero(found.bin_count[2]).tolist() == [3, 11]
    assert found.bin_sum.sum(axis=1) == pytest.approx([0.625, 0.375, 1.0], abs=1e-6)


def test_bins_are_closed_above() -> None:
    at = np.array([0.0, 1e-9, 1 / 15, np.nextafter(1 / 15, 1), 0.2, 0.201, 14 / 15, 0.999, 1.0])
    assert bin_of(at).tolist() == [0, 0, 0, 1, 2, 3, 13, 14, 14]
    assert bin_of(np.array([0.5, 0.51]), 2).tolist() == [0, 1]


def test_what_float32_would_round_to_one_stays_apart() -> None:
    found = softmax(np.array([[30.0, 0, 0], [40, 0, 0], [60, 0, 0], [60, 60, 0]], dtype=np.float32))
    assert found.doubt[:3] == pytest.approx([2 * np.exp(-30), 2 * np.exp(-40), 2 * np.exp(-60)], rel=1e-5)
    assert found.doubt[3] == pytest.approx(np.log(2))
    assert found.confidence[0] == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 20), st.sampled_from([0.3, 1.0, 4.0]))
def test_equals_float64(seed: int, n: int, k: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, k)).astype(np.float32)
    rows = rng.permutation(n)[: rng.integers(1, n + 1)]
    found, p = softmax(logits, rows, beta=beta), slow(logits, beta)[rows]
    assert found.confidence == pytest.approx(p.max(axis=1), abs=1e-5)
    assert found.squares == pytest.approx((p**2).sum(axis=1), abs=1e-5)
    assert found.log_sum == pytest.approx(np.log(np.exp(logits[rows].astype(np.float64) * beta).sum(axis=1)), abs=1e-4)
    assert found.bin_count.sum(axis=1).tolist() == [len(rows)] * k
    assert found.bin_sum.sum(axis=1) == pytest.approx(p.sum(axis=0), abs=1e-4)
    place = bin_of(p)
    for column in range(k):
        slow_sum = np.bincount(place[:, column], weights=p[:, column], minlength=N_BINS)
        near_edge = np.abs(p[:, column] * 15 - np.round(p[:, column] * 15)).min() < 1e-4
        if not near_edge:
            assert found.bin_sum[column] == pytest.approx(slow_sum, abs=1e-4)
            assert found.bin_count[column].tolist() == np.bincount(place[:, column], minlength=N_BINS).tolist()


def test_parts_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 30)).astype(np.float32)
    whole = softmax(logits)
    monkeypatch.setattr(import_module("topfive.scoring.softmax"), "_ROWS", 7)
    parts = softmax(logits)
    assert np.array_equal(whole.log_sum, parts.log_sum) and np.array_equal(whole.bin_count, parts.bin_count)
    assert parts.bin_sum == pytest.approx(whole.bin_sum, abs=1e-6)
    assert not logits.flags.owndata or np.array_equal(
        logits, np.random.default_rng(0).normal(0, 2, (50, 30)).astype("f4")
    )


def test_without_classes_and_without_images() -> None:
    found = softmax(np.ones((2, 3), np.float32), by_class=False)
    assert found.bin_count.tolist() == found.bin_sum.tolist() == np.zeros((3, N_BINS)).tolist()
    with pytest.raises(BadInput, match="softmax: has no image"):
        softmax(np.ones((0, 3), np.float32))
    with pytest.raises(BadInput, match="softmax: has no image"):
        softmax(np.ones((2, 3), np.float32), np.zeros(0, np.int64))


def test_probabilities_are_told_from_logits() -> None:
    p = slow(np.random.default_rng(0).normal(0, 2, (600, 5)).astype(np.float32)).astype(np.float32)
    assert are_probabilities(p)
    assert not are_probabilities(p * np.float32(1.01))
    late = p.copy()
    late[-1] = [0.5, -0.1, 0.2, 0.2, 0.2]
    assert not are_probabilities(late)
    logits, undone = as_logits(p)
    assert undone and softmax(logits).confidence == pytest.approx(p.max(axis=1), abs=1e-6)
    same, undone = as_logits(late)
    assert same is late and not undone
    # One class has the probability 1 whatever its score: nothing to undo.
    assert as_logits(np.ones((2, 1), np.float32))[1] is False
    sure = np.array([[1.0, 0.0]], dtype=np.float32)
    assert np.isfinite(softmax(as_logits(sure)[0]).log_sum).all()


def test_the_ends_of_the_bins_and_what_rounds_past_them() -> None:
    assert bin_of(np.array([-1e-7, 1.0 + 1e-7])).tolist() == [0, 14]
    # Fifteen alike: each probability is 1/15 to the last bit, the closed end of the first bin.
    found = softmax(np.zeros((2, 15), np.float32))
    assert found.bin_count[:, 0].tolist() == [2] * 15 and found.bin_count[:, 1:].sum() == 0


def test_one_row_tells_that_scores_are_no_probabilities() -> None:
    p = slow(np.random.default_rng(1).normal(0, 2, (9, 4)).astype(np.float32)).astype(np.float32)
    assert are_probabilities(p) is True
    for row in (0, 4, 8):
        wrong = p.copy()
        wrong[row] *= np.float32(1.01)
        assert are_probabilities(wrong) is False
    # Two classes and a probability of exactly 0 are enough to be probabilities.
    assert as_logits(np.array([[1.0, 0.0]], dtype=np.float32))[1] is True


def test_logits_of_some_classes_are_read_as_if_they_were_cut_out() -> None:
    rng = np.random.default_rng(2)
    scores, columns = rng.normal(0, 2, (600, 9)).astype(np.float32), np.array([7, 2, 5], dtype=np.int32)
    lazy, cut = Logits(scores, columns), np.ascontiguousarray(scores[:, columns])
    assert (len(lazy), lazy.shape, Logits(scores).shape) == (600, (600, 3), (600, 9))
    rows, labels = rng.permutation(600)[:400], rng.integers(0, 3, 400).astype(np.int32)
    assert np.array_equal(own_scores(lazy, rows, labels), cut[rows, labels].astype(np.float64))
    assert np.array_equal(own_scores(Logits(scores), rows, labels), scores[rows, labels].astype(np.float64))
    one, other = softmax(lazy, rows), softmax(cut, rows)
    assert np.array_equal(one.log_sum, other.log_sum) and np.array_equal(one.bin_sum, other.bin_sum)
    assert are_probabilities(lazy) is False
    p = slow(cut).astype(np.float32)
    undone, was = as_logits(Logits(np.ascontiguousarray(p[:, ::-1]), np.array([2, 1, 0], dtype=np.int32)))
    assert was is True and softmax(undone).confidence == pytest.approx(p.max(axis=1), abs=1e-6)
    assert own_scores(undone, np.array([3]), np.array([0], np.int32)) == pytest.approx(np.log(p[3, 0]), rel=1e-6)
