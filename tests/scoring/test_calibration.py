from __future__ import annotations

import hashlib
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.made import class_list, from_sets, random_case
from topfive.records import BadInput, Predictions, Truth
from topfive.scoring import calibration, mark, wilson
from topfive.scoring.calibration import _slope, best_beta, calibration_statistic, held_out, reliability
from topfive.scoring.softmax import bin_of


def probabilities(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def of(p: list[list[float]], labels: list[int]):
    """Calibration of these probabilities."""
    made = Predictions.from_logits(
        tuple(f"i{i}" for i in range(len(p))), np.log(np.array(p, np.float32)), class_list(len(p[0]))
    )
    return calibration(mark(made, from_sets([[label] for label in labels], len(p[0]))), made.logits)


def test_by_hand() -> None:
    found = of([[0.5, 0.3, 0.2], [0.51, 0.29, 0.2], [0.9, 0.05, 0.05], [0.2, 0.2, 0.6]], [0, 1, 0, 2])
    # Bins: 0.5 and 0.51 share one (7/15 to 8/15), half of them right; 0.9 and 0.6 are right.
    assert found.ece == pytest.approx((abs(1 - 1.01) + (1 - 0.9) + (1 - 0.6)) / 4, abs=1e-6)
    assert found.nll.mean() == pytest.approx(-np.log([0.5, 0.29, 0.9, 0.6]).mean(), abs=1e-6)
    brier = [0.25 + 0.09 + 0.04, 0.51**2 + 0.71**2 + 0.04, 0.01 + 0.0025 * 2, 0.04 + 0.04 + 0.16]
    assert found.brier == pytest.approx(brier, abs=1e-6)
    assert found.temperature is None  # too few images
    said = found.to_json()
    assert said["mean_confidence"] == pytest.approx(0.6275, abs=1e-6)
    assert said["ece"] == found.ece and said["temperature"] is None
    assert said["protocol"] == "calibration/1"


def test_classwise_by_hand() -> None:
    found = of([[0.9, 0.1], [0.8, 0.2]], [0, 1])
    # Class 0: 0.9 in bin 14 (right), 0.8 in bin 12 (not). Class 1: 0.1 in bin 2 (not), 0.2 in bin 3 (right).
    wanted = ((1 - 0.9) + 0.8 + 0.1 + (1 - 0.2)) / 2 / 2
    assert found.classwise_ece == pytest.approx(wanted, abs=1e-6)


def test_reliability_by_hand() -> None:
    found = reliability(np.array([0.5, 0.51, 1.0, 0.0]), np.array([True, False, True, False]))
    rows = found.to_json()
    assert [row["n"] for row in rows] == [1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1]
    assert rows[7]["confidence"] == pytest.approx(0.505)
    assert (rows[7]["accuracy"], rows[7]["accuracy_interval"]) == (0.5, list(wilson(1, 2)))
    assert (rows[1]["confidence"], rows[1]["accuracy"], rows[1]["accuracy_interval"]) == (None, None, None)
    assert (rows[14]["from"], rows[14]["to"], rows[3]["from"]) == (14 / 15, 1.0, 0.2)
    assert found.ece == pytest.approx(0.01 / 4)


def test_several_labels_leave_only_what_needs_none() -> None:
    made, _ = random_case(0, 30, 4)
    truth = from_sets([[0, 1]] + [[2]] * 29, 4)
    found = calibration(mark(made, truth), made.logits)
    assert (found.nll, found.brier, found.classwise_ece, found.temperature) == (None, None, None, None)
    assert found.to_json()["nll"] is None and found.to_json()["brier"] is None
    assert found.ece > 0
    weights = np.ones((1, 30), np.float32)
    assert calibration_statistic(found)(weights)[0] == pytest.approx([found.ece], abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(2, 12))
def test_equals_the_slow_form(seed: int, n: int, k: int) -> None:
    made, truth = random_case(seed, n, k)
    found = calibration(mark(made, truth), made.logits)
    p, labels = probabilities(made.logits), truth.labels
    confidence, correct = p.max(axis=1), made.top_index[:, 0] == labels
    ece = classwise = 0.0
    for b in range(15):
        inside = bin_of(confidence) == b
        ece += abs(correct[inside].sum() - confidence[inside].sum()) / n
        for c in range(k):
            inside = bin_of(p[:, c]) == b
            classwise += abs((labels[inside] == c).sum() - p[inside, c].sum()) / n / k
    edge = np.abs(p * 15 - np.round(p * 15)).min() < 1e-4
    if not edge:
        assert found.ece == pytest.approx(ece, abs=1e-5)
        assert found.classwise_ece == pytest.approx(classwise, abs=1e-5)
    assert found.nll.mean() == pytest.approx(-np.log(p[np.arange(n), labels]).mean(), rel=1e-4)
    assert found.brier.mean() == pytest.approx(((p - np.eye(k)[labels]) ** 2).sum(axis=1).mean(), abs=1e-5)
    assert 0 <= found.ece <= 1 and 0 <= found.classwise_ece <= 1 and 0 <= found.brier.min() <= found.brier.max() <= 2
    # Order changes nothing.
    order = np.random.default_rng(seed).permutation(n)
    again = calibration(mark(made, truth.take(order)), made.logits)
    assert again.ece == pytest.approx(found.ece) and again.classwise_ece == pytest.approx(found.classwise_ece)
    # Resamples: every image drawn once gives the figures themselves.
    weights = np.random.default_rng(seed).integers(0, 3, (1, n)).astype(np.float32)
    weights[0, 0] += n - weights.sum()  # a resample has n draws; a negative one is arithmetic all the same
    gap = np.zeros(15)
    np.add.at(gap, bin_of(found.confidence), weights[0] * (correct - found.confidence))
    moved = calibration_statistic(found)(weights)[0]
    assert moved == pytest.approx(
        [np.abs(gap).sum() / n, weights[0] @ found.nll / n, weights[0] @ found.brier / n], abs=1e-4
    )


def test_torchmetrics_agrees() -> None:
    pytest.importorskip("torch", reason="pip install 'topfive[models]'")
    measure = pytest.importorskip("torchmetrics.functional.classification", reason="pip install torchmetrics")
    import torch

    made, truth = random_case(7, 400, 6)
    found = calibration(mark(made, truth), made.logits)
    p = torch.from_numpy(probabilities(made.logits))
    theirs = measure.multiclass_calibration_error(p, torch.from_numpy(truth.labels).long(), 6, n_bins=15, norm="l1")
    assert found.ece == pytest.approx(float(theirs), abs=1e-6)
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(made.logits), torch.from_numpy(truth.labels).long())
    assert found.nll.mean() == pytest.approx(float(loss), rel=1e-5)


