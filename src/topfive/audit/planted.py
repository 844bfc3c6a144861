"""What an audit found against what was planted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Recall:
    """Of `n_planted` images, `n_hit` were found; `recall` is None where none was planted."""

    n_planted: int
    n_hit: int

    @property
    def recall(self) -> float | None:
        """Share of what was planted that was found."""
        return self.n_hit / self.n_planted if self.n_planted else None

    def to_json(self) -> dict[str, Any]:
        """Both counts and the rate."""
        return asdict(self) | {"recall": self.recall}


@dataclass(frozen=True)
class PrecisionRecall:
    """Of `n_found` images, `any_kind.n_hit` have a planted problem; `precision` is None where none was found."""

    n_found: int
    any_kind: Recall
    by_kind: dict[str, Recall]

    @property
    def precision(self) -> float | None:
        """Share of what was found that was planted."""
        return self.any_kind.n_hit / self.n_found if self.n_found else None

    def to_json(self) -> dict[str, Any]:
        """Counts and rates; a rate without a denominator is null."""
        return {
            "n_found": self.n_found,
            **self.any_kind.to_json(),
            "precision": self.precision,
            "by_kind": {kind: recall.to_json() for kind, recall in self.by_kind.items()},
        }


def precision_recall(found_ids: Collection[str], planted_ids_by_kind: Mapping[str, Collection[str]]) -> PrecisionRecall:
    """Precision over all kinds together, recall of each; an id counts once, and may be of several kinds."""
    found = set(found_ids)
    planted = {kind: set(ids) for kind, ids in planted_ids_by_kind.items()}
    by_kind = {kind: Recall(len(ids), len(found & ids)) for kind, ids in planted.items()}
    any_kind = set().union(*planted.values())
    return PrecisionRecall(len(found), Recall(len(any_kind), len(found & any_kind)), by_kind)
