"""What each picture of a twin shows and what it is said to show: classes, countries, planted troubles.

A plan is a function of the recipe alone and draws no picture. Each kind of trouble is drawn in every split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records import SPLITS, UNKNOWN

KINDS = ("label_error_class", "label_error_picture", "two_labels", "no_label", "duplicate_exact", "duplicate_near")
WAYS = ("", "same bytes", "re-encoded", "resized", "re-rendered")
"""How a copy differs from its original; the first stands for no copy."""

_NEARNESS = 12.0
"""Confusion falls by exp(-12 d) with 1 - d the Wu-Palmer likeness: siblings (0.9) are taken for one another some
400 times as often as an animal and a tool (0.4)."""


@dataclass(frozen=True)
class Troubles:
    """Shares of the pictures of each split: `label_noise` in all, `picture_share` of it by the picture's own looks."""

    label_noise: float
    picture_share: float
    two_labels: float
    no_label: float
    duplicates: float
    leaks: float
    imbalance: float


@dataclass(frozen=True)
class Plan:
    """Row by row, splits in order: `split` (a position in SPLITS), `number` from 1 in its split, `given` label,
    `first` and `second` right label (UNKNOWN for none), `towards` a near class by `share`, whether its label is wrong
    `by_looks`, `place`, `copy_of` (a row, -1 for none) and its `way` (a position in WAYS)."""

    split: NDArray[np.int8]
    number: NDArray[np.int64]
    given: NDArray[np.int32]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    towards: NDArray[np.int32]
    share: NDArray[np.float64]
    by_looks: NDArray[np.bool_]
    place: NDArray[np.int8]
    copy_of: NDArray[np.int64]
    way: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.split)

    def image_id(self, row: int) -> str:
        """The id of a row: split and number, and nothing about what it shows."""
        return f"twin_{SPLITS[self.split[row]]}_{self.number[row]:08d}"

    def right(self, row: int) -> list[int]:
        """The right labels of a row, in order: none, one or two."""
        return sorted(int(label) for label in (self.first[row], self.second[row]) if label != UNKNOWN)

    def planted(self) -> list[tuple[int, str, str, str]]:
        """(row, kind, partner's image_id or "", detail) of all that was planted; a mislabelled copy has two entries."""
        entries = []
        for row in range(len(self)):
            right = self.right(row)
            if self.copy_of[row] >= 0:
                original = int(self.copy_of[row])
                leak = "" if self.split[row] == self.split[original] else f" from {SPLITS[self.split[original]]}"
                kind = "duplicate_exact" if self.way[row] == 1 else "duplicate_near"
                entries.append((row, kind, self.image_id(original), WAYS[self.way[row]] + leak))
            if len(right) != 1:
                entries.append((row, "two_labels" if right else "no_label", "", ""))
            elif self.by_looks[row]:
                entries.append((row, "label_error_picture", "", f"{self.share[row]:.2f} of the way to the given class"))
            elif self.given[row] != right[0]:
                entries.append((row, "label_error_class", "", ""))
        return entries