def test_held_out_by_hash_of_the_id() -> None:
    ids = [f"image-{i}" for i in range(4000)]
    chosen = held_out(ids, 0)
    assert chosen.mean() == pytest.approx(0.2, abs=0.02)
    # Growth and order move no image, another seed does.
    assert np.array_equal(held_out(ids[::-1], 0)[::-1], chosen)
    assert np.array_equal(held_out(ids[:50], 0), chosen[:50])
    assert (held_out(ids, 1) != chosen).mean() == pytest.approx(0.32, abs=0.04)
    first = int.from_bytes(hashlib.blake2b(b"image-0", digest_size=8, key=b"0").digest(), "little")
    assert chosen[0] == (first < 0.2 * 2**64)
    assert held_out(ids, 0, 0.5).mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("planted", [0.25, 1.0, 3.0])
def test_the_temperature_that_was_planted_is_found(planted: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, (6000, 8)).astype(np.float32)
    labels = np.array([rng.choice(8, p=row) for row in probabilities(true)], dtype=np.int32)
    ids = tuple(f"i{i}" for i in range(6000))
    made = Predictions.from_logits(ids, true * np.float32(planted), class_list(8))
    truth = Truth.single(ids, labels, class_list(8))
    found = calibration(mark(made, truth), made.logits).temperature
    assert found is not None and not found.at_bound
    assert found.value == pytest.approx(planted, rel=0.1)
    assert found.n_fit + found.n == 6000 and found.n_fit == int(held_out(ids, 0).sum())
    assert found.after["nll"] <= found.before["nll"] + 1e-3
    others = ~held_out(ids, 0)
    p = probabilities(made.logits / found.value)[others]
    right = made.top_index[others, 0] == labels[others]
    assert found.after["nll"] == pytest.approx(-np.log(p[np.arange(len(p)), labels[others]]).mean(), rel=1e-4)
    assert found.after["ece"] == pytest.approx(reliability(p.max(axis=1), right).ece, abs=1e-4)
    before = probabilities(made.logits)[others]
    assert found.before["ece"] == pytest.approx(reliability(before.max(axis=1), right).ece, abs=1e-4)
    assert found.before["nll"] == pytest.approx(-np.log(before[np.arange(len(p)), labels[others]]).mean(), rel=1e-4)
    said = calibration(mark(made, truth), made.logits).to_json()["temperature"]
    assert said["value"] == found.value and said["n"] == found.n and said["before"] == found.before
    assert said["at_bound"] is False and said["n_fit"] == found.n_fit and said["after"] == found.after
    if planted == 3.0:
        assert found.after["ece"] < 0.03 < found.before["ece"]
        other = calibration(mark(made, truth), made.logits, seed=1).temperature
        assert other is not None and other.value != found.value


