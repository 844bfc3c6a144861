"""Many systems on the same images: the ranks that each may hold, and how often such rank sets hold the true ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, Interval, Predictions, Truth
from topfive.scoring.compare import Metric, check_metric, correct, mcnemar
from topfive.scoring.intervals import paired_difference, wilson
from topfive.scoring.marking import mark

PROTOCOL = "rank-sets/1"
"""Every pair of systems is tested by McNemar's exact test on the same images, with Holm's step-down correction over all
pairs at 5 %. A system's best rank counts the systems clearly better, its worst rank those clearly worse. A tie of true
accuracies is covered where a set holds every rank that the tied systems share."""

LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """Systems by their place in the ranking; `difference` is the first's error less the second's.

    `interval` is Bonett and Price's.
    """

    first: int
    second: int
    difference: float
    interval: Interval
    p_value: float
    n_discordant: int
    separates: bool


@dataclass(frozen=True)
class Ranking:
    """Systems best first on `n` images; equal counts share a `rank`, `rank_intervals` are what the tests allow."""

    metric: Metric
    n: int
    names: tuple[str, ...]
    wrong: tuple[int, ...]
    ranks: tuple[int, ...]
    rank_intervals: tuple[tuple[int, int], ...]
    pairs: tuple[Pair, ...]

    def error_interval(self, place: int) -> Interval:
        """Wilson's interval of one system's error."""
        return wilson(self.wrong[place], self.n)

    def to_json(self) -> dict[str, Any]:
        """Systems best first, and every pair by name."""
        return {
            "protocol": PROTOCOL,
            "metric": self.metric,
            "n": self.n,
            "level": LEVEL,
            "systems": [
                {
                    "name": name,
                    "rank": self.ranks[place],
                    "rank_interval": list(self.rank_intervals[place]),
                    "error": self.wrong[place] / self.n,
                    "error_interval": list(self.error_interval(place)),
                }
                for place, name in enumerate(self.names)
            ],
            "pairs": [
                {
                    "first": self.names[pair.first],
                    "second": self.names[pair.second],
                    "difference": pair.difference,
                    "interval": list(pair.interval),
                    "p_value": pair.p_value,
                    "n_discordant": pair.n_discordant,
                    "separates": pair.separates,
                }
                for pair in self.pairs
            ],
        }


def rank_systems(
    systems: Sequence[Predictions], truth: Truth, names: Sequence[str | Path], metric: Metric = "top1"
) -> Ranking:
    """Rank predictions of the same images by PROTOCOL, best first, equal ones in the order given.

    Raises BadInput as `score` does, naming the system at fault, and for two systems of one name.
    """
    check_metric(metric)
    told = [str(name) for name in names]
    twice = next((name for place, name in enumerate(told) if name in told[:place]), None)
    if twice is not None:
        raise BadInput("stands twice", where=twice, fix="Name each predictions file once")
    results = np.stack(
        [correct(mark(side, truth, where=name), side, metric, name) for side, name in zip(systems, told, strict=True)]
    )
    wrong = np.count_nonzero(~results, axis=1)
    order = np.argsort(wrong, kind="stable")
    results, wrong = results[order], wrong[order]
    return Ranking(
        metric=metric,
        n=results.shape[1],
        names=tuple(told[place] for place in order),
        wrong=tuple(wrong.tolist()),
        ranks=tuple((1 + (wrong[None, :] < wrong[:, None]).sum(axis=1)).tolist()),
        rank_intervals=tuple(rank_intervals(results)),
        pairs=_pairs(results),
    )


def rank_intervals(correct: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The ranks that m systems may hold, from their results on the same images, bool [m, n], by PROTOCOL.

    The chance that any claimed order is false stays under LEVEL.
    """
    m = len(correct)
    only = _only(correct)
    i, j = np.triu_indices(m, k=1)
    differs = holm(mcnemar(only[i, j], only[j, i]))
    better = np.zeros((m, m), dtype=bool)  # better[i, j]: i is clearly better than j
    better[i, j] = differs & (only[i, j] > only[j, i])
    better[j, i] = differs & (only[j, i] > only[i, j])
    return [(int(1 + better[:, s].sum()), int(m - better[s].sum())) for s in range(m)]


