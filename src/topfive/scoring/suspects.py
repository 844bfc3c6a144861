"""Why is a number low? Each likely mistake taken back, on the same images, and ranked by whether that mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN, BadInput, Interval
from topfive.scoring.compare import mcnemar
from topfive.scoring.intervals import wilson

PROTOCOL = "suspects/1"
"""Top-1 on the same images as given and with one suspect taken back.

A suspect is clearly better where it gains more images than it loses, and McNemar's exact test or the paired t-test of
the log-probability of the true class says so at 5 % (two-sided, Bonferroni over both tests and all that was tried). The
second sees what the number of right answers does not show: that every image is a little less likely. A suspect restores
the figure where it is clearly better and reaches what was expected, where that is known: it lies inside Wilson's 95 %
interval of the suspect's error, or above it. Choosing among fewer classes is an easier question: it restores a figure
only if that lies outside the interval as given, and inside its own. Those that restore stand first, then those that are
clearly better, then the rest, each by mean log-probability."""

LEVEL = 0.05
_HOPELESS = 1e-4
"""At this level, uncorrected, a suspect is given up before all images have been seen."""
N_KIT = 1000
"""Classes that have an ILSVRC2012_ID of their own."""
DOUBLE_SOFTMAX = "double softmax"
_FEWEST = 10
"""Classes; with fewer, plain probabilities of a model that is never sure look as if they were softmaxed again."""


@dataclass(frozen=True)
class Outcome:
    """A run with one suspect taken back: who is right, bool [n], and the log-probability of the truth, float [n].

    `easier` says that it is another, easier question (fewer classes to choose from), which may only explain a figure.
    """

    suspect: str
    said: str
    correct: NDArray[np.bool_]
    log_probability: NDArray[np.float64]
    easier: bool = False


@dataclass(frozen=True)
class Suspect:
    """The best way of taking one suspect back on `n` images, of which `gained` and `lost` change sides.

    `p_value` is McNemar's, `score_p_value` the t-test's, both corrected. `log_probability` is the mean over images, in
    nats, and `score_gain` how much more it is than as given.
    """

    name: str
    said: str
    n: int
    top1_error: float
    top1_error_interval: Interval
    gained: int
    lost: int
    p_value: float
    score_p_value: float
    log_probability: float
    score_gain: float
    better: bool
    restores: bool

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field."""
        return {
            "suspect": self.name,
            "instead": self.said,
            "n": self.n,
            "top1_error": self.top1_error,
            "top1_error_interval": list(self.top1_error_interval),
            "gained": self.gained,
            "lost": self.lost,
            "p_value": self.p_value,
            "score_p_value": self.score_p_value,
            "log_probability": self.log_probability,
            "score_gain": self.score_gain,
            "better": self.better,
            "restores": self.restores,
        }


