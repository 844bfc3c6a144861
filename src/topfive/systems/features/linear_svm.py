"""Linear support vector machines, one class against the rest, by averaged stochastic gradient descent.

All classes, and all penalties that are tried, are trained at once: two matrix products a step. The loss is the hinge
loss, the step 1 / (1 / first_step + penalty t), the answer the mean over the second half of the steps (Perronnin,
Akata, Harchaoui and Schmid, "Towards good practice in large-scale learning for image classification", CVPR 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records import Progress, silent
from topfive.systems.features.signatures import Signatures, row_blocks

Floats = NDArray[np.float32]
Labels = NDArray[np.integer]

_STRIDE = 8
"""Every eighth step enters the mean: neighbours are nearly equal, and each costs as much memory traffic as a step."""


@dataclass(frozen=True)
class Linear:
    """One score a class: features [n, d] x `weights` float32 [d, K] + `bias` float32 [K]."""

    weights: Floats
    bias: Floats

    def __call__(self, features: Floats) -> Floats:
        """Scores float32 [n, K]; each row is computed alone, so it does not depend on the rows beside it."""
        return np.asarray(np.matmul(features[:, None, :], self.weights)[:, 0] + self.bias)

    def over(self, features: Floats | Signatures) -> Floats:
        """The same scores of vectors that may lie in a file, some rows in memory at a time."""
        return np.concatenate([self(features[rows]) for rows in row_blocks(*features.shape)])

    def scaled(self, factor: float) -> Linear:
        """The same with all scores multiplied."""
        return Linear(self.weights * np.float32(factor), self.bias * np.float32(factor))


@dataclass(frozen=True)
class Sgd:
    """How the machines are trained. A class's examples together weigh 1 part, all others `negatives` parts, so that a
    class with one example in a thousand is learnt; 0 takes the examples as they come."""

    epochs: int = 40
    batch_size: int = 64
    negatives: float = 0.0
    first_step: float = 1.0


def fit_one_vs_rest(
    features: Floats | Signatures,
    class_index: Labels,
    n_classes: int,
    penalties: Sequence[float],
    *,
    seed: int,
    sgd: Sgd = Sgd(),
    progress: Progress = silent,
) -> tuple[Linear, ...]:
    """One Linear for each penalty (of penalty / 2 |w|^2 + mean hinge loss; the bias is not penalised).

    Of vectors in a file only the rows of one step are in memory, beside three times the weights, penalties x K x d.
    """
    n, d = features.shape
    if 4 * n > d or not isinstance(features, np.ndarray):
        weights, bias = _descend(features, class_index, n_classes, penalties, seed=seed, sgd=sgd, progress=progress)
    else:
        # The answer lies in the span of the examples. Rows of the Cholesky factor L of the products F F' have the same
        # lengths and angles as those of F, and n values instead of d: the same problem, d / n times less work.
        products = (features @ features.T).astype(np.float64)
        products[np.diag_indices(n)] += 1e-6 * max(products.trace() / n, 1e-30)
        lower = np.linalg.cholesky(products)
        turned, bias = _descend(
            lower.astype(np.float32), class_index, n_classes, penalties, seed=seed, sgd=sgd, progress=progress
        )
        weights = features.T @ np.linalg.solve(lower.T, turned.astype(np.float64)).astype(np.float32)
    return tuple(
        Linear(np.ascontiguousarray(weights[:, i : i + n_classes]), bias[i : i + n_classes])
        for i in range(0, weights.shape[1], n_classes)
    )


def _descend(
    features: Floats | Signatures,
    class_index: Labels,
    n_classes: int,
    penalties: Sequence[float],
    *,
    seed: int,
    sgd: Sgd,
    progress: Progress,
) -> tuple[Floats, Floats]:
    """Weights [d, penalties x K] and bias, penalty by penalty."""
    from scipy.linalg.blas import sgemm

    n, d = features.shape
    m = len(penalties)
    penalty = np.repeat(np.asarray(penalties, dtype=np.float64), n_classes)
    # The weights are `inner` times `shrunk`, a factor a column: decay touches no weight, and a step is two products.
    inner, shrunk = np.zeros((d, m * n_classes), dtype=np.float32), np.ones(m * n_classes)
    bias, total = np.zeros(m * n_classes, dtype=np.float32), np.zeros((d + 1, m * n_classes), dtype=np.float32)
    importance = _importance(class_index, n_classes, sgd.negatives)
    rng = np.random.default_rng(seed)
    steps, step, averaged = sgd.epochs * -(-n // sgd.batch_size), 0, 0
    for epoch in range(sgd.epochs):
        progress("support vector machines", epoch, sgd.epochs, "epochs")
        order = rng.permutation(n)
        for start in range(0, n, sgd.batch_size):
            chosen = order[start : start + sgd.batch_size]
            batch = features[chosen]
            sign = np.full((len(chosen), n_classes), -1.0, dtype=np.float32)
            sign[np.arange(len(chosen)), class_index[chosen]] = 1.0
            pull = np.tile(sign * np.where(sign > 0, importance[0], importance[1]), m)
            # Both products by the one library: numpy's and scipy's threads would wait for one another.
            products = sgemm(1.0, inner.T, batch.T).T
            pull[np.tile(sign, m) * (products * shrunk.astype(np.float32) + bias) >= 1.0] = 0.0
            rate = 1.0 / (1.0 / sgd.first_step + penalty * step)
            shrunk *= 1.0 - rate * penalty
            bias += (rate / len(chosen)).astype(np.float32) * pull.sum(axis=0)
            pull *= (rate / len(chosen) / shrunk).astype(np.float32)
            # inner += batch' pull, in place: a fresh product of this size would cost more than the arithmetic.
            sgemm(1.0, pull.T, batch.T, beta=1.0, c=inner.T, trans_b=True, overwrite_c=True)
            step += 1
            if step == steps or (step > steps // 2 and step % _STRIDE == 0):
                averaged += 1
                total[:-1] += inner * shrunk.astype(np.float32)
                total[-1] += bias
    progress("support vector machines", sgd.epochs, sgd.epochs, "epochs")
    total /= averaged
    return total[:-1], total[-1]


def _importance(class_index: Labels, n_classes: int, negatives: float) -> Floats:
    """Weight of each class's own examples and of all others, [2, K]; the mean weight over the examples is 1."""
    if negatives == 0:
        return np.ones((2, n_classes), dtype=np.float32)
    n = len(class_index)
    own = np.bincount(class_index, minlength=n_classes).astype(np.float64)
    parts = np.stack([n / np.maximum(own, 1), negatives * n / np.maximum(n - own, 1)])
    return np.asarray(parts / (1.0 + negatives), dtype=np.float32)