def test_best_beta_is_where_nll_is_least() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (700, 5)).astype(np.float32)
    labels = rng.integers(0, 5, 700).astype(np.int32)
    labels[:450] = logits[:450].argmax(axis=1)

    def nll(beta: float) -> float:
        p = probabilities(logits * np.float32(beta))
        return float(-np.log(p[np.arange(700), labels]).mean())

    beta = best_beta(logits, labels)
    assert nll(beta) <= min(nll(beta * 0.99), nll(beta * 1.01))
    # Scaling the logits scales the answer back, from far away too.
    for scale in (0.05, 15.0):
        assert best_beta(logits * np.float32(scale), labels) == pytest.approx(beta / scale, rel=1e-3)


def test_a_temperature_without_end_stops_at_the_bound() -> None:
    logits = np.eye(4, dtype=np.float32)
    assert best_beta(logits, np.arange(4, dtype=np.int32)) == 50.0  # all right: the surer the better
    assert best_beta(logits, np.array([1, 2, 3, 0], dtype=np.int32)) == 0.02  # all wrong
    with pytest.raises(BadInput, match="temperature: has no image"):
        best_beta(logits[:0], np.zeros(0, np.int32))
    ids = tuple(f"i{i}" for i in range(200))
    made = Predictions.from_logits(ids, np.tile(logits, (50, 1)), class_list(4))
    truth = Truth.single(ids, np.tile(np.arange(4, dtype=np.int32), 50), class_list(4))
    found = calibration(mark(made, truth), made.logits).temperature
    assert found is not None and found.at_bound and found.value == pytest.approx(0.02)


def test_the_slope_goes_through_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (100, 5)).astype(np.float32)
    labels = rng.integers(0, 5, 100).astype(np.int32)
    labels[:70] = logits[:70].argmax(axis=1)
    whole = best_beta(logits, labels)
    monkeypatch.setattr(import_module("topfive.scoring.softmax"), "_ROWS", 9)
    assert best_beta(logits, labels) == pytest.approx(whole, rel=1e-5)


