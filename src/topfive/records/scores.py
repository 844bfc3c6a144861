"""Scores: what a protocol measured on one predictions file; rates are fractions, named for their direction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topfive.records.durable import write_text
from topfive.records.errors import BadInput, unreadable

Interval = tuple[float, float]


@dataclass(frozen=True)
class Scores:
    """Errors over `n` images under `protocol`; counts are exact, intervals are 95 %.

    `dropped` counts images without a valid label. `per_class` maps wnid to (n, top-1 correct, top-5 correct).
    `extra` holds what a protocol adds (`flat_error`, `hierarchical_error`).
    """

    n: int
    protocol: str
    truth: str
    classes: str
    view: str | None
    top1_correct: int
    top5_correct: int
    top1_error: float
    top5_error: float
    top1_error_interval: Interval
    top5_error_interval: Interval
    dropped: int = 0
    restricted: bool = False
    per_class: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise BadInput where counts and rates cannot belong together."""
        if not 0 <= self.top1_correct <= self.top5_correct <= self.n or self.n <= 0:
            raise BadInput(f"{self.top1_correct} and {self.top5_correct} correct of {self.n} cannot be", where="scores")

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE for `score`, without the per-class counts."""
        result: dict[str, Any] = {
            key: getattr(self, key)
            for key in ("n", "protocol", "top1_error", "top5_error", "top1_correct", "top5_correct")
        }
        result["top1_error_interval"] = list(self.top1_error_interval)
        result["top5_error_interval"] = list(self.top5_error_interval)
        result |= {key: getattr(self, key) for key in ("truth", "classes", "view", "dropped", "restricted")}
        return result | self.extra

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        self.check()
        value = self.to_json() | {"per_class": self.per_class, "extra": self.extra}
        write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Scores:
        """The inverse of `write`."""
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
            kept = {key: value[key] for key in cls.__dataclass_fields__ if key in value}
            for key in ("top1_error_interval", "top5_error_interval"):
                kept[key] = tuple(kept[key])
            kept["per_class"] = {wnid: tuple(row) for wnid, row in kept["per_class"].items()}
            scores = cls(**kept)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise unreadable("scores", path, error) from error
        scores.check()
        return scores
