"""Is one better than the other? Paired tests on the same images: McNemar's exact test, its interval, its ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, Interval, Predictions, Truth
from topfive.scoring.intervals import paired_difference
from topfive.scoring.marking import Marks, mark

PROTOCOL = "mcnemar-exact/1"
"""Two-sided exact binomial test on the images that exactly one side gets right; the interval of the difference is
Bonett and Price's. Ranks come from all pairwise tests with Holm's correction at 5 %."""

Metric = Literal["top1", "top5"]


@dataclass(frozen=True)
class Comparison:
    """`difference` is the first's error minus the second's (negative: the first errs less) on `n` paired images.

    `first_only` and `second_only` are the ids that only that side gets right, in the truth's order. `views` are the
    digests of both sides' preprocessing, None where unknown.
    """

    metric: Metric
    n: int
    error_first: float
    error_second: float
    difference: float
    interval: Interval
    p_value: float
    first_only: tuple[str, ...]
    second_only: tuple[str, ...]
    views: tuple[str | None, str | None]

    @property
    def n_discordant(self) -> int:
        """Images that exactly one side gets right."""
        return len(self.first_only) + len(self.second_only)

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE for `compare`, and what stands behind them."""
        return {
            "difference": self.difference,
            "interval": list(self.interval),
            "p_value": self.p_value,
            "n_discordant": self.n_discordant,
            "n": self.n,
            "metric": self.metric,
            "protocol": PROTOCOL,
            "error_first": self.error_first,
            "error_second": self.error_second,
            "first_only": list(self.first_only),
            "second_only": list(self.second_only),
            "same_view": None if None in self.views else self.views[0] == self.views[1],
        }


def compare(first: Predictions, second: Predictions, truth: Truth, metric: Metric = "top1") -> Comparison:
    """Compare two predictions of the same images by PROTOCOL; raises BadInput as `score` does."""
    if metric not in ("top1", "top5"):
        raise BadInput(f"is no metric: {metric!r}", where="compare", fix="Use top1 or top5")
    sides = (mark(first, truth, where="first predictions"), mark(second, truth, where="second predictions"))
    a, b = (_correct(marks, side, metric) for marks, side in zip(sides, (first, second), strict=True))
    gained, lost = np.flatnonzero(a & ~b), np.flatnonzero(b & ~a)
    n, ids = len(a), sides[0].ids
    return Comparison(
        metric=metric,
        n=n,
        error_first=float(np.count_nonzero(~a)) / n,
        error_second=float(np.count_nonzero(~b)) / n,
        difference=(len(lost) - len(gained)) / n,
        interval=paired_difference(len(lost), len(gained), n),
        p_value=float(mcnemar(np.array(len(gained)), np.array(len(lost)))),
        first_only=tuple(ids[row] for row in gained),
        second_only=tuple(ids[row] for row in lost),
        views=(first.view, second.view),
    )


def mcnemar(first_only: NDArray[np.integer[Any]], second_only: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Two-sided exact p-values of discordant counts, element by element; 1 where nothing differs."""
    from scipy.special import bdtr

    total = first_only + second_only
    tail = bdtr(np.minimum(first_only, second_only).astype(np.float64), np.maximum(total, 1).astype(np.int64), 0.5)
    return np.where(total == 0, 1.0, np.minimum(1.0, 2.0 * tail))


def rank_intervals(correct: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The ranks that m systems may hold, from their results on the same images, bool [m, n].

    Every pair is tested by McNemar's exact test; Holm's step-down correction keeps the chance that any claimed order is
    false under 5 %. A system's best rank counts those clearly better, its worst rank those clearly worse.
    """
    m, n = correct.shape
    only = np.zeros((m, m), dtype=np.int64)  # only[i, j]: images that i gets right and j does not
    block = 1 << 20  # float32 counts are exact below 2**24
    for start in range(0, n, block):
        part = correct[:, start : start + block].astype(np.float32)
        only += (part @ (1 - part).T).astype(np.int64)
    i, j = np.triu_indices(m, k=1)
    differs = holm(mcnemar(only[i, j], only[j, i]))
    better = np.zeros((m, m), dtype=bool)  # better[i, j]: i is clearly better than j
    better[i, j] = differs & (only[i, j] > only[j, i])
    better[j, i] = differs & (only[j, i] > only[i, j])
    return [(int(1 + better[:, s].sum()), int(m - better[s].sum())) for s in range(m)]


def holm(p_values: NDArray[np.float64], level: float = 0.05) -> NDArray[np.bool_]:
    """Which of these tests Holm's step-down procedure takes for real differences, bool [m], all at once at `level`.

    The smallest p-value is held against level / m, the next against level / (m - 1), up to the first that fails.
    """
    order = np.argsort(p_values, kind="stable")
    passed = p_values[order] <= level / np.arange(len(p_values), 0, -1)
    rejected = np.zeros(len(p_values), dtype=bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


def _correct(marks: Marks, side: Predictions, metric: Metric) -> NDArray[np.bool_]:
    need = min(5, len(side.classes)) if metric == "top5" else 1
    if marks.n_guesses < need:
        raise BadInput(f"hold {marks.n_guesses} guesses an image, and top-5 error needs {need}", where="predictions")
    return marks.correct(need)
