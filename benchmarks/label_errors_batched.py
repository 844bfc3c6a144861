"""Confident learning as cleanlab's batched mode has it: as many suspects, whichever labels are least probable."""

from __future__ import annotations

import numpy as np

from benchmarks.label_errors import ON, Judged, weighed
from benchmarks.row import Sides
from topfive.audit import label_errors

TITLE = f"confident learning, `low_self_confidence`, {ON}"
GOAL = "3x cleanlab's fastest mode"


def sides(rng: np.random.Generator) -> Sides:
    """Each side answers with the suspects; equal probabilities may stand in any order."""
    data = Judged(rng)

    def peer() -> np.ndarray:
        from cleanlab.experimental.label_issues_batched import find_label_issues_batched

        return np.asarray(find_label_issues_batched(np.asarray(data.labels), data.probs, n_jobs=1, verbose=False))

    def ours() -> np.ndarray:
        return label_errors(data.labels, data.probs, filter_by="low_self_confidence", threads=2).rows

    def same(a: np.ndarray, b: np.ndarray) -> bool:
        return np.array_equal(np.sort(a), np.sort(b))

    return Sides("cleanlab 2.9, batched, one job", peer, weighed(ours), same)
