"""Multinomial logistic regression: against scikit-learn, by hand, and on features that never change."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from topfive.records import BadInput
from topfive.systems.features.linear_svm import Linear
from topfive.systems.features.logistic import Axes, fit_path

pytest.importorskip("torch")


def some(n: int, d: int, k: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Correlated features of unlike scales around k centres."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    features = (rng.normal(size=(k, d))[labels] + 2 * rng.normal(size=(n, d))) @ rng.normal(size=(d, d))
    return (features * rng.uniform(0.1, 10, d) + 5).astype(np.float32), labels


def objective(linear: Linear, penalty: float, data: tuple[NDArray, NDArray]) -> float:
    features, labels = (part.astype(np.float64) if part.dtype == np.float32 else part for part in data)
    scores = features @ linear.weights.astype(np.float64) + linear.bias
    scores -= scores.max(axis=1, keepdims=True)
    loss = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels]
    standardised = linear.weights * features.std(axis=0)[:, None]
    return float(loss.mean() + 0.5 * penalty * (standardised**2).sum())


def test_each_minimum_is_scikit_learns() -> None:
    features, labels = some(400, 12, 4)
    penalties = (1.0, 0.1, 0.01)
    spread = features.std(axis=0, dtype=np.float64)
    standardised = (features - features.mean(axis=0, dtype=np.float64)) / spread
    for penalty, found in zip(penalties, fit_path(features, labels, 4, penalties, tolerance=1e-9), strict=True):
        referee = LogisticRegression(C=1 / (penalty * 400), max_iter=5000, tol=1e-8).fit(standardised, labels)
        np.testing.assert_allclose(found.weights * spread[:, None], referee.coef_.T, atol=3e-3)
        expected = referee.decision_function(standardised)
        scores = found(features) - found(features).mean(axis=1, keepdims=True)
        np.testing.assert_allclose(scores, expected - expected.mean(axis=1, keepdims=True), atol=0.02)


def test_the_default_tolerance_is_within_a_thousandth_of_the_minimum() -> None:
    data = some(600, 30, 6)
    for penalty in (0.1, 0.001):
        (quick,), (long,) = (fit_path(*data, 6, (penalty,), tolerance=t) for t in (1e-4, 1e-10))
        assert objective(quick, penalty, data) <= 1.001 * objective(long, penalty, data)


def test_without_telling_features_the_shares_of_the_classes_remain() -> None:
    features = np.full((10, 3), 7.0, np.float32)
    (found,) = fit_path(features, np.array([0] * 8 + [1] * 2), 2, (0.1,), tolerance=1e-12)
    probability = 1 / (
        1 + np.exp(found.bias[1] - found.bias[0] + (found.weights[:, 1] - found.weights[:, 0]) @ features[0])
    )
    assert probability == pytest.approx(0.8, abs=1e-3)


def test_a_feature_that_never_changes_gets_no_weight() -> None:
    features, labels = some(100, 5, 3)
    features[:, 2] = 3.0
    (found,) = fit_path(features, labels, 3, (0.01,))
    assert not found.weights[2].any()
    assert np.isfinite(found.weights).all()


def test_axes_are_uncorrelated_and_have_the_stated_variance() -> None:
    features, _ = some(500, 8, 3)
    axes = Axes.of(features)
    turned = axes(features).astype(np.float64)
    np.testing.assert_allclose(turned.T @ turned / 500, np.diag(axes.variance), atol=1e-3)
    assert axes.variance.sum() == pytest.approx(8.0, rel=1e-4)


def test_features_that_are_no_numbers_are_refused() -> None:
    for features in (np.zeros((0, 3), np.float32), np.array([[np.nan]], np.float32)):
        with pytest.raises(BadInput, match="not finite"):
            fit_path(features, np.zeros(len(features), np.int64), 2, (0.1,))
