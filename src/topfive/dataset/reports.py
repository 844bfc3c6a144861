"""What import and verify say: counts, and each problem by the image it is about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topfive.records import Manifest

_SHOWN = 100


class Problem(NamedTuple):
    """What is wrong with one picture, or with one file of a source (then `image_id` is its path there)."""

    image_id: str
    reason: str


@dataclass(frozen=True)
class VerifyReport:
    """Counts of a set, and all `problems` in manifest order."""

    folder: Path
    n_images: int
    n_classes: int
    splits: dict[str, int]
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE; the first 100 problems."""
        return {
            "n_images": self.n_images,
            "n_classes": self.n_classes,
            "splits": self.splits,
            "n_problems": len(self.problems),
            "problems": [problem._asdict() for problem in self.problems[:_SHOWN]],
        }


@dataclass(frozen=True)
class ImportReport(VerifyReport):
    """As VerifyReport, with `layout`, what the source was recognised as."""

    layout: str = ""

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE, and `layout`."""
        return {"layout": self.layout, **super().to_json()}


def n_classes(manifest: Manifest) -> int:
    """Number of classes that have images."""
    index = manifest.class_index
    return len(np.unique(index[index >= 0]))
