"""ImageNet's siblings: sets with some of its classes, with none of them, or with a mark on every picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, ClassList, Interval, Predictions, Scores, Truth
from topfive.scoring.compare import Comparison, compare
from topfive.scoring.intervals import bootstrap_difference, wilson
from topfive.scoring.marking import mark, positions_of_classes, rows_by_id
from topfive.scoring.score import score

WAYS_PROTOCOL = "sibling-ways/1"
"""One set, two figures: guesses among the set's own classes (the restricted way, which published figures of A, R and
ObjectNet are), and among all that the model knows. Both are `ilsvrc-top5/1`."""

OUTLIER_PROTOCOL = "outlier-aupr/1"
"""Pictures of no known class (ImageNet-O) are to be told from pictures of the subset's classes by the anomaly score
-max softmax over the subset's logits. The figure is the area under the precision-recall curve, as average precision
with outliers as positives and equal scores taken together; chance is the share of outliers. The interval is a bootstrap
of both sides (1,000 resamples, seeded)."""

SHORTCUT_PROTOCOL = "shortcut/1"
"""The same pictures without and with a mark that a class is known by (ImageNet-W: a watermark and the class carton):
the rise of top-1 error, and the rise of the share that is called by that class among pictures that are not of it."""

N_RESAMPLES = 1000


@dataclass(frozen=True)
class WaysScores:
    """`full` among all the model's `n_ways_full` classes; `restricted` among the set's, None where those are all."""

    n_ways_full: int
    n_ways_restricted: int
    full: Scores
    restricted: Scores | None

    def to_json(self) -> dict[str, Any]:
        """Both ways under `ways`, each with its number of classes; the restricted one first where there is one."""
        ways = [] if self.restricted is None else [(self.n_ways_restricted, self.restricted)]
        ways.append((self.n_ways_full, self.full))
        return {
            "protocol": WAYS_PROTOCOL,
            "n_classes": self.n_ways_restricted,
            "n_classes_with_images": len(self.full.per_class),
            "ways": [{"n_ways": n, **scores.to_json()} for n, scores in ways],
        }


def both_ways(predictions: Predictions, truth: Truth, where: str | Path = "predictions") -> WaysScores:
    """Score among the truth's classes and among all of the model's; raises BadInput as `score` does.

    The truth's classes are the subset: give it the official one by `with_classes`, not what a folder happens to hold.
    """
    full = score(predictions, truth, where=where)
    whole = set(truth.classes.wnids) == set(predictions.classes.wnids)
    restricted = None if whole else score(predictions, truth, restrict=True, where=where)
    return WaysScores(len(predictions.classes), len(truth.classes), full, restricted)


def with_classes(truth: Truth, classes: ClassList, where: str | Path = "truth") -> Truth:
    """The same labels counted in another class list; raises BadInput naming a class of the truth that it lacks."""
    positions = positions_of_classes(truth.classes, classes, where)
    labels = positions[truth.labels].astype(np.int32)
    image = np.repeat(np.arange(len(truth)), truth.n_labels)
    return replace(truth, labels=labels[np.lexsort((labels, image))], classes=classes)


def only_classes(truth: Truth, classes: ClassList) -> Truth:
    """The truth with the labels of these classes alone: an image with none of them is dropped when scored."""
    positions = truth.classes.positions_in(classes)
    labels = positions[truth.labels]
    kept = labels >= 0
    image = np.repeat(np.arange(len(truth)), truth.n_labels)[kept]
    counts = np.bincount(image, minlength=len(truth))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    labels = labels[kept].astype(np.int32)
    return Truth(truth.ids, offsets, labels[np.lexsort((labels, image))], classes, truth.name)


@dataclass(frozen=True)
class Outliers:
    """How well `n_outside` pictures of no known class are told from `n_inside` of the subset's classes."""

    n_outside: int
    n_inside: int
    n_ways: int
    aupr: float
    interval: Interval
    seed: int

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field; `chance` is the area of a score that says nothing."""
        return {
            "protocol": OUTLIER_PROTOCOL,
            "aupr": self.aupr,
            "aupr_interval": list(self.interval),
            "chance": self.n_outside / (self.n_outside + self.n_inside),
            "n_outside": self.n_outside,
            "n_inside": self.n_inside,
            "n_ways": self.n_ways,
            "seed": self.seed,
        }


def outliers(
    outside: Predictions,
    inside: Predictions,
    classes: ClassList,
    *,
    seed: int = 0,
    where: tuple[str | Path, str | Path] = ("outside", "inside"),
) -> Outliers:
    """Score by OUTLIER_PROTOCOL with the subset `classes`; both predictions need logits. Raises BadInput."""
    scores = [anomaly(side, classes, name) for side, name in zip((outside, inside), where, strict=True)]
    values = np.concatenate(scores)
    positive = np.arange(len(values)) < len(scores[0])
    rng = np.random.default_rng(seed)
    drawn = np.empty(N_RESAMPLES)
    for i in range(N_RESAMPLES):
        weights = [rng.multinomial(len(side), np.full(len(side), 1 / len(side))) for side in scores]
        drawn[i] = average_precision(values, positive, np.concatenate(weights))
    low, high = np.quantile(drawn, [0.025, 0.975])
    aupr = average_precision(values, positive)
    return Outliers(len(scores[0]), len(scores[1]), len(classes), aupr, (float(low), float(high)), seed)


def anomaly(predictions: Predictions, classes: ClassList, where: str | Path = "predictions") -> NDArray[np.float64]:
    """-max softmax over the logits of `classes`, [n]: the higher, the less like any of them."""
    if predictions.logits is None:
        raise BadInput("have no logits, and the anomaly score needs them", where=where, fix="Predict with logits kept")
    logits = predictions.logits[:, positions_of_classes(classes, predictions.classes, where)].astype(np.float64)
    logits.sort(axis=1)  # so that equal sets of logits have equal sums, whichever class holds which
    return np.asarray(-1 / np.exp(logits - logits[:, -1:]).sum(axis=1))


def average_precision(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.integer[Any]] | None = None
) -> float:
    """Mean precision at each positive, from the highest score down; equal scores are taken together.

    `weights` count an item several times, or not at all. Raises BadInput where nothing is positive.
    """
    order = np.argsort(-scores, kind="stable")
    count = np.ones(len(scores), dtype=np.int64) if weights is None else weights.astype(np.int64)
    found = np.cumsum((count * positive)[order])
    seen = np.cumsum(count[order])
    last = np.flatnonzero(np.r_[scores[order][1:] != scores[order][:-1], True])  # where a run of equals ends
    if not len(found) or found[-1] == 0:
        raise BadInput("has nothing to find", where="average precision")
    gained = np.diff(np.r_[0, found[last]])
    kept = gained > 0
    return float((gained[kept] * (found[last][kept] / seen[last][kept])).sum() / found[-1])


@dataclass(frozen=True)
class Shortcut:
    """What a mark does to a model: `comparison` is marked against clean; the shares are of `n_other` pictures."""

    wnid: str
    comparison: Comparison
    n_other: int
    called_clean: int
    called_marked: int
    rise_interval: Interval

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `error_rise` and `called_rise` are marked less clean, in fractions."""
        return {
            "protocol": SHORTCUT_PROTOCOL,
            "wnid": self.wnid,
            "n": self.comparison.n,
            "clean_error": self.comparison.error_second,
            "marked_error": self.comparison.error_first,
            "error_rise": self.comparison.difference,
            "error_rise_interval": list(self.comparison.interval),
            "p_value": self.comparison.p_value,
            "n_other": self.n_other,
            "called_clean": self.called_clean / self.n_other,
            "called_clean_interval": list(wilson(self.called_clean, self.n_other)),
            "called_marked": self.called_marked / self.n_other,
            "called_marked_interval": list(wilson(self.called_marked, self.n_other)),
            "called_rise": (self.called_marked - self.called_clean) / self.n_other,
            "called_rise_interval": list(self.rise_interval),
        }


