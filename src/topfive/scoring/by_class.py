"""Class by class: how often each errs, which errs most, and the error that counts every class alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import ClassList, Truth
from topfive.scoring.bootstrap import Statistic
from topfive.scoring.intervals import wilson
from topfive.scoring.marking import Marks

PROTOCOL = "by-class/1"
"""An image counts under each of its allowed labels. The balanced error is the mean over classes that have images of
their top-1 error; for single labels one less balanced accuracy."""


@dataclass(frozen=True, eq=False)
class ByClass:
    """`n`, `top1_correct` and `top5_correct` images of each of `classes`, int64 [K]; 0 for a class without images."""

    classes: ClassList
    n: NDArray[np.int64]
    top1_correct: NDArray[np.int64]
    top5_correct: NDArray[np.int64]

    @cached_property
    def with_images(self) -> NDArray[np.int64]:
        """The class indices that have images, the most erring first; equal shares stay in class order."""
        there = np.flatnonzero(self.n)
        share = self.top1_correct[there] / self.n[there]
        return there[np.argsort(share, kind="stable")]

    @property
    def balanced_error(self) -> float:
        """The mean top-1 error over the classes that have images."""
        there = self.with_images
        return float(1.0 - (self.top1_correct[there] / self.n[there]).mean())

    def row(self, index: int) -> dict[str, Any]:
        """One class as JSON: counts, errors and Wilson's intervals."""
        n, top1, top5 = int(self.n[index]), int(self.top1_correct[index]), int(self.top5_correct[index])
        return {
            "wnid": self.classes.wnids[index],
            "name": self.classes.names[index],
            "n": n,
            "top1_error": (n - top1) / n,
            "top1_error_interval": list(wilson(n - top1, n)),
            "top5_error": (n - top5) / n,
            "top5_error_interval": list(wilson(n - top5, n)),
        }

    def to_json(self) -> list[dict[str, Any]]:
        """The classes that have images, in their order."""
        return [self.row(index) for index in np.flatnonzero(self.n).tolist()]


def by_class(marks: Marks, truth: Truth) -> ByClass:
    """Count an image of `truth`, marked as `marks`, under each of its allowed labels."""
    size = len(truth.classes)
    counts = [np.bincount(truth.labels, minlength=size)]
    counts += [np.bincount(truth.labels[marks.correct(k)[marks.image]], minlength=size) for k in (1, 5)]
    return ByClass(truth.classes, *counts)


def balanced_statistic(marks: Marks) -> Statistic:
    """The balanced error on resamples; a class without images in a resample is left out of its mean."""
    order = np.argsort(marks.labels, kind="stable")
    image = marks.image[order]
    starts = np.flatnonzero(np.diff(marks.labels[order], prepend=-1))
    right = marks.correct(1)[image]

    def statistic(weights: NDArray[np.float32]) -> NDArray[Any]:
        drawn = weights[:, image]
        n = np.add.reduceat(drawn, starts, axis=1)
        correct = np.add.reduceat(drawn * right, starts, axis=1)
        share = np.divide(correct, n, out=np.zeros_like(n), where=n > 0)
        error: NDArray[Any] = 1.0 - share.sum(axis=1) / np.count_nonzero(n, axis=1)
        return error

    return statistic
