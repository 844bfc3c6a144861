"""Logistic regression on frozen features: five penalties here, one by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Sides

TITLE = "linear probe, 20,000 x 1,280 float32, 200 classes: 5 penalties (scikit-learn: the last of them alone)"
GOAL = "<= 6,000 ms at the same accuracy"
PENALTIES = (0.3, 0.1, 0.03, 0.01, 0.003)
N, D, K = 20_000, 1_280, 200


def sides(rng: np.random.Generator) -> Sides:
    # Like pooled activations: not negative, correlated, classes that overlap.
    spectrum = (np.arange(1, D + 1) ** -0.5).astype(np.float32)
    basis = np.linalg.qr(rng.standard_normal((D, D)))[0].astype(np.float32)
    centres = 0.25 * rng.standard_normal((K, D), dtype=np.float32) * spectrum
    labels = rng.integers(0, K, N + 4_000)
    noise = rng.standard_normal((N + 4_000, D), dtype=np.float32) * spectrum
    features = np.maximum((centres[labels] + noise) @ basis, 0.0)
    train, held_out = (features[:N], labels[:N]), (features[N:], labels[N:])

    def peer() -> Any:
        from sklearn.linear_model import LogisticRegression

        spread = train[0].std(axis=0)
        fitted = LogisticRegression(C=1.0 / (PENALTIES[-1] * N), max_iter=1_000)
        fitted.fit((train[0] - train[0].mean(axis=0)) / spread, train[1])
        return fitted.predict((held_out[0] - train[0].mean(axis=0)) / spread)

    def ours() -> Any:
        from topfive.systems.features.logistic import fit_path

        last = fit_path(*train, K, PENALTIES)[-1]
        return (held_out[0] @ last.weights + last.bias).argmax(axis=1)

    def same(a: Any, b: Any) -> bool:
        right = [float(np.mean(guess == held_out[1])) for guess in (a, b)]
        return abs(right[0] - right[1]) <= 0.003

    return Sides("scikit-learn, LogisticRegression, one penalty", peer, ours, same)
