"""Dedupe: find pictures that stand in a set more than once, keep each such group together, or keep one of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.elsewhere import write_elsewhere
from topfive.dataset.fingerprints import Fingerprints, fingerprints, keep_fingerprints
from topfive.records import SPLITS, UNKNOWN, Dataset, Manifest, Progress, silent

MOST = 8.0
"""The greatest distance of near duplicates. Copies at half to twice the size in JPEG's quality 30 to 95 came to at most
2.3 on 500 photographs of ImageNet's size, and to less in 99.6 % of 2,000 of 64 px (two copies each, none wrong)."""
_SHOWN = 100


class Pair(NamedTuple):
    """Two pictures found to be one: `how` is `bytes`, `pixels` or `near`; of several joined, each is named once."""

    image_id: str
    copy_of: str
    how: str
    distance: float


@dataclass(frozen=True)
class Duplicates:
    """What was found. `group` [n] names each row's group, stable as the set grows; `pairs` link each group together.

    `n_across_splits` counts groups that lie in more than one split, `n_conflicts` those whose labels differ.
    `keep` bool [n] leaves one picture a group: of test before val before train, then the first. `unread` are the ids of
    pictures that do not decode; `bridged` those pairs that would have joined two groups that were fixed before;
    `prints` what all was compared by.
    """

    dataset: Dataset
    group: tuple[str, ...]
    keep: NDArray[np.bool_]
    pairs: tuple[Pair, ...]
    n_groups: int
    n_across_splits: int
    n_conflicts: int
    unread: tuple[str, ...]
    bridged: tuple[Pair, ...]
    prints: Fingerprints

    def to_json(self) -> dict[str, Any]:
        """Counts, and the first 100 pairs."""
        counts = {f"n_{how}": sum(pair.how == how for pair in self.pairs) for how in ("bytes", "pixels", "near")}
        return {
            "n_images": len(self.group),
            "n_duplicates": int(np.count_nonzero(~self.keep)),
            "n_groups": self.n_groups,
            **counts,
            "n_across_splits": self.n_across_splits,
            "n_label_conflicts": self.n_conflicts,
            "n_unread": len(self.unread),
            "unread": list(self.unread[:_SHOWN]),
            "n_bridged": len(self.bridged),
            "pairs": [pair._asdict() for pair in self.pairs[:_SHOWN]],
        }


def dedupe(
    dataset: Dataset,
    *,
    near: bool = True,
    most: float = MOST,
    known: Dataset | None = None,
    workers: int = 2,
    cluster: str = "",
    progress: Progress = silent,
) -> Duplicates:
    """Find exact duplicates (same bytes, same pixels) and near ones (other compression or size), in and across splits.

    `known` is the set as it was before it grew: its fingerprints are used again and its groups keep their names and
    members. Mirrored and cropped copies are not looked for. Raises BadInput where a container cannot be read.
    """
    manifest = dataset.manifest
    before = None if known is None else known.root
    prints = fingerprints(dataset, known=before, workers=workers, cluster=cluster, progress=progress)
    pairs = _exact(manifest, prints)
    if near:
        pairs += _near(manifest, prints, pairs, most)
    names = _fixed_names(manifest, known)
    root, used, bridged = _joined(len(manifest), pairs, names)
    group = _group_names(manifest.ids, root, names)
    ids = manifest.ids
    members = _members(root)
    keep = _kept(manifest, root)
    split, label = manifest.column("split"), manifest.class_index
    return Duplicates(
        dataset,
        group,
        keep,
        tuple(Pair(ids[b], ids[a], how, far) for a, b, how, far in used),
        len(members),
        sum(len({split[row] for row in rows}) > 1 for rows in members),
        sum(len({int(label[row]) for row in rows} - {UNKNOWN}) > 1 for rows in members),
        tuple(ids[row] for row in np.flatnonzero(~prints.known)),
        tuple(Pair(ids[b], ids[a], how, far) for a, b, how, far in bridged),
        prints,
    )


def write_deduped(found: Duplicates, out: Path, *, drop: bool) -> Dataset:
    """Write the set with its groups into the new folder `out`; with `drop` only one picture of each group.

    Pictures stay where they lie; their fingerprints are copied, so that the set can be the `known` one of a larger.
    Raises BadInput where `out` is there already.
    """
    manifest = found.dataset.manifest.with_column("group", list(found.group))
    rows = np.flatnonzero(found.keep) if drop else np.arange(len(manifest))
    made = write_elsewhere(found.dataset, manifest.take(found.keep) if drop else manifest, Path(out), {})
    keep_fingerprints(made, found.prints.take(rows))
    return made


