"""Linear support vector machines, one class against the rest, by averaged stochastic gradient descent.

All classes, and all penalties that are tried, are trained at once: two matrix products a step. The loss is the hinge
loss, the step 1 / (penalty x (t + t0)), the answer the average of the second half of the steps (Perronnin, Akata, Harchaoui
and Schmid, "Towards good practice in large-scale learning for image classification", CVPR 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records import Progress, silent

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """One score a class: features [n, d] x `weights` float32 [d, K] + `bias` float32 [K]."""

    weights: Floats
    bias: Floats

    def __call__(self, features: Floats) -> Floats:
        """Scores float32 [n, K]; each row is computed alone, so it does not depend on the rows beside it."""
        return np.matmul(features[:, None, :], self.weights)[:, 0] + self.bias

    def scaled(self, factor: float) -> Linear:
        """The same with all scores multiplied."""
        return Linear(self.weights * np.float32(factor), self.bias * np.float32(factor))


@dataclass(frozen=True)
class Sgd:
    """How the machines are trained. Positives of a class weigh as much as `1 / negatives` of its negatives do, so that
    a class with one example in a thousand is learnt; 0 takes the examples as they come."""

    epochs: int = 40
    batch_size: int = 64
    negatives: float = 0.0
    first_step: float = 1.0


def fit_one_vs_rest(
    features: Floats,
    class_index: NDArray[np.integer],
    n_classes: int,
    penalties: Sequence[float],
    *,
    seed: int,
    sgd: Sgd = Sgd(),
    progress: Progress = silent,
) -> tuple[Linear, ...]:
    """One Linear for each penalty (lambda of lambda / 2 |w|^2 + mean hinge loss); the bias is not penalised."""
    n, d = features.shape
    m = len(penalties)
    penalty = np.repeat(np.asarray(penalties, dtype=np.float64), n_classes)
    weights = np.zeros((d, m * n_classes), dtype=np.float32)
    bias = np.zeros(m * n_classes, dtype=np.float32)
    mean_weights, mean_bias, averaged = np.zeros_like(weights), np.zeros_like(bias), 0
    importance = _importance(class_index, n_classes, sgd.negatives)
    rng = np.random.default_rng([seed, 0x5F3])
    steps, step = sgd.epochs * -(-n // sgd.batch_size), 0
    for epoch in range(sgd.epochs):
        progress("support vector machines", epoch, sgd.epochs, "epochs")
        order = rng.permutation(n)
        for start in range(0, n, sgd.batch_size):
            chosen = order[start : start + sgd.batch_size]
            batch, labels = features[chosen], class_index[chosen]
            sign = np.full((len(chosen), n_classes), -1.0, dtype=np.float32)
            sign[np.arange(len(chosen)), labels] = 1.0
            pull = np.tile(sign * np.where(sign > 0, importance[0], importance[1]), m)
            pull[np.tile(sign, m) * (batch @ weights + bias) >= 1.0] = 0.0
            rate = 1.0 / (1.0 / sgd.first_step + penalty * step)
            pull *= (rate / len(chosen)).astype(np.float32)
            weights *= (1.0 - rate * penalty).astype(np.float32)
            weights += batch.T @ pull
            bias += pull.sum(axis=0)
            step += 1
            if step > steps // 2:
                averaged += 1
                mean_weights += weights
                mean_bias += bias
    progress("support vector machines", sgd.epochs, sgd.epochs, "epochs")
    parts = [slice(i * n_classes, (i + 1) * n_classes) for i in range(m)]
    return tuple(
        Linear(np.ascontiguousarray(mean_weights[:, part] / np.float32(averaged)), mean_bias[part] / np.float32(averaged))
        for part in parts
    )


def _importance(class_index: NDArray[np.integer], n_classes: int, negatives: float) -> Floats:
    """Weight of a class's positives and of its negatives, [2, K]; the mean weight over all examples is 1."""
    count = np.maximum(np.bincount(class_index, minlength=n_classes), 1).astype(np.float64)
    n = len(class_index)
    if negatives == 0:
        return np.ones((2, n_classes), dtype=np.float32)
    positive, negative = n / (count * (1.0 + negatives)), n * negatives / (np.maximum(n - count, 1) * (1.0 + negatives))
    return np.stack([positive, negative]).astype(np.float32)
