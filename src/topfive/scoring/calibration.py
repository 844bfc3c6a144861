"""Calibration: whether what a model is sure of is right as often as it says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput
from topfive.scoring.bootstrap import Statistic
from topfive.scoring.intervals import wilson
from topfive.scoring.marking import Marks
from topfive.scoring.softmax import N_BINS, Scored, Softmax, bin_of, blocks_of, own_scores, softmax

PROTOCOL = "calibration/1"
"""Confidence is the largest softmax probability. ECE: 15 bins of equal width, closed above, the mean over images of
|share right - mean confidence| of their bin (Guo et al. 2017). Class-wise ECE: the same over each class's
probabilities, averaged over all classes (Kull et al. 2019). NLL in nats. Brier: the sum over classes of squared
differences, from 0 to 2. The temperature has the least NLL on a fifth of the images, chosen by a hash of image_id and
the seed; before and after are measured on the other four fifths."""

FIT_SHARE = 0.2
LEAST_FIT = 10
"""Fewer images to fit a temperature on, or to measure it on, and none is given."""
BETA_RANGE = (0.02, 50.0)
"""A temperature is sought between 1/50 and 50: beyond, one class has all probability or all have the same."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """By bin of confidence [N_BINS]: `n` images, the sum of their `confidence`, how many are right (`correct`)."""

    n: NDArray[np.int64]
    confidence: NDArray[np.float64]
    correct: NDArray[np.int64]

    @property
    def ece(self) -> float:
        """The expected calibration error."""
        return float(np.abs(self.correct - self.confidence).sum() / self.n.sum())

    def to_json(self) -> list[dict[str, Any]]:
        """One object a bin; a bin without images has null for its means."""
        return [
            {
                "from": i / N_BINS,
                "to": (i + 1) / N_BINS,
                "n": n,
                "confidence": float(self.confidence[i]) / n if n else None,
                "accuracy": int(self.correct[i]) / n if n else None,
                "accuracy_interval": list(wilson(int(self.correct[i]), n)) if n else None,
            }
            for i, n in enumerate(self.n.tolist())
        ]


@dataclass(frozen=True)
class Temperature:
    """`value` divides the logits; fitted on `n_fit` images, `before` and `after` (`ece`, `nll`) on `n` others.

    `at_bound`: the least NLL lies at an end of the range searched.
    """

    value: float
    at_bound: bool
    n_fit: int
    n: int
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Figures over the n images marked; by image `confidence`, `correct`, `nll` and `brier`, [n].

    What needs one label an image is None where some have several.
    """

    reliability: Reliability
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]
    nll: NDArray[np.float64] | None
    brier: NDArray[np.float64] | None
    classwise_ece: float | None
    temperature: Temperature | None

    @property
    def ece(self) -> float:
        """The expected calibration error."""
        return self.reliability.ece

    def to_json(self) -> dict[str, Any]:
        """A JSON object; what is None stands under `refused` of the view."""
        made = {
            "protocol": PROTOCOL,
            "ece": self.ece,
            "mean_confidence": float(self.confidence.mean()),
            "classwise_ece": self.classwise_ece,
            "nll": None if self.nll is None else float(self.nll.mean()),
            "brier": None if self.brier is None else float(self.brier.mean()),
            "temperature": None,
        }
        if self.temperature is not None:
            t = self.temperature
            made["temperature"] = {
                "value": t.value,
                "at_bound": t.at_bound,
                "n_fit": t.n_fit,
                "n": t.n,
                "before": t.before,
                "after": t.after,
            }
        return made


def calibration(marks: Marks, logits: Scored, *, seed: int = 0, soft: Softmax | None = None) -> Calibration:
    """Calibration of the images marked; `logits` [N, K] by row of the predictions, `soft` their softmax if known."""
    soft = softmax(logits, marks.rows) if soft is None else soft
    correct = marks.correct(1)
    confidence = soft.confidence
    found = reliability(confidence, correct)
    if (marks.n_labels > 1).any():
        return Calibration(found, confidence, correct, None, None, None, None)
    nll = np.maximum(0.0, soft.log_sum - own_scores(logits, marks.rows, marks.labels))
    probability = np.exp(-nll)
    brier = np.maximum(0.0, soft.squares - 2 * probability + 1)
    return Calibration(
        found,
        confidence,
        correct,
        nll,
        brier,
        classwise_ece(soft, probability, marks.labels),
        temperature(marks, logits, nll, confidence, seed=seed),
    )


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> Reliability:
    """Images by bin of confidence."""
    place = bin_of(confidence)
    return Reliability(
        np.bincount(place, minlength=N_BINS),
        np.bincount(place, weights=confidence, minlength=N_BINS).astype(np.float64),
        np.bincount(place[correct], minlength=N_BINS),
    )


