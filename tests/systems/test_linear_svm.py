"""One-against-rest machines: against LIBSVM, by hand, in few and in many dimensions; scales and choices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import SVC

from topfive.systems.features.linear_svm import Linear, Sgd, choose, fit_one_vs_rest, fit_scale


def some(n: int, d: int, k: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors around k centres, overlapping."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    features = 0.35 * rng.normal(size=(k, d))[labels] + rng.normal(size=(n, d))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), labels


def objective(
    weights: NDArray[np.floating], bias: NDArray[np.floating], penalty: float, data: tuple[NDArray, NDArray]
) -> NDArray[np.float64]:
    features, labels = data
    scores = features @ weights + bias
    sign = np.where(labels[:, None] == np.arange(scores.shape[1]), 1.0, -1.0)
    return 0.5 * penalty * (weights.astype(np.float64) ** 2).sum(axis=0) + np.maximum(0, 1 - sign * scores).mean(axis=0)


@pytest.mark.parametrize("penalty", [1e-2, 1e-3])
def test_the_minimum_is_libsvms(penalty: float) -> None:
    features, labels = some(600, 40, 5)
    (found,) = fit_one_vs_rest(features, labels, 5, (penalty,), seed=0, sgd=Sgd(200, 16))
    referees = [SVC(kernel="linear", C=1 / (penalty * 600)).fit(features, labels == k) for k in range(5)]
    weights = np.concatenate([referee.coef_ for referee in referees]).T
    bias = np.concatenate([referee.intercept_ for referee in referees])
    best = objective(weights, bias, penalty, (features, labels))
    np.testing.assert_allclose(objective(found.weights, found.bias, penalty, (features, labels)), best, rtol=3e-3)
    assert np.mean(found(features).argmax(axis=1) == (features @ weights + bias).argmax(axis=1)) > 0.97


def test_more_dimensions_than_examples_are_the_same_problem() -> None:
    features, labels = some(80, 30, 3)
    wide = np.concatenate([features, np.zeros((80, 400), np.float32)], axis=1)
    (narrow,) = fit_one_vs_rest(features, labels, 3, (1e-3,), seed=0, sgd=Sgd(200, 16))
    (turned,) = fit_one_vs_rest(wide, labels, 3, (1e-3,), seed=0, sgd=Sgd(200, 16))
    assert turned.weights.shape == (430, 3)
    np.testing.assert_allclose(turned.weights[30:], 0.0, atol=1e-6)
    np.testing.assert_allclose(turned(wide), narrow(features), atol=0.05)


def test_an_example_that_stands_twice_does_no_harm() -> None:
    features, labels = some(20, 100, 2)
    twice, both = np.concatenate([features, features]), np.concatenate([labels, 1 - labels])
    (found,) = fit_one_vs_rest(twice, both, 2, (1e-2,), seed=0)
    assert np.isfinite(found.weights).all()
    assert np.abs(found(features)).max() < 2


def test_two_opposite_points_by_hand() -> None:
    # Margins of exactly one: weights 1 and -1 on the axis, no bias.
    features, labels = np.array([[1.0], [-1.0]], np.float32), np.array([0, 1])
    (found,) = fit_one_vs_rest(features, labels, 2, (0.1,), seed=0, sgd=Sgd(4000, 2))
    np.testing.assert_allclose(found.weights, [[1.0, -1.0]], atol=0.02)
    np.testing.assert_allclose(found.bias, [0.0, 0.0], atol=0.02)


def test_each_penalty_is_fitted_as_if_alone() -> None:
    data = some(200, 20, 4)
    together = fit_one_vs_rest(*data, 4, (1e-4, 1e-2), seed=3)
    for penalty, linear in zip((1e-4, 1e-2), together, strict=True):
        (alone,) = fit_one_vs_rest(*data, 4, (penalty,), seed=3)
        np.testing.assert_allclose(alone.weights, linear.weights, atol=1e-4)


def test_a_rare_class_is_learnt_where_its_examples_weigh_more() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (990, 5)), rng.normal(1.0, 1, (10, 5))]).astype(np.float32)
    labels = np.repeat([0, 1], [990, 10])
    (plain,) = fit_one_vs_rest(features, labels, 2, (1e-2,), seed=0, sgd=Sgd(20, 16))
    (even,) = fit_one_vs_rest(features, labels, 2, (1e-2,), seed=0, sgd=Sgd(20, 16, negatives=1.0))
    assert np.mean(plain(features[990:])[:, 1] > 0) < 0.2
    assert np.mean(even(features[990:])[:, 1] > 0) > 0.7


def test_scores_of_a_row_do_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    linear = Linear(rng.normal(size=(300, 7)).astype(np.float32), rng.normal(size=7).astype(np.float32))
    features = rng.normal(size=(9, 300)).astype(np.float32)
    together = linear(features)
    for i in range(9):
        np.testing.assert_array_equal(linear(features[i : i + 1])[0], together[i])
    np.testing.assert_allclose(together, features @ linear.weights + linear.bias, atol=1e-4)


def test_the_scale_is_the_one_of_greatest_likelihood() -> None:
    # Scores 1 and 0 of two classes, right in 3 of 4: the best factor makes 3/4 of them, log 3.
    scores = np.tile(np.array([[1.0, 0.0]], np.float32), (4, 1))
    scale, loss = fit_scale(scores, np.array([0, 0, 0, 1]))
    assert scale == pytest.approx(np.log(3), rel=1e-3)
    assert loss == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)), rel=1e-4)


def test_the_machine_of_greatest_likelihood_is_chosen_and_scaled() -> None:
    features, labels = np.array([[1.0], [2.0], [-1.0], [1.0]], np.float32), np.array([0, 0, 1, 1])
    right = Linear(np.array([[1.0, -1.0]], np.float32), np.zeros(2, np.float32))
    wrong = Linear(-right.weights, right.bias)
    chosen, figures = choose((wrong, right), (1.0, 2.0), features, labels)
    assert [line["penalty"] for line in figures] == [1.0, 2.0]
    assert [line["tune_error"] for line in figures] == [0.75, 0.25]
    np.testing.assert_allclose(chosen(features), figures[1]["scale"] * right(features), rtol=1e-5)