@dataclass(frozen=True)
class LowNumber:
    """What was found: the run as given on `n` images, the suspects in order, and what no rerun tells.

    `twice` says that the scores went through softmax twice. `left_out` images did not decode. `not_tried` are suspects
    that need more than was given.
    """

    n: int
    top1_error: float
    top1_error_interval: Interval
    expected: float | None
    suspects: tuple[Suspect, ...]
    twice: bool = False
    left_out: int = 0
    not_tried: tuple[str, ...] = ()

    @property
    def as_expected(self) -> bool | None:
        """Whether the figure expected lies inside the interval as given; None where none was named."""
        return None if self.expected is None else _inside(self.expected, self.top1_error_interval)

    @property
    def named(self) -> str | None:
        """The suspect that is named first, None where nothing restores the figure."""
        if self.suspects and self.suspects[0].restores:
            return self.suspects[0].name
        return DOUBLE_SOFTMAX if self.twice else None

    @property
    def verdict(self) -> str:
        """What was found, in one sentence."""
        first = self.suspects[0] if self.suspects else None
        if first is not None and first.restores:
            return f"{first.name}: {first.said} mends {first.gained} of {self.n} images and spoils {first.lost}"
        if self.twice:
            return f"{DOUBLE_SOFTMAX}: the scores are probabilities that went through softmax again; top-1 is the same"
        if self.as_expected:
            return "none of these restores it: it is as expected"
        if first is not None and first.better:
            return f"none of these restores it; the nearest is {first.name} ({first.said})"
        return "none of these restores it"

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field and the verdict."""
        return {
            "n": self.n,
            "protocol": PROTOCOL,
            "top1_error": self.top1_error,
            "top1_error_interval": list(self.top1_error_interval),
            "expected": self.expected,
            "as_expected": self.as_expected,
            "named": self.named,
            "verdict": self.verdict,
            "double_softmax": self.twice,
            "suspects": [suspect.to_json() for suspect in self.suspects],
            "not_tried": list(self.not_tried),
            "left_out": self.left_out,
        }


def low_number(
    given: Outcome,
    undone: Sequence[Outcome],
    *,
    expected: float | None = None,
    twice: bool = False,
    left_out: int = 0,
    not_tried: tuple[str, ...] = (),
) -> LowNumber:
    """The run as given against every way of taking a suspect back, by PROTOCOL; `expected` is a top-1 error."""
    ranked = rank_suspects(given, undone, expected)  # refuses a run without images
    error = 1 - float(given.correct.mean())
    return LowNumber(len(given.correct), error, _interval(given), expected, ranked, twice, left_out, not_tried)


def rank_suspects(given: Outcome, undone: Sequence[Outcome], expected: float | None = None) -> tuple[Suspect, ...]:
    """One line a suspect by PROTOCOL, the likeliest first.

    An outcome may hold the first images only; it is then compared on those. Raises BadInput for none or for more.
    """
    if not len(given.correct) or any(not 0 < len(outcome.correct) <= len(given.correct) for outcome in undone):
        raise BadInput("are not the same images", where="suspects")
    low = expected is not None and not _inside(expected, _interval(given))
    tests = 2 * len(undone)
    return _best_of_each([_judged(given, outcome, tests, expected, low) for outcome in undone])


def _judged(given: Outcome, outcome: Outcome, tests: int, expected: float | None, low: bool) -> Suspect:
    gained, lost = _sides(given, outcome)
    counts, scores = (min(1.0, tests * p) for p in _p_values(given, outcome))
    more = bool(np.mean(outcome.log_probability) > np.mean(_same_images(given, outcome)))
    better = gained > lost and (counts < LEVEL or (more and scores < LEVEL))
    interval = _interval(outcome)
    meant = (
        expected is None or interval[0] <= expected <= interval[1] or (expected > interval[1] and not outcome.easier)
    )
    return Suspect(
        name=outcome.suspect,
        said=outcome.said,
        n=len(outcome.correct),
        top1_error=1 - float(outcome.correct.mean()),
        top1_error_interval=interval,
        gained=gained,
        lost=lost,
        p_value=counts,
        score_p_value=scores,
        log_probability=float(outcome.log_probability.mean()),
        score_gain=float(np.mean(outcome.log_probability - _same_images(given, outcome))),
        better=better,
        restores=better and meant and (low or not outcome.easier),
    )


def hopeless(given: Outcome, undone: Outcome) -> bool:
    """Whether taking the suspect back is so clearly worse on these images that the rest need not be run."""
    gained, lost = _sides(given, undone)
    less = np.mean(undone.log_probability) < np.mean(_same_images(given, undone))
    counts, scores = _p_values(given, undone)
    return bool(lost > gained and (counts < _HOPELESS or (less and scores < _HOPELESS)))


def joined(parts: Sequence[Outcome]) -> Outcome:
    """The outcomes of some images after each other as one."""
    return replace(
        parts[0],
        correct=np.concatenate([part.correct for part in parts]),
        log_probability=np.concatenate([part.log_probability for part in parts]),
    )


def _sides(given: Outcome, undone: Outcome) -> tuple[int, int]:
    """Images gained and lost, of those that both have."""
    before = given.correct[: len(undone.correct)]
    return int(np.count_nonzero(undone.correct & ~before)), int(np.count_nonzero(before & ~undone.correct))


def _same_images(given: Outcome, undone: Outcome) -> NDArray[np.float64]:
    """The log-probabilities as given of the images that both have."""
    return given.log_probability[: len(undone.correct)]


def _p_values(given: Outcome, undone: Outcome) -> tuple[float, float]:
    """Two-sided p-values of McNemar's exact test and of the paired t-test, uncorrected."""
    from scipy.special import stdtr

    gained, lost = _sides(given, undone)
    counts = float(mcnemar(np.array(gained), np.array(lost)))
    difference = undone.log_probability - _same_images(given, undone)
    n = len(difference)
    spread = float(difference.std(ddof=1)) if n > 1 else 0.0
    if spread == 0.0:
        return counts, 1.0
    t = float(difference.mean()) / (spread / n**0.5)
    return counts, float(2 * stdtr(n - 1, -abs(t)))