def make_plan(
    per_class: tuple[int | NDArray[np.int64], ...],
    like: NDArray[np.float64],
    troubles: Troubles,
    place_shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> Plan:
    """Plan `per_class` pictures of each class for train, val and test; `like` [K, K] is their likeness, K > 1.

    A number is a mean (train is planned unbalanced about it), an array [K] what each class has.
    """
    k = len(like)
    near = np.exp(_NEARNESS * like)
    np.fill_diagonal(near, 0.0)
    noisy = np.exp(rng.normal(0.0, 0.6, k))
    habits = place_shares * np.exp(rng.normal(0.0, 0.4, (k, len(place_shares))))
    parts: list[Plan] = []
    for split, n in enumerate(per_class):
        # As in ILSVRC, only the training set is unbalanced.
        even = 0.0 if split else troubles.imbalance
        counts = n if isinstance(n, np.ndarray) else _counts(k, n, even, rng)
        classes = rng.permutation(np.repeat(np.arange(k, dtype=np.int32), counts))
        part = _first_plan(split, classes, near, troubles, rng)
        part.place[:] = _drawn(habits, classes, rng)
        start = sum(len(earlier) for earlier in parts)
        order = rng.permutation(_single(part))
        n_own = _share(len(part), troubles.duplicates)
        n_leaked = _share(len(part), troubles.leaks) if parts else 0
        _copy(part, order[:n_own], part, order[n_own + n_leaked :], start, rng)
        if parts:
            _copy(part, order[n_own : n_own + n_leaked], parts[0], _single(parts[0]), 0, rng)
        _mislabel(part, near, noisy, troubles, rng)
        parts.append(part)
    return Plan(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def _counts(k: int, n: int, imbalance: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pictures of each class: k n in all, log-normal about n, at least one."""
    weight = np.exp(imbalance * rng.normal(0.0, 1.0, k))
    ideal = 1.0 + weight / weight.sum() * (k * n - k)
    counts: NDArray[np.int64] = np.floor(ideal).astype(np.int64)
    counts[np.argsort(counts - ideal, kind="stable")[: k * n - int(counts.sum())]] += 1
    return counts


def _first_plan(
    split: int, classes: NDArray[np.int32], near: NDArray[np.float64], troubles: Troubles, rng: np.random.Generator
) -> Plan:
    """One split, rightly labelled: some pictures of two classes, some of none; every other leans to a near class."""
    n, k = len(classes), len(near)
    first, second = classes.copy(), np.full(n, UNKNOWN, dtype=np.int32)
    order, n_two = rng.permutation(n), _share(n, troubles.two_labels)
    two, none = order[:n_two], order[n_two : n_two + _share(n, troubles.no_label)]
    second[two] = (first[two] + rng.integers(1, k, len(two))) % k
    first[none] = UNKNOWN
    # Most pictures lean little: half the seventh power of a uniform number is above 0.3 for 7 in 100.
    share = 0.5 * rng.random(n) ** 7
    share[np.concatenate([two, none])] = 0.0
    return Plan(
        split=np.full(n, split, dtype=np.int8),
        number=np.arange(1, n + 1),
        given=classes.copy(),
        first=first,
        second=second,
        towards=_drawn(near, classes, rng).astype(np.int32),
        share=share,
        by_looks=np.zeros(n, dtype=np.bool_),
        place=np.zeros(n, dtype=np.int8),
        copy_of=np.full(n, -1, dtype=np.int64),
        way=np.zeros(n, dtype=np.int8),
    )


def _single(part: Plan) -> NDArray[np.int64]:
    """The rows with one right label that are no copies."""
    return np.flatnonzero((part.first != UNKNOWN) & (part.second == UNKNOWN) & (part.copy_of < 0))


def _copy(
    part: Plan, copies: NDArray[np.int64], source: Plan, pool: NDArray[np.int64], start: int, rng: np.random.Generator
) -> None:
    """Make `copies` show what pictures of their class in `pool` show; `start` is the first row of `source`."""
    pool = pool[np.argsort(source.first[pool], kind="stable")]
    for row in copies:
        low, high = np.searchsorted(source.first[pool], [part.first[row], part.first[row] + 1])
        if low == high:
            continue
        original = int(pool[rng.integers(low, high)])
        part.copy_of[row] = start + original
        part.way[row] = 1 if rng.random() < 0.5 else rng.integers(2, len(WAYS))
        part.place[row] = source.place[original]
        part.share[row] = 0.0


def _mislabel(
    part: Plan, near: NDArray[np.float64], noisy: NDArray[np.float64], troubles: Troubles, rng: np.random.Generator
) -> None:
    """Plant the label errors of one split: some where the picture leans far, the rest by the noisiness of its class."""
    total = _share(len(part), troubles.label_noise)
    by_picture = _share(total, troubles.picture_share)
    single = _single(part)
    chosen = _weighted(single, np.exp(24.0 * part.share[single]), by_picture, rng)
    part.given[chosen] = part.towards[chosen]
    part.by_looks[chosen] = True
    rest = np.flatnonzero((part.first == part.given) & (part.second == UNKNOWN))
    chosen = _weighted(rest, noisy[part.first[rest]], total - by_picture, rng)
    part.given[chosen] = _drawn(near, part.first[chosen], rng)


def _share(n: int, share: float) -> int:
    return round(n * share)


def _drawn(table: NDArray[np.float64], rows: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64]:
    """For each of `rows` a position drawn by the weights in that row of `table`, int64 [len(rows)]."""
    below = np.cumsum(table, axis=1)
    ladder = (below / below[:, -1:] + np.arange(len(table))[:, None]).ravel()
    at = np.searchsorted(ladder, rng.random(len(rows)) + rows, side="right") - rows * table.shape[1]
    return np.asarray(np.clip(at, 0, table.shape[1] - 1), dtype=np.int64)


def _weighted(
    rows: NDArray[np.int64], weight: NDArray[np.float64], n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """`n` of the rows (all, if fewer), without replacement, by weight: those with the shortest exponential waits."""
    waiting = rng.exponential(1.0, len(rows)) / weight
    return rows[np.argsort(waiting, kind="stable")[:n]]
