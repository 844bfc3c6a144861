"""Passive-aggressive learning: steps by hand, the mean against a plain one, and against a batch learner."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from topfive.systems.features.linear_svm import fit_one_vs_rest
from topfive.systems.features.passive_aggressive import fit_passive_aggressive


def slow(
    features: NDArray[np.float32], labels: NDArray[np.int64], k: int, limit: float, epochs: int
) -> NDArray[np.float64]:
    """The mean of all machines, each kept; the bias is the last row."""
    rng, machine, kept = np.random.default_rng(0), np.zeros((k, features.shape[1] + 1)), []
    for _ in range(epochs):
        for i in rng.permutation(len(features)):
            x = np.append(features[i].astype(np.float64), 1.0)
            scores = machine @ x
            others = np.delete(np.arange(k), labels[i])
            rival = others[scores[others].argmax()]
            loss = max(0.0, 1.0 - scores[labels[i]] + scores[rival])
            move = min(limit, loss / (2 * (x @ x)))
            machine = machine.copy()
            machine[labels[i]] += move * x
            machine[rival] -= move * x
            kept.append(machine)
    return np.mean(kept, axis=0).T


def test_steps_by_hand() -> None:
    # The example 1 with its constant 1 has length^2 2: a loss of 1 asks for a step of 1/4, which gives a lead of 1.
    one, own = np.ones((1, 1), np.float32), np.zeros(1, np.int64)
    free = fit_passive_aggressive(one, own, 2, seed=0, limit=1.0, epochs=3)
    np.testing.assert_allclose(free.weights, [[0.25, -0.25]])
    np.testing.assert_allclose(free.bias, [0.25, -0.25])
    # At most 0.1 a step: 0.1, then 0.2; their mean.
    held = fit_passive_aggressive(one, own, 2, seed=0, limit=0.1, epochs=2)
    np.testing.assert_allclose(held.weights, [[0.15, -0.15]], rtol=1e-6)


@pytest.mark.parametrize("limit", [0.02, 0.5])
def test_the_mean_is_that_of_all_machines(limit: float) -> None:
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(40, 5)).astype(np.float32), rng.integers(0, 4, 40)
    found, expected = (
        fit_passive_aggressive(features, labels, 4, seed=0, limit=limit, epochs=3),
        slow(features, labels, 4, limit, 3),
    )
    np.testing.assert_allclose(found.weights, expected[:-1], atol=1e-5)
    np.testing.assert_allclose(found.bias, expected[-1], atol=1e-5)


def test_it_agrees_with_one_vs_rest_machines_on_new_examples() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 1200)
    features = (0.35 * rng.normal(size=(5, 40))[labels] + rng.normal(size=(1200, 40))).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    online = fit_passive_aggressive(features[:600], labels[:600], 5, seed=0)
    (batch,) = fit_one_vs_rest(features[:600], labels[:600], 5, (1e-2,), seed=0)
    wrong = [np.mean(linear(features[600:]).argmax(axis=1) != labels[600:]) for linear in (online, batch)]
    assert wrong[0] < wrong[1] + 0.03


def test_one_class_or_no_example_gives_zeros() -> None:
    one = fit_passive_aggressive(np.ones((3, 2), np.float32), np.zeros(3, np.int64), 1, seed=0)
    none = fit_passive_aggressive(np.ones((0, 2), np.float32), np.zeros(0, np.int64), 3, seed=0)
    assert one.weights.shape == (2, 1) and none.weights.shape == (2, 3)
    assert not one.weights.any() and not none.weights.any()