def holm(p_values: NDArray[np.float64], level: float = LEVEL) -> NDArray[np.bool_]:
    """Which of these tests Holm's step-down procedure takes for real differences, bool [m], all at once at `level`.

    The smallest p-value is held against level / m, the next against level / (m - 1), up to the first that fails.
    """
    order = np.argsort(p_values)  # equal ones pass or fail together, whichever stands first
    passed = p_values[order] <= level / np.arange(len(p_values), 0, -1)
    rejected = np.zeros(len(p_values), dtype=bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


def true_ranks(accuracy: Sequence[float]) -> list[tuple[int, int]]:
    """The ranks that each system truly holds: one, or all those that it shares with its exact equals."""
    values = np.asarray(accuracy)
    best = 1 + (values[None, :] > values[:, None]).sum(axis=1)
    worst = len(values) - (values[None, :] < values[:, None]).sum(axis=1)
    return list(zip(best.tolist(), worst.tolist(), strict=True))


@dataclass(frozen=True)
class Coverage:
    """Simulated coverage of rank sets: in `n_covered` of `n_trials` every system's set held all its true ranks.

    `by_system` are the shares of trials in which that system's set did; `mean_width` is the mean number of ranks in a
    set.
    """

    n_trials: int
    n_covered: int
    by_system: tuple[float, ...]
    mean_width: float

    def to_json(self) -> dict[str, Any]:
        """Shares with Wilson's interval of the simultaneous one."""
        return {
            "n_trials": self.n_trials,
            "coverage": self.n_covered / self.n_trials,
            "coverage_interval": list(wilson(self.n_covered, self.n_trials)),
            "by_system": list(self.by_system),
            "mean_width": self.mean_width,
        }


def rank_coverage(
    accuracy: Sequence[float], n_images: int, *, n_trials: int, correlation: float, rng: np.random.Generator
) -> Coverage:
    """Simulate systems of these true accuracies (equal ones are exact ties) on n_images and count what rank sets hold.

    An image is hard or easy for all systems alike: `correlation` in [0, 1) is that of the systems' normal deviates.
    """
    true = true_ranks(accuracy)
    held = np.zeros(len(true))
    n_covered = width = 0
    for _ in range(n_trials):
        found = rank_intervals(simulated(accuracy, n_images, correlation, rng))
        covers = [low <= best and worst <= high for (low, high), (best, worst) in zip(found, true, strict=True)]
        held += covers
        n_covered += all(covers)
        width += sum(high - low + 1 for low, high in found)
    return Coverage(n_trials, n_covered, tuple((held / n_trials).tolist()), width / (n_trials * len(true)))


def simulated(
    accuracy: Sequence[float], n_images: int, correlation: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Whether each of m systems of these accuracies gets each image right, bool [m, n], as `rank_coverage` has it."""
    from scipy.special import ndtri

    shared = np.sqrt(correlation) * rng.standard_normal(n_images)
    own = np.sqrt(1 - correlation) * rng.standard_normal((len(accuracy), n_images))
    return np.asarray(shared + own < ndtri(np.asarray(accuracy))[:, None])


def _only(correct: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 [m, m]: at (i, j) the number of images that i gets right and j does not."""
    m, n = correct.shape
    only = np.zeros((m, m), dtype=np.int64)
    block = 1 << 20  # float32 counts are exact below 2**24
    for start in range(0, n, block):
        part = correct[:, start : start + block].astype(np.float32)
        only += (part @ (1 - part).T).astype(np.int64)
    return only


def _pairs(results: NDArray[np.bool_]) -> tuple[Pair, ...]:
    n, only = results.shape[1], _only(results)
    i, j = np.triu_indices(len(results), k=1)
    gained, lost = only[i, j], only[j, i]
    p_values = mcnemar(gained, lost)
    apart = holm(p_values)
    return tuple(
        Pair(
            int(i[at]),
            int(j[at]),
            float(lost[at] - gained[at]) / n,
            paired_difference(int(lost[at]), int(gained[at]), n),
            float(p_values[at]),
            int(gained[at] + lost[at]),
            bool(apart[at]),
        )
        for at in range(len(i))
    )
