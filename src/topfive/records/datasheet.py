"""Datasheet: what is to be known of an image set before it is used: counts, balance, sizes, origins, doubts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.records.class_list import ClassList


@dataclass(frozen=True)
class Balance:
    """How evenly n images spread over classes or values, zeros counted.

    `ratio` is most over fewest (None where a class has none), `gini` 0 (even) to 1, `entropy` in nats, `effective`
    exp(entropy) and `effective_squares` 1 / sum of squared shares: how many even classes would be as diverse.
    """

    n: int
    n_without: int
    fewest: int
    median: float
    most: int
    ratio: float | None
    gini: float
    entropy: float
    effective: float
    effective_squares: float


@dataclass(frozen=True)
class SplitFacts:
    """One split: images, those without a label, whether its labels are sealed, and the balance of the others."""

    name: str
    n_images: int
    n_unlabelled: int
    sealed: bool
    balance: Balance | None


@dataclass(frozen=True)
class Spread:
    """A number's distribution: of `n` images with it, and `n_missing` without; quantiles, and a histogram.

    `counts[i]` images lie in [edges[i], edges[i + 1]), the last bin with its end; `low` and `high` are the 5 and 95 %
    quantiles.
    """

    name: str
    n: int
    n_missing: int
    least: float
    low: float
    median: float
    high: float
    most: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


class ValueCount(NamedTuple):
    """How many images have a value."""

    value: str
    n: int


@dataclass(frozen=True)
class Shares:
    """A text's values: `n_missing` images have none, `values` are the commonest, `n_other` images have others.

    `n_values` is None where there are too many to count (then `values` is empty); `balance` is that over the values.
    """

    name: str
    n_missing: int
    n_values: int | None
    values: tuple[ValueCount, ...]
    n_other: int
    balance: Balance | None


@dataclass(frozen=True)
class Copies:
    """Images of which the same bytes, or the same group, are there again.

    `n_same_bytes` images have another's bytes, `n_bytes_across` of these sets of equal bytes lie in several splits;
    `n_grouped` images share a group with another, `n_groups_across` groups lie in several splits.
    """

    n_hashed: int
    n_same_bytes: int
    n_bytes_across: int
    n_groups: int
    n_grouped: int
    largest_group: int
    n_groups_across: int


class Doubt(NamedTuple):
    """Something a user should know of `n` images, classes or groups."""

    what: str
    n: int


@dataclass(frozen=True)
class Datasheet:
    """`class_counts` int64 [n_splits, n_classes] counts the images of each split (in order) and class."""

    name: str
    description: str
    digest: str
    n_images: int
    n_bytes: int
    n_containers: int | None
    classes: ClassList
    class_counts: NDArray[np.int64]
    balance: Balance | None
    splits: tuple[SplitFacts, ...]
    sizes: tuple[Spread, ...]
    origins: tuple[Shares, ...]
    columns: tuple[Shares | Spread, ...]
    copies: Copies
    doubts: tuple[Doubt, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it, the counts by class key."""
        names = [split.name for split in self.splits]
        rows = zip(self.classes.wnids, self.classes.names, self.class_counts.T.tolist(), strict=True)
        return {
            "name": self.name,
            "description": self.description,
            "digest": self.digest,
            "n_images": self.n_images,
            "n_classes": int((self.class_counts.sum(axis=0) > 0).sum()),
            "n_bytes": self.n_bytes,
            "n_containers": self.n_containers,
            "balance": None if self.balance is None else asdict(self.balance),
            "splits": {split.name: asdict(split) for split in self.splits},
            "sizes": {spread.name: asdict(spread) for spread in self.sizes},
            "origins": {one.name: _shares(one) for one in self.origins},
            "columns": {one.name: _shares(one) if isinstance(one, Shares) else asdict(one) for one in self.columns},
            "copies": asdict(self.copies),
            "doubts": [doubt._asdict() for doubt in self.doubts],
            "classes": [
                {"wnid": wnid, "name": name, **dict(zip(names, counts, strict=True))} for wnid, name, counts in rows
            ],
        }


def _shares(one: Shares) -> dict[str, Any]:
    return asdict(one) | {"values": [value._asdict() for value in one.values]}