def classwise_ece(soft: Softmax, probability: NDArray[np.float64], labels: NDArray[np.int32]) -> float:
    """The mean over classes of each one's ECE; `probability` [n] is that of each image's label."""
    k = len(soft.bin_sum)
    cell = labels.astype(np.int64) * N_BINS + bin_of(probability.astype(np.float32))
    hits = np.bincount(cell, minlength=k * N_BINS).reshape(k, N_BINS)
    return float(np.abs(hits - soft.bin_sum).sum() / len(labels) / k)


def calibration_statistic(found: Calibration) -> Statistic:
    """ECE, and NLL and Brier where they are known, on resamples: [b, 1] or [b, 3]."""
    n, place = len(found.confidence), bin_of(found.confidence)
    gap = np.zeros((n, N_BINS), dtype=np.float32)
    gap[np.arange(n), place] = found.correct - found.confidence
    known = [values for values in (found.nll, found.brier) if values is not None]
    means = np.stack(known, axis=1).astype(np.float32) if known else np.zeros((n, 0), np.float32)

    def statistic(weights: NDArray[np.float32]) -> NDArray[Any]:
        ece = np.abs(weights @ gap).sum(axis=1, keepdims=True) / n
        return np.concatenate([ece, weights @ means / n], axis=1)

    return statistic


def held_out(ids: Sequence[str], seed: int, share: float = FIT_SHARE) -> NDArray[np.bool_]:
    """Which images are held out, bool [n]: by a hash of the id and the seed, so that growth moves no image."""
    key = str(seed).encode()
    hashes = b"".join(hashlib.blake2b(image_id.encode(), digest_size=8, key=key).digest() for image_id in ids)
    return np.frombuffer(hashes, dtype="<u8") < np.uint64(int(share * 2.0**64))


def temperature(
    marks: Marks, logits: Scored, nll: NDArray[np.float64], confidence: NDArray[np.float64], *, seed: int
) -> Temperature | None:
    """The temperature fitted on the images held out, measured on the others; None where either are too few."""
    fit = held_out(marks.ids, seed)
    others = np.flatnonzero(~fit)
    chosen = np.flatnonzero(fit)
    if min(len(chosen), len(others)) < LEAST_FIT:
        return None
    beta = best_beta(logits, marks.labels[chosen], marks.rows[chosen])
    rows, correct = marks.rows[others], marks.correct(1)[others]
    soft = softmax(logits, rows, beta=beta, by_class=False)
    after = soft.log_sum - beta * own_scores(logits, rows, marks.labels[others])
    return Temperature(
        value=1.0 / beta,
        at_bound=beta in BETA_RANGE,
        n_fit=len(chosen),
        n=len(others),
        before={"ece": reliability(confidence[others], correct).ece, "nll": float(nll[others].mean())},
        after={"ece": reliability(soft.confidence, correct).ece, "nll": float(after.mean())},
    )


def best_beta(logits: Scored, labels: NDArray[np.int32], rows: NDArray[np.int64] | None = None) -> float:
    """The factor of least NLL, within BETA_RANGE: NLL is convex in it, so its slope is brought to 0 by Newton's steps.

    Label i is that of row `rows[i]` (of row i where None). A step that leaves the bracket known is replaced by its
    middle. Raises BadInput where there is no image.
    """
    if len(labels) == 0:
        raise BadInput("has no image", where="temperature")
    low, high = BETA_RANGE
    if _slope(logits, labels, low, rows)[0] >= 0:
        return low
    if _slope(logits, labels, high, rows)[0] <= 0:
        return high
    beta = 1.0
    for _ in range(60):
        slope, bend = _slope(logits, labels, beta, rows)
        low, high = (beta, high) if slope < 0 else (low, beta)
        step = beta - slope / bend if bend > 0 else 0.0
        after = step if low < step < high else (low * high) ** 0.5
        if abs(after - beta) < 1e-7 * beta or high - low < 1e-9 * high:
            return after
        beta = after
    return beta


def _slope(
    logits: Scored, labels: NDArray[np.int32], beta: float, rows: NDArray[np.int64] | None = None
) -> tuple[float, float]:
    """The first and second derivative of the mean NLL by beta: E[z] - z of the label, and the variance of z."""
    slope = bend = 0.0
    for place, part in blocks_of(logits, rows):
        block = part - part.max(axis=1, keepdims=True)
        mine = block[np.arange(len(block)), labels[place]]
        weight = np.exp(block * np.float32(beta))
        weight /= weight.sum(axis=1, keepdims=True)
        mean = np.einsum("ij,ij->i", weight, block, dtype=np.float64)
        square = np.einsum("ij,ij,ij->i", weight, block, block, dtype=np.float64)
        slope += float((mean - mine).sum())
        bend += float((square - mean * mean).sum())
    return slope / len(labels), bend / len(labels)