def choose(
    machines: Sequence[Linear], penalties: Sequence[float], features: Floats | Signatures, class_index: Labels
) -> tuple[Linear, list[dict[str, float]]]:
    """The machine whose scores, scaled to logits, give the labels the greatest likelihood; and figures of each.

    Likelihood and not error: on a few hundred held-out pictures errors are mostly tied.
    """
    best: tuple[float, Linear] | None = None
    figures = []
    for machine, penalty in zip(machines, penalties, strict=True):
        scores = machine.over(features)
        scale, loss = fit_scale(scores, class_index)
        error = float(np.mean(scores.argmax(axis=1) != class_index))
        figures.append({"penalty": penalty, "tune_error": error, "tune_loss": loss, "scale": scale})
        if best is None or loss < best[0]:
            best = loss, machine.scaled(scale)
    assert best is not None
    return best[1], figures


def fit_scale(scores: Floats, class_index: Labels) -> tuple[float, float]:
    """The factor in [0.01, 1000] under which softmax(scores) gives the labels the greatest likelihood, and the loss."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.arange(len(class_index))
    wide = scores.astype(np.float64)

    def loss(log_scale: float) -> float:
        return -float(log_softmax(np.exp(log_scale) * wide, axis=1)[rows, class_index].mean())

    found = minimize_scalar(loss, bounds=(np.log(0.01), np.log(1000.0)), method="bounded")
    return float(np.exp(found.x)), float(found.fun)
