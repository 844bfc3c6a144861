"""Confident learning on 50,000 x 1,000 probabilities."""

from __future__ import annotations

import numpy as np

from benchmarks.row import Sides
from topfive.audit import label_errors

TITLE = "confident learning, 50,000 x 1,000 float32"
GOAL = "3x"


def sides(rng: np.random.Generator) -> Sides:
    from cleanlab.filter import find_label_issues

    labels = rng.integers(0, 1000, 50_000)
    true = np.where(rng.random(50_000) < 0.06, rng.integers(0, 1000, 50_000), labels)
    logits = rng.standard_normal((50_000, 1000), dtype=np.float32)
    logits[np.arange(50_000), true] += 6
    probs = np.exp(logits)
    probs /= probs.sum(axis=1, keepdims=True)

    def peer() -> np.ndarray:
        found = find_label_issues(labels, probs, return_indices_ranked_by="self_confidence", n_jobs=1)
        return np.asarray(found)

    return Sides("cleanlab 2.9, one job", peer, lambda: label_errors(labels, probs, threads=2).rows, np.array_equal)