def test_ten_images_are_needed_on_both_sides() -> None:
    ids = [f"i{i}" for i in range(2000)]
    out = held_out(ids, 0)
    fit = [image_id for image_id, chosen in zip(ids, out, strict=True) if chosen]
    rest = [image_id for image_id, chosen in zip(ids, out, strict=True) if not chosen]
    for n_fit, n_rest, there in ((10, 10, True), (9, 30, False), (30, 9, False)):
        some = tuple(fit[:n_fit] + rest[:n_rest])
        logits = np.random.default_rng(0).normal(0, 1, (len(some), 3)).astype(np.float32)
        made = Predictions.from_logits(some, logits, class_list(3))
        truth = Truth.single(some, np.zeros(len(some), np.int32), class_list(3))
        assert (calibration(mark(made, truth), made.logits).temperature is not None) is there


def test_the_slope_is_the_derivative_of_nll() -> None:
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(0, 2, (600, 5)).astype(np.float32), rng.integers(0, 5, 600).astype(np.int32)

    def nll(beta: float) -> float:
        z = logits.astype(np.float64) * beta
        return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(600), labels]).mean())

    for beta in (0.3, 1.0, 2.5):
        slope, bend = _slope(logits, labels, beta)
        assert slope == pytest.approx((nll(beta + 1e-4) - nll(beta - 1e-4)) / 2e-4, rel=1e-4)
        assert bend == pytest.approx((nll(beta + 1e-3) - 2 * nll(beta) + nll(beta - 1e-3)) / 1e-6, rel=1e-3)


def test_json_has_every_figure() -> None:
    made, truth = random_case(8, 40, 4)
    found = calibration(mark(made, truth), made.logits)
    said = found.to_json()
    assert said["classwise_ece"] == found.classwise_ece
    assert said["nll"] == pytest.approx(found.nll.mean()) and said["brier"] == pytest.approx(found.brier.mean())


def test_what_a_calibration_says() -> None:
    made, truth = random_case(8, 200, 4)
    found = calibration(mark(made, truth), made.logits)
    t = found.temperature
    assert t is not None and found.nll is not None and found.brier is not None
    assert found.to_json() == {
        "protocol": "calibration/1",
        "ece": found.reliability.ece,
        "mean_confidence": pytest.approx(found.confidence.mean()),
        "classwise_ece": found.classwise_ece,
        "nll": pytest.approx(found.nll.mean()),
        "brier": pytest.approx(found.brier.mean()),
        "temperature": {
            "value": t.value,
            "at_bound": False,
            "n_fit": t.n_fit,
            "n": t.n,
            "before": {"ece": t.before["ece"], "nll": t.before["nll"]},
            "after": {"ece": t.after["ece"], "nll": t.after["nll"]},
        },
    }
    assert found.reliability.to_json()[6:8] == [
        {
            "from": i / 15,
            "to": (i + 1) / 15,
            "n": int(found.reliability.n[i]),
            "confidence": pytest.approx(found.reliability.confidence[i] / found.reliability.n[i]),
            "accuracy": found.reliability.correct[i] / found.reliability.n[i],
            "accuracy_interval": list(wilson(int(found.reliability.correct[i]), int(found.reliability.n[i]))),
        }
        for i in (6, 7)
    ]


def test_a_factor_is_found_from_anywhere_in_its_range() -> None:
    """The least NLL by a fine grid, where it lies near either end and where Newton's step would leave the range."""
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1, (300, 4)).astype(np.float32)
    labels = np.array([rng.choice(4, p=row) for row in probabilities(logits)], dtype=np.int32)
    for scale in (0.03, 1.0, 30.0):
        scaled = logits * np.float32(scale)
        grid = np.geomspace(0.02, 50.0, 4001)
        z = scaled.astype(np.float64)[None] * grid[:, None, None]
        nll = (np.log(np.exp(z - z.max(2, keepdims=True)).sum(2)) + z.max(2) - z[:, np.arange(300), labels]).mean(1)
        assert best_beta(scaled, labels) == pytest.approx(grid[nll.argmin()], rel=2e-3)
