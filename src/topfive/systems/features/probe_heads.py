"""Heads on frozen features: logistic regression for a path of penalties, or DINOv2's grid of learning rates.

Whatever the head, it is chosen by the likelihood of `tune`, never on the split that is reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, Progress, silent
from topfive.systems.features.linear_svm import Linear
from topfive.systems.features.logistic import fit_path
from topfive.systems.system import FitLog

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1)
"""DINOv2's 13 learning rates, for batches of 256."""


def log_softmax(scores: Floats) -> NDArray[np.float64]:
    """Log-probabilities float64 [n, K] of logits."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def judged(scores: Floats, labels: Labels) -> tuple[float, float]:
    """Mean negative log-likelihood of the labels, and the error."""
    loss = -float(log_softmax(scores)[np.arange(len(labels)), labels].mean())
    return loss, float(np.mean(scores.argmax(axis=1) != labels))


def choose_penalty(
    train: Floats,
    labels: Labels,
    tune: Floats,
    tune_labels: Labels,
    n_classes: int,
    penalties: Sequence[float],
    log: FitLog | None = None,
) -> Linear:
    """The probe of the penalty with the greatest likelihood of the held-out labels; of errors most would be tied."""
    log = log or FitLog()
    best: tuple[float, Linear] | None = None
    for penalty, linear in zip(
        penalties, fit_path(train, labels, n_classes, penalties, progress=log.progress), strict=True
    ):
        loss, error = judged(linear(tune), tune_labels)
        log.metrics({"penalty": penalty, "tune_loss": loss, "tune_error": error})
        if best is None or loss < best[0]:
            best = loss, linear
    assert best is not None
    return best[1]


def descend(
    features: Floats,
    labels: Labels,
    n_classes: int,
    *,
    steps: int,
    batch_size: int,
    seed: int,
    progress: Progress = silent,
) -> tuple[Linear, ...]:
    """One head for each of `RATES`, all in one pass over the same batches: SGD with momentum 0.9, no decay, rates that
    fall to 0 along a cosine and grow with batch_size / 256. Weights begin from N(0, 0.01), biases at 0."""
    if not len(features) or not np.isfinite(features).all():
        raise BadInput("has no features, or some that are not finite", where="probe heads")
    n, d = features.shape
    batch_size = min(batch_size, n)
    rng = np.random.default_rng([seed, d])
    rates = np.repeat(np.array(RATES, dtype=np.float32) * (batch_size / 256), n_classes)
    weights = np.tile(rng.normal(0.0, 0.01, (d, n_classes)).astype(np.float32), len(RATES))
    bias = np.zeros(len(rates), dtype=np.float32)
    velocity, bias_velocity = np.zeros_like(weights), np.zeros_like(bias)
    order, place = rng.permutation(n), 0
    for step in range(steps):
        if place + batch_size > n:
            order, place = rng.permutation(n), 0
        chosen = order[place : place + batch_size]
        place += batch_size
        batch = features[chosen]
        scores = (batch @ weights + bias).reshape(batch_size, len(RATES), n_classes)
        scores -= scores.max(axis=2, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=2, keepdims=True)
        scores[np.arange(batch_size), :, labels[chosen]] -= 1.0
        slope = scores.reshape(batch_size, -1) / batch_size
        velocity *= 0.9
        velocity += batch.T @ slope
        bias_velocity = 0.9 * bias_velocity + slope.sum(axis=0)
        rate = rates * np.float32(0.5 * (1.0 + math.cos(math.pi * step / steps)))
        weights -= rate * velocity
        bias -= rate * bias_velocity
        if step % 50 == 0 or step + 1 == steps:
            progress("probe heads", step + 1, steps, "steps")
    return tuple(
        Linear(np.ascontiguousarray(weights[:, i : i + n_classes]), bias[i : i + n_classes].copy())
        for i in range(0, len(rates), n_classes)
    )


def choose_head(
    train: tuple[Mapping[str, Floats], Labels],
    tune: tuple[Mapping[str, Floats], Labels],
    n_classes: int,
    *,
    steps: int,
    seed: int,
    log: FitLog,
) -> tuple[str, Linear]:
    """Of all inputs (by name) and rates the head that gives the labels of `tune` the greatest likelihood."""
    best: tuple[float, str, Linear] | None = None
    for i, (name, features) in enumerate(train[0].items()):
        heads = descend(features, train[1], n_classes, steps=steps, batch_size=128, seed=seed, progress=log.progress)
        for rate, linear in zip(RATES, heads, strict=True):
            loss, error = judged(linear(tune[0][name]), tune[1])
            log.metrics({"inputs": i, "rate": rate, "tune_loss": loss, "tune_error": error})
            if best is None or loss < best[0]:
                best = loss, name, linear
    assert best is not None
    return best[1], best[2]