def _best_of_each(every: Sequence[Suspect]) -> tuple[Suspect, ...]:
    ordered = sorted(
        every, key=lambda suspect: (not suspect.restores, not suspect.better, -suspect.log_probability, suspect.said)
    )
    first: dict[str, Suspect] = {}
    for suspect in ordered:
        first.setdefault(suspect.name, suspect)
    return tuple(first.values())


def outcome(suspect: str, said: str, logits: NDArray[np.floating[Any]], truth: NDArray[np.integer[Any]]) -> Outcome:
    """The outcome of scores [n, K] against one label each, UNKNOWN where the model has no such class."""
    values = np.asarray(logits, dtype=np.float64)
    known = truth != UNKNOWN
    index = np.where(known, truth, 0)
    log_sums = np.logaddexp.reduce(values, axis=1)
    log_probability = np.take_along_axis(values, index[:, None], axis=1)[:, 0] - log_sums
    # A label that no class has is as unlikely as the least likely class of the image.
    log_probability = np.where(known, log_probability, values.min(axis=1) - log_sums)
    return Outcome(suspect, said, known & (values.argmax(axis=1) == truth), log_probability)


def other_orders(
    n_classes: int, order_of_kit: NDArray[np.integer[Any]] | None
) -> Mapping[tuple[str, str], NDArray[Any]]:
    """Other ways to read a label 0 .. n - 1, each as the class_index that is meant, int64 [n] (UNKNOWN: none).

    `order_of_kit` is the class_index of ILSVRC2012_ID 1 to 1000. Each order may have been taken for the other.
    """
    labels = np.arange(n_classes)
    as_text = np.array(sorted(range(n_classes), key=str))
    found = {
        ("class order", "labels: folders sorted as text (0, 1, 10)"): as_text,
        ("class order", "outputs: folders sorted as text (0, 1, 10)"): np.argsort(as_text),
        ("off by one", "outputs: a background class is the first"): _shifted(labels, 1),
        ("off by one", "labels: counted from one"): _shifted(labels, -1),
    }
    if order_of_kit is not None and len(order_of_kit) == n_classes:
        kit = np.asarray(order_of_kit)
        found["class order", "labels: ILSVRC2012_ID less one"] = kit
        found["class order", "outputs: by ILSVRC2012_ID"] = np.argsort(kit)
    return found


def only_among(given: Outcome, logits: NDArray[np.floating[Any]], truth: NDArray[Any], kept: NDArray[Any]) -> Outcome:
    """The outcome where the model may choose among the classes `kept` only."""
    limited = np.full(logits.shape[1], -np.inf)
    limited[kept] = 0.0
    guess = (logits + limited).argmax(axis=1)
    said = f"the set's {len(kept)} classes only"
    # The probabilities stay those of all classes: among fewer every image would gain, right or wrong.
    return Outcome("subset of classes", said, guess == truth, given.log_probability, easier=True)


def softmaxed_twice(scores: NDArray[np.floating[Any]]) -> bool:
    """Whether the scores [n, K] are probabilities that went through softmax again.

    The logarithms are then the first probabilities but for a constant; less their smallest they sum to at most 1. Of
    plain probabilities, or of any logits' softmax, they sum to far more.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape[1] < _FEWEST or values.min() <= 0 or not np.allclose(values.sum(axis=1), 1.0, atol=1e-3):
        return False
    logs = np.log(values)
    inner = logs - logs.min(axis=1, keepdims=True)
    return bool((inner.sum(axis=1) <= 1.0 + 1e-2).all())


def _shifted(labels: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    moved = labels + by
    return np.where((moved >= 0) & (moved < len(labels)), moved, UNKNOWN)


def _interval(outcome: Outcome) -> Interval:
    n = len(outcome.correct)
    return wilson(n - int(np.count_nonzero(outcome.correct)), n)


def _inside(value: float, interval: Interval) -> bool:
    return interval[0] <= value <= interval[1]
