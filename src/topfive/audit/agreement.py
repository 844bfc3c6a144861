"""What an audit found against what was planted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Recall:
    """Of `n_planted` images of one kind, `n_hit` were found; `recall` is None where none was planted."""

    n_planted: int
    n_hit: int

    @property
    def recall(self) -> float | None:
        """Share found."""
        return self.n_hit / self.n_planted if self.n_planted else None


@dataclass(frozen=True)
class Agreement:
    """Of `n_found` images, `n_hit` have a planted problem of any kind; `precision` is None where none was found."""

    n_found: int
    n_hit: int
    n_planted: int
    by_kind: dict[str, Recall]

    @property
    def precision(self) -> float | None:
        """Share of what was found that was planted."""
        return self.n_hit / self.n_found if self.n_found else None

    @property
    def recall(self) -> float | None:
        """Share of what was planted, of any kind, that was found."""
        return self.n_hit / self.n_planted if self.n_planted else None

    def to_json(self) -> dict[str, Any]:
        """Counts and rates; rates without a denominator are null."""
        return {
            "n_found": self.n_found,
            "n_hit": self.n_hit,
            "n_planted": self.n_planted,
            "precision": self.precision,
            "recall": self.recall,
            "by_kind": {kind: asdict(part) | {"recall": part.recall} for kind, part in self.by_kind.items()},
        }


def precision_recall(found_ids: Collection[str], planted_ids_by_kind: Mapping[str, Collection[str]]) -> Agreement:
    """Precision over all kinds together and recall of each kind; an id counts once, and may be of several kinds."""
    found = set(found_ids)
    by_kind = {kind: Recall(len(set(ids)), len(found & set(ids))) for kind, ids in planted_ids_by_kind.items()}
    planted = set().union(*planted_ids_by_kind.values())
    return Agreement(len(found), len(found & planted), len(planted), by_kind)
