"""Everything that one predictions file says under one truth, and by name what it cannot say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, ClassList, Interval, Predictions, Scores, Truth
from topfive.scoring.bootstrap import N_RESAMPLES, Statistic, percentile_interval, resampled
from topfive.scoring.by_class import ByClass, balanced_statistic, by_class
from topfive.scoring.calibration import Calibration, calibration, calibration_statistic
from topfive.scoring.hierarchy import Hierarchy
from topfive.scoring.marking import Marks, mark, positions_of_classes
from topfive.scoring.score import score
from topfive.scoring.selective import Selective, selective, selective_statistic
from topfive.scoring.severity import Severity, severity, severity_statistic
from topfive.scoring.softmax import Logits, Scored, as_logits, blocks_of, softmax
from topfive.scoring.subtrees import Groups, Subtree, grouped_confusion, groups, subtrees

NEEDS_LOGITS = "the predictions have no logits: predict with them kept"
NEEDS_TREE = "the classes are no noun synsets of WordNet 3.0: key them by wnid"
NEEDS_ONE_LABEL = "some images have several allowed labels"
NEEDS_IMAGES = "too few images to fit a temperature on a fifth of them"


@dataclass(frozen=True, eq=False)
class Details:
    """The figures of one truth; a part is None where it cannot be had, and `refused` says why by the part's name.

    `intervals` are 95 %, by a bootstrap over images, under the keys of the figures.
    """

    scores: Scores
    marks: Marks
    by_class: ByClass
    chance: tuple[float, float]
    severity: Severity | None
    subtrees: tuple[Subtree, ...]
    groups: Groups | None
    confusion: NDArray[np.int64] | None
    calibration: Calibration | None
    selective: Selective | None
    intervals: dict[str, Interval]
    refused: dict[str, str]

    @cached_property
    def worst_class(self) -> int:
        """The class_index (into the truth's classes) that errs most."""
        return int(self.by_class.with_images[0])

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE for `score`, what is measured besides, and the long parts under `details`."""
        said = self.scores.to_json() | {
            "n_dropped": self.scores.dropped,
            "chance": {"top1_error": self.chance[0], "top5_error": self.chance[1]},
            "balanced_error": self.by_class.balanced_error,
            "balanced_error_interval": list(self.intervals["balanced_error"]),
            "worst_class": self.by_class.row(self.worst_class),
        }
        long: dict[str, Any] = {"per_class": self.by_class.to_json()}
        if self.severity is not None:
            intervals = self.intervals.get("severity"), self.intervals.get("trimmed_severity")
            said["severity"] = self.severity.to_json(*intervals)
            long["per_subtree"] = [subtree.to_json() for subtree in self.subtrees]
        if self.groups is not None and self.confusion is not None:
            keys = {"wnids": list(self.groups.wnids), "names": list(self.groups.titles)}
            long["confusion_by_subtree"] = keys | {"counts": self.confusion.tolist()}
        if self.calibration is not None:
            found = self.calibration.to_json()
            for key in ("ece", "nll", "brier"):
                interval = self.intervals.get(key)
                found[f"{key}_interval"] = None if interval is None else list(interval)
            said["calibration"] = found
            long["reliability"] = self.calibration.reliability.to_json()
        if self.selective is not None:
            found = self.selective.to_json()
            long["risk_coverage"] = found.pop("risk")
            said["selective"] = found | {"aurc_interval": list(self.intervals["aurc"])}
        return said | {"refused": self.refused, "details": long}


def details(
    predictions: Predictions,
    truth: Truth,
    *,
    hierarchy: Hierarchy | None = None,
    restrict: bool = False,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    where: str | Path = "predictions",
) -> Details:
    """Measure everything that can be; `hierarchy` is over the predictions' classes, or the truth's under `restrict`.

    Raises BadInput as `score` does. `seed` draws the resamples and chooses what the temperature is fitted on.
    """
    scores = score(predictions, truth, restrict=restrict, where=where)
    logits: Scored | None = predictions.logits
    if restrict and predictions.logits is not None:  # `score` has refused what has none
        order = classes_kept(predictions.classes, truth.classes).positions_in(predictions.classes)
        logits, predictions = Logits(predictions.logits, order), limited(predictions, truth)
    marks = mark(predictions, truth, where=where)
    classes = by_class(marks, truth)
    refused: dict[str, str] = {}
    found: Severity | None = None
    parts: Groups | None = None
    confusion: NDArray[np.int64] | None = None
    trees: tuple[Subtree, ...] = ()
    if hierarchy is None:
        refused |= dict.fromkeys(("severity", "per_subtree", "confusion_by_subtree", "hierarchical_error"), NEEDS_TREE)
    else:
        hierarchy.check(len(predictions.classes))
        found, parts = severity(marks, predictions.top_index, hierarchy), groups(hierarchy)
        trees, confusion = subtrees(marks, hierarchy), grouped_confusion(marks, parts)
        scores.extra["hierarchical_error"] = list(found.hierarchical_error)
    scores.extra["flat_error"] = flat_error(marks)
    sure, declined = _from_logits(logits, marks, seed, refused)
    intervals = _intervals(marks, found, sure, declined, seed, n_resamples)
    return Details(
        scores=scores,
        marks=marks,
        by_class=classes,
        chance=chance(marks, len(predictions.classes)),
        severity=found,
        subtrees=trees,
        groups=parts,
        confusion=confusion,
        calibration=sure,
        selective=declined,
        intervals=intervals,
        refused=refused,
    )


def limited(predictions: Predictions, truth: Truth) -> Predictions:
    """The guesses among the truth's classes alone, in the model's order, without their logits, which it needs."""
    if predictions.logits is None:
        raise BadInput(NEEDS_LOGITS, where="predictions")
    kept = classes_kept(predictions.classes, truth.classes)
    order = kept.positions_in(predictions.classes)
    size = (len(predictions), min(5, len(kept)))
    top, best = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.float32)
    for rows, block in blocks_of(Logits(predictions.logits, order)):
        part = Predictions.from_logits(predictions.ids[rows], block, kept, keep_logits=False)
        top[rows], best[rows] = part.top_index, part.top_score
    return replace(predictions, top_index=top, top_score=best, classes=kept, logits=None)


def classes_kept(model: ClassList, truth: ClassList, where: str | Path = "predictions") -> ClassList:
    """The truth's classes in the model's order; raises BadInput where the model lacks one."""
    order = np.sort(positions_of_classes(truth, model, where))
    return ClassList(tuple(model.wnids[i] for i in order), tuple(model.names[i] for i in order))


def flat_error(marks: Marks) -> list[float]:
    """The development kit's flat error for k = 1 to 5 (or fewer guesses): the share of an image's labels missed."""
    shares = []
    for k in range(1, min(5, marks.n_guesses) + 1):
        missed = np.add.reduceat((marks.place >= k).astype(np.int64), marks.offsets[:-1])
        shares.append(float((missed / marks.n_labels).mean()))
    return shares


def chance(marks: Marks, n_classes: int) -> tuple[float, float]:
    """Top-1 and top-5 error expected of guesses drawn at random without repeating one, over the images' label sets.

    As many are drawn as there are guesses.
    """
    sizes, counts = np.unique(marks.n_labels, return_counts=True)
    levels = []
    for k in (1, min(5, n_classes, marks.n_guesses)):
        missed = [comb(n_classes - size, k) / comb(n_classes, k) for size in sizes.tolist()]
        levels.append(float(np.dot(missed, counts) / counts.sum()))
    return levels[0], levels[1]


def _from_logits(
    scores: Scored | None, marks: Marks, seed: int, refused: dict[str, str]
) -> tuple[Calibration | None, Selective | None]:
    """What needs probabilities; says in `refused` what cannot be had."""
    if scores is None:
        refused |= dict.fromkeys(("calibration", "selective"), NEEDS_LOGITS)
        return None, None
    logits, undone = as_logits(scores)
    soft = softmax(logits, marks.rows, by_class=bool((marks.n_labels == 1).all()))
    sure = calibration(marks, logits, seed=seed, soft=soft)
    if sure.nll is None:
        refused |= dict.fromkeys(("nll", "brier", "classwise_ece", "temperature"), NEEDS_ONE_LABEL)
    elif sure.temperature is None:
        refused["temperature"] = NEEDS_IMAGES
    if undone:
        refused["logits"] = "the file holds probabilities: their logarithms are taken for logits"
    return sure, selective(soft.doubt, marks.correct(1))


def _intervals(
    marks: Marks,
    found: Severity | None,
    sure: Calibration | None,
    declined: Selective | None,
    seed: int,
    n_resamples: int,
) -> dict[str, Interval]:
    """All figures on the same resamples, and the middle 95 % of each."""
    parts: list[tuple[tuple[str, ...], Statistic]] = [(("balanced_error",), balanced_statistic(marks))]
    if found is not None and found.n_wrong:
        parts.append((("severity", "trimmed_severity"), severity_statistic(marks, found)))
    if sure is not None:
        parts.append((("ece", "nll", "brier") if sure.nll is not None else ("ece",), calibration_statistic(sure)))
    if declined is not None:
        parts.append((("aurc",), selective_statistic(declined)))

    statistics: list[Callable[..., NDArray[Any]]] = [statistic for _, statistic in parts]

    def everything(weights: NDArray[np.float32]) -> NDArray[Any]:
        return np.concatenate([statistic(weights).reshape(len(weights), -1) for statistic in statistics], axis=1)

    samples = resampled(len(marks), everything, np.random.default_rng(seed), n_resamples)
    keys = [key for names, _ in parts for key in names]
    return {key: percentile_interval(samples[:, i]) for i, key in enumerate(keys)}
