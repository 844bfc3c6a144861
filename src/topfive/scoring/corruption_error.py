"""Errors by corruption and severity, and ImageNet-C's one number where it has a meaning: on the released JPEGs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from topfive.records import BadInput, Interval
from topfive.scoring.intervals import wilson

RELEASED = "imagenet-c/released"
"""On the released JPEGs: top-1 error of each corruption at each severity. CE of a corruption is its mean error over the
five severities divided by AlexNet's, and mCE the mean of the fifteen CE, both as fractions of AlexNet's (1 is AlexNet;
papers print percent). Both are given only where every severity (of every corruption) is there."""

GENERATED = "imagenet-c/generated"
"""On corruptions that topfive makes: raw errors alone, since AlexNet's were measured on other pictures."""

ALEXNET: dict[str, float] = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
"""AlexNet's mean top-1 error over the five severities of each corruption (Hendrycks and Dietterich 2019)."""

SEVERITIES = (1, 2, 3, 4, 5)


class Cell(NamedTuple):
    """`wrong` of `n` images at one corruption and severity."""

    wrong: int
    n: int

    @property
    def error(self) -> float:
        """As a fraction."""
        return self.wrong / self.n

    @property
    def interval(self) -> Interval:
        """Wilson's."""
        return wilson(self.wrong, self.n)


@dataclass(frozen=True)
class CorruptionErrors:
    """`cells[kind, severity]` are counts of wrong first guesses; `protocol` is RELEASED or GENERATED.

    `clean` is the count on the pictures without corruption, where it was measured. `baseline` maps a corruption to the
    mean error that it is divided by; empty under GENERATED.
    """

    protocol: str
    cells: Mapping[tuple[str, int], Cell]
    clean: Cell | None = None
    baseline: Mapping[str, float] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The corruptions there are: the fifteen first, in their order."""
        there = {kind for kind, _ in self.cells}
        return (*(kind for kind in ALEXNET if kind in there), *sorted(there - set(ALEXNET)))

    def mean_error(self, kind: str) -> float | None:
        """The mean error over the five severities; None where one is missing."""
        if any((kind, severity) not in self.cells for severity in SEVERITIES):
            return None
        return float(np.mean([self.cells[kind, severity].error for severity in SEVERITIES]))

    def corruption_error(self, kind: str) -> float | None:
        """CE: the mean error over the baseline's; None under GENERATED, and for a corruption without a baseline."""
        mean = self.mean_error(kind)
        if self.protocol != RELEASED or mean is None or kind not in (self.baseline or ALEXNET):
            return None
        return mean / (self.baseline or ALEXNET)[kind]

    def mce(self) -> float | None:
        """The mean of the fifteen CE; None where one is missing."""
        found = [self.corruption_error(kind) for kind in ALEXNET]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if len(known) == len(ALEXNET) else None

    def missing(self) -> tuple[str, ...]:
        """What mCE lacks, as `kind/severity`."""
        wanted = [(kind, severity) for kind in ALEXNET for severity in SEVERITIES]
        return tuple(f"{kind}/{severity}" for kind, severity in wanted if (kind, severity) not in self.cells)

    def to_json(self) -> dict[str, Any]:
        """Raw errors by corruption and severity with Wilson's intervals; CE and mCE under RELEASED alone."""
        kinds = []
        for kind in self.kinds:
            row: dict[str, Any] = {"corruption": kind, "mean_error": self.mean_error(kind), "severities": []}
            if self.protocol == RELEASED:
                row["ce"] = self.corruption_error(kind)
            for severity in sorted(s for k, s in self.cells if k == kind):
                cell = self.cells[kind, severity]
                told = {"severity": severity, "n": cell.n, "error": cell.error, "error_interval": list(cell.interval)}
                row["severities"].append(told)
            kinds.append(row)
        means = [row["mean_error"] for row in kinds if row["corruption"] in ALEXNET]
        whole = len(means) == len(ALEXNET) and None not in means
        result: dict[str, Any] = {
            "protocol": self.protocol,
            "clean_error": None if self.clean is None else self.clean.error,
            "clean_error_interval": None if self.clean is None else list(self.clean.interval),
            "mean_error": float(np.mean(means)) if whole else None,
            "corruptions": kinds,
            "missing": list(self.missing()),
        }
        if self.protocol == RELEASED:
            result |= {"mce": self.mce(), "baseline": "AlexNet" if self.baseline is None else "given"}
        return result


def check_baseline(baseline: Mapping[str, float], where: str) -> None:
    """Raise BadInput unless there is an error in (0, 1] for each of the fifteen corruptions."""
    lacking = [kind for kind in ALEXNET if kind not in baseline]
    if lacking:
        raise BadInput(f"lacks {len(lacking)} of the 15 corruptions, the first is {lacking[0]}", where=where)
    for kind, error in baseline.items():
        if not 0 < error <= 1:
            raise BadInput(f"has the error {error:g} for {kind}", where=where, fix="Give fractions above 0, up to 1")