def shortcut(
    marked: Predictions,
    clean: Predictions,
    truth: Truth,
    wnid: str,
    *,
    seed: int = 0,
    where: tuple[str | Path, str | Path] = ("marked predictions", "clean predictions"),
) -> Shortcut:
    """Measure by SHORTCUT_PROTOCOL, joined on image_id: marked pictures keep the clean ones' ids. Raises BadInput."""
    comparison = compare(marked, clean, truth, seed=seed, where=where)
    image = np.repeat(np.arange(len(truth)), truth.n_labels)
    of_it = np.zeros(len(truth), dtype=bool)
    of_it[image[truth.labels == truth.classes.index.get(wnid, -1)]] = True
    other = ~of_it[truth.n_labels > 0]
    if not other.any():
        raise BadInput(f"has no picture of another class than {wnid}", where=f"truth {truth.name!r}")
    called = []
    for side, name in zip((marked, clean), where, strict=True):
        if wnid not in side.classes.index:
            raise BadInput(f"do not know the class {wnid}", where=name)
        called.append(mark(side, truth, where=name).guess[other] == side.classes.index[wnid])
    counts = [int(np.count_nonzero(side)) for side in called]
    rise = bootstrap_difference(called[0], called[1], seed=seed)
    return Shortcut(wnid, comparison, int(other.sum()), counts[1], counts[0], rise)


def require_same_ids(predictions: Predictions, ids: tuple[str, ...], where: str | Path) -> None:
    """Raise BadInput, naming the first, unless the predictions are of exactly these images."""
    rows_by_id(ids, predictions.ids, where)
