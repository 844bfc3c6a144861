"""Multi-class passive-aggressive learning: the least change that gives an example its margin, averaged over all steps.

Crammer, Dekel, Keshet, Shalev-Shwartz and Singer, "Online passive-aggressive algorithms", JMLR 2006, PA-I: the true
class must lead the best other one by 1; both move by min(C, loss / 2 |x|^2) along the example. The mean of the machine
over all steps is the answer (Ushiku, Hidaka and Harada, CVPR 2014: averaging is what makes online learners agree).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topfive.records import Progress, silent
from topfive.systems.features.linear_svm import Linear

Floats = NDArray[np.float32]


def fit_passive_aggressive(
    features: Floats,
    class_index: NDArray[np.integer],
    n_classes: int,
    *,
    seed: int,
    limit: float = 0.1,
    epochs: int = 10,
    progress: Progress = silent,
) -> Linear:
    """One machine of all classes from float32 [n, d]; `limit` is C, and the bias is a feature that is always 1.

    One class, or no example, gives zeros: there is nothing to be apart from.
    """
    n, d = features.shape
    weights, drift = (np.zeros((n_classes, d)) for _ in range(2))
    bias, bias_drift = np.zeros(n_classes), np.zeros(n_classes)
    rng, step = np.random.default_rng(seed), 0
    for epoch in range(epochs if n_classes > 1 else 0):
        progress("passive-aggressive learning", epoch, epochs, "epochs")
        for i in rng.permutation(n):
            x, own = features[i].astype(np.float64), class_index[i]
            scores = weights @ x + bias
            right = scores[own]
            scores[own] = -np.inf
            other = scores.argmax()
            loss = 1.0 - right + scores[other]
            if loss > 0:
                move = min(limit, loss / (2.0 * (x @ x + 1.0)))
                for one, way in ((own, move), (other, -move)):
                    weights[one] += way * x
                    bias[one] += way
                    # A change at step t is missing from t of the machines: their mean is last - drift / steps.
                    drift[one] += step * way * x
                    bias_drift[one] += step * way
            step += 1
    progress("passive-aggressive learning", epochs, epochs, "epochs")
    mean, mean_bias = weights - drift / max(step, 1), bias - bias_drift / max(step, 1)
    return Linear(np.ascontiguousarray(mean.T, dtype=np.float32), mean_bias.astype(np.float32))
