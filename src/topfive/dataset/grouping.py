"""Grouping: pictures that were found to be one, joined into groups with names, of which one picture can be kept.

All is said in places: rows sorted by split (train, val, test) and id, so that groups, their names and what is kept do
not depend on the order of a manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.records import SPLITS, Dataset, Manifest

Ints = NDArray[np.int64]


class Link(NamedTuple):
    """Two places that hold one picture: how that was found, and their distance."""

    a: int
    b: int
    how: str
    distance: float


def canonical(manifest: Manifest) -> Ints:
    """The row of each place, int64 [n]."""
    ids = pa.table({"split": split_ranks(manifest), "image_id": manifest.table["image_id"]})
    keys = [("split", "ascending"), ("image_id", "ascending")]
    return np.asarray(pc.sort_indices(ids, sort_keys=keys).to_numpy(), dtype=np.int64)


def split_ranks(manifest: Manifest) -> Ints:
    """0 for train, 1 for val, 2 for test, 3 for any other, row by row."""
    rank = {name: at for at, name in enumerate(SPLITS)}
    return np.array([rank.get(name, len(rank)) for name in manifest.column("split")], dtype=np.int64)


def fixed_names(manifest: Manifest, known: Dataset | None) -> dict[int, str]:
    """Row to the name of its group, for rows that have one for good: those of `known` with the same bytes.

    Without `known`, those that share a group already.
    """
    if known is not None:
        columns = (known.manifest.column(name) for name in ("group", "sha256"))
        before = {one: facts for one, *facts in zip(known.manifest.ids, *columns, strict=True)}
        found = {}
        for row, (one, digest) in enumerate(zip(manifest.ids, manifest.column("sha256"), strict=True)):
            group, was = before.get(one, (None, ""))
            if group is not None and (digest == was or not digest or not was):
                found[row] = group or one
        return found
    names, counts = np.unique(manifest.column("group").astype(str), return_counts=True)
    together = set(names[counts > 1].tolist()) - {""}
    return {row: name for row, name in enumerate(manifest.column("group")) if name in together}


def joined(n: int, links: Sequence[Link], names: Mapping[int, str]) -> tuple[Ints, list[Link], list[Link]]:
    """Root of each place (its group's first) after joining the links, nearest first; those used, and those that would
    have joined two named groups."""
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
    for place, name in names.items():
        name_of[place] = name
        if first.setdefault(name, place) != place:
            join(first[name], place)
    used: list[Link] = []
    bridged: list[Link] = []
    for link in sorted(links, key=lambda link: (link.distance, link.a, link.b)):
        (used if join(link.a, link.b) else bridged).append(link)
    return np.array([find(place) for place in range(n)], dtype=np.int64), used, bridged


def members(root: Ints) -> list[Ints]:
    """The places of each group of two or more."""
    order = np.argsort(root, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(root[order])) + 1)
    return [part for part in parts if len(part) > 1]


def kept(root: Ints, ranks: Ints, areas: Ints) -> NDArray[np.bool_]:
    """One place a group: a picture of test stays and its copy in train goes, so that no score is of a seen picture.

    `ranks` of splits and `areas` in pixels (0: unknown) by place. Of one split the largest stays, of those the first.
    """
    first = np.lexsort((np.arange(len(root)), -areas, -np.where(ranks < len(SPLITS), ranks, -1), root))
    keep = np.zeros(len(root), dtype=np.bool_)
    keep[first[np.r_[True, np.diff(root[first]) > 0]]] = True
    return keep
