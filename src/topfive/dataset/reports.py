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
    """Counts of a set, and all `problems`: of whole files first, then of pictures in manifest order.

    `n_filled` is the number of pictures whose digest and size were written into the manifest.
    """

    folder: Path
    n_images: int
    n_classes: int
    splits: dict[str, int]
    problems: tuple[Problem, ...]
    n_filled: int = 0

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE with the first 100 problems, and `n_filled`."""
        return {
            "n_images": self.n_images,
            "n_classes": self.n_classes,
            "splits": self.splits,
            "n_problems": len(self.problems),
            "problems": [problem._asdict() for problem in self.problems[:_SHOWN]],
            "n_filled": self.n_filled,
        }


@dataclass(frozen=True)
class ImportReport(VerifyReport):
    """As VerifyReport, with `layout`, what the source was recognised as, and whether its pictures were `read`."""

    layout: str = ""
    read: bool = True

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE, `layout` and `read`."""
        said = super().to_json()
        del said["n_filled"]
        return {"layout": self.layout, "read": self.read, **said}


def n_classes(manifest: Manifest) -> int:
    """Number of classes that have images."""
    index = manifest.class_index
    return len(np.unique(index[index >= 0]))