Link = tuple[int, int, str, float]
"""Two rows, how they were found, and their distance."""


def _exact(manifest: Manifest, prints: Fingerprints) -> list[Link]:
    """Each row beside the first with the same bytes, else the first with the same pixels."""
    digests = manifest.column("sha256")
    found: list[Link] = []
    by_bytes: dict[str, int] = {}
    by_pixels: dict[bytes, int] = {}
    for row in range(len(manifest)):
        first = by_bytes.setdefault(digests[row], row) if digests[row] else row
        if first != row:
            found.append((first, row, "bytes", 0.0))
        elif prints.known[row]:
            first = by_pixels.setdefault(prints.pixels[row].tobytes(), row)
            if first != row:
                found.append((first, row, "pixels", 0.0))
    return found


def _near(manifest: Manifest, prints: Fingerprints, exact: list[Link], most: float) -> list[Link]:
    from topfive.dataset.near import components, distance

    alone = prints.known.copy()
    alone[[second for _, second, _, _ in exact]] = False
    rows = np.flatnonzero(alone)
    _, links = components(prints.hash[rows], prints.thumb[rows], most=most)
    return [(int(a), int(b), "near", round(distance(prints.thumb[a], prints.thumb[b]), 2)) for a, b in rows[links]]


def _fixed_names(manifest: Manifest, known: Dataset | None) -> Mapping[int, str]:
    """Row to the name of its group, for rows that have one for good: those of `known`, else those not alone in it."""
    if known is not None:
        before = dict(zip(known.manifest.ids, known.manifest.column("group"), strict=True))
        return {row: before[one] or one for row, one in enumerate(manifest.ids) if one in before}
    names, counts = np.unique(manifest.column("group").astype(str), return_counts=True)
    together = set(names[counts > 1].tolist()) - {""}
    return {row: name for row, name in enumerate(manifest.column("group")) if name in together}


def _joined(n: int, pairs: list[Link], names: Mapping[int, str]) -> tuple[NDArray[np.int64], list[Link], list[Link]]:
    """Root of each row after joining the pairs, those used, and those that would join two named groups."""
    root = list(range(n))
    name_of: dict[int, str] = {}

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    def join(a: int, b: int) -> bool:
        a, b = find(a), find(b)
        if a != b and name_of.get(a, name_of.get(b)) != name_of.get(b, name_of.get(a)):
            return False
        low, high = min(a, b), max(a, b)
        root[high] = low
        if high in name_of:
            name_of.setdefault(low, name_of[high])
        return True

    first: dict[str, int] = {}
    for row, name in names.items():
        name_of[row] = name
        if first.setdefault(name, row) != row:
            join(first[name], row)
    used: list[Link] = []
    bridged: list[Link] = []
    for link in sorted(pairs, key=lambda link: (link[3], link[0], link[1])):
        (used if join(link[0], link[1]) else bridged).append(link)
    return np.array([find(row) for row in range(n)], dtype=np.int64), used, bridged


def _group_names(ids: tuple[str, ...], root: NDArray[np.int64], names: Mapping[int, str]) -> tuple[str, ...]:
    fixed = {int(root[row]): name for row, name in names.items()}
    return tuple(fixed.get(int(one), ids[int(one)]) for one in root)


def _members(root: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The rows of each group of two or more."""
    order = np.argsort(root, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(root[order])) + 1)
    return [part for part in parts if len(part) > 1]


def _kept(manifest: Manifest, root: NDArray[np.int64]) -> NDArray[np.bool_]:
    """One row a group: a picture of test stays and its copy in train goes, so that no score is of a seen picture."""
    order = {name: place for place, name in enumerate(reversed(SPLITS))}
    rank = np.array([order.get(name, len(order)) for name in manifest.column("split")])
    first = np.lexsort((np.arange(len(root)), rank, root))
    keep = np.zeros(len(root), dtype=np.bool_)
    keep[first[np.r_[True, np.diff(root[first]) > 0]]] = True
    return keep
