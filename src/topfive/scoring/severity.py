"""How bad mistakes are: the height at which a wrong first guess and the truth meet in the hierarchy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN, Interval
from topfive.scoring.bootstrap import Statistic
from topfive.scoring.hierarchy import Hierarchy
from topfive.scoring.marking import Marks

PROTOCOL = "mistake-severity/1"
"""Bertinetto et al. 2020 (arXiv 1912.09393): over images whose first guess is wrong, the height of the lowest common
ancestor of guess and truth; of several ancestors the one of least height, of several labels the nearest.
`hierarchical_distance` is the mean over all images and their first k guesses of that height, a right guess counting 0;
`hierarchical_error` (ILSVRC2010) the mean over images of the least among the first k guesses."""


@dataclass(frozen=True, eq=False)
class Severity:
    """`mean` and `histogram` (height to number of images) over the `n_wrong` images whose first guess is wrong.

    Both in heights of all of WordNet, and `trimmed_*` in heights of the tree over the classes alone; None where no
    guess is wrong. `hierarchical_error` is for k = 1 to 5 guesses, `hierarchical_distance` for 1 and 5 by k.
    `cost` and `trimmed_cost` are by image, uint8 [n]: 0 where the first guess is right.
    """

    n_wrong: int
    mean: float | None
    histogram: dict[int, int]
    trimmed_mean: float | None
    trimmed_histogram: dict[int, int]
    hierarchical_error: tuple[float, ...]
    hierarchical_distance: dict[int, float]
    cost: NDArray[np.uint8]
    trimmed_cost: NDArray[np.uint8]

    def to_json(self, interval: Interval | None, trimmed_interval: Interval | None) -> dict[str, Any]:
        """A JSON object; the intervals are those of the two means."""
        return {
            "protocol": PROTOCOL,
            "n_wrong": self.n_wrong,
            "mean": self.mean,
            "mean_interval": None if interval is None else list(interval),
            "histogram": {str(height): n for height, n in self.histogram.items()},
            "trimmed_mean": self.trimmed_mean,
            "trimmed_mean_interval": None if trimmed_interval is None else list(trimmed_interval),
            "trimmed_histogram": {str(height): n for height, n in self.trimmed_histogram.items()},
            "hierarchical_distance": {str(k): value for k, value in self.hierarchical_distance.items()},
        }


def severity(marks: Marks, top_index: NDArray[np.int32], hierarchy: Hierarchy) -> Severity:
    """Severity of the guesses `top_index` (int32 [rows, k] by row of the predictions, UNKNOWN where not made)."""
    guesses = top_index[marks.rows][:, :5]
    wrong = marks.rank > 0
    cost = _by_guess(marks, guesses, hierarchy.costs)
    trimmed = _by_guess(marks, guesses[:, :1], hierarchy.trimmed_costs)[:, 0]
    first = cost[:, 0]
    made = guesses != UNKNOWN
    least = np.minimum.accumulate(np.where(made, cost, 255), axis=1)
    n_guesses = made.cumsum(axis=1)
    each = np.where(made, cost, 0).cumsum(axis=1) / np.maximum(n_guesses, 1)
    mean, histogram = _over_wrong(first[wrong])
    trimmed_mean, trimmed_histogram = _over_wrong(trimmed[wrong])
    return Severity(
        n_wrong=int(np.count_nonzero(wrong)),
        mean=mean,
        histogram=histogram,
        trimmed_mean=trimmed_mean,
        trimmed_histogram=trimmed_histogram,
        hierarchical_error=tuple(least.mean(axis=0).tolist()),
        hierarchical_distance={k: float(each[:, k - 1].mean()) for k in (1, 5) if k <= guesses.shape[1]},
        cost=first,
        trimmed_cost=trimmed,
    )


def severity_statistic(marks: Marks, found: Severity) -> Statistic:
    """The two means on resamples, NaN where a resample has no wrong guess."""
    wrong = marks.rank > 0
    columns = np.stack([wrong, found.cost, found.trimmed_cost], axis=1).astype(np.float32)

    def statistic(weights: NDArray[np.float32]) -> NDArray[Any]:
        sums = weights @ columns
        some = sums[:, :1] > 0
        means = np.full((len(sums), 2), np.nan, np.float32)
        np.divide(sums[:, 1:], sums[:, :1], out=means, where=some)
        return means

    return statistic


def _by_guess(marks: Marks, guesses: NDArray[np.int32], costs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The cost of each guess against the nearest allowed label, uint8 [n, k]; anything where no guess was made."""
    each = costs[marks.labels[:, None], guesses[marks.image]]
    return np.minimum.reduceat(each, marks.offsets[:-1], axis=0)


def _over_wrong(costs: NDArray[np.uint8]) -> tuple[float | None, dict[int, int]]:
    if not len(costs):
        return None, {}
    heights, counts = np.unique(costs, return_counts=True)
    return float(costs.mean()), dict(zip(heights.tolist(), counts.tolist(), strict=True))
