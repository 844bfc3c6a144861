"""Dedupe: find pictures that stand in a set more than once, keep each such group together, or keep one of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.elsewhere import write_elsewhere
from topfive.dataset.embeddings import Embedding, Halves, candidates, embeddings, keep_embeddings
from topfive.dataset.fingerprints import Fingerprints, fingerprints, keep_fingerprints
from topfive.dataset.grouping import Link, canonical, fixed_names, joined, kept, members, split_ranks
from topfive.records import UNKNOWN, Dataset, Manifest, Progress, silent

MOST = 8.0
"""The greatest distance of near duplicates. Copies at half to twice the size in JPEG's quality 30 to 95 came to at most
2.3 on 500 photographs of ImageNet's size, and to less in 99.6 % of 2,000 of 64 px (two copies each, none wrong)."""
_SHOWN = 100
_WAYS = ("bytes", "pixels", "near", "crop", "mirror")


class Pair(NamedTuple):
    """Two pictures found to be one, of several joined each named once. `how` is `bytes`, `pixels`, `near`, `crop` (a
    part of `copy_of`) or `mirror` (of it or of a part)."""

    image_id: str
    copy_of: str
    how: str
    distance: float


class Conflict(NamedTuple):
    """A group whose pictures have different labels: its name, their ids, and the wnid of each (None: no label)."""

    group: str
    image_ids: tuple[str, ...]
    wnids: tuple[str | None, ...]


@dataclass(frozen=True)
class Duplicates:
    """What was found. `group` [n] names each row's group, stable as the set grows; `pairs` link each group together.

    `n_across_splits` counts groups that lie in more than one split, `conflicts` are those whose labels differ. `keep`
    bool [n] leaves one picture a group: of test before val before train, then the largest, then the first by id.
    `unread` are the ids of pictures that do not decode; `bridged` those pairs that would have joined two groups that
    were fixed before; `prints` what all was compared by, `seen` the rows of embeddings, their network and values.
    """

    dataset: Dataset
    group: tuple[str, ...]
    keep: NDArray[np.bool_]
    pairs: tuple[Pair, ...]
    n_groups: int
    n_across_splits: int
    conflicts: tuple[Conflict, ...]
    unread: tuple[str, ...]
    bridged: tuple[Pair, ...]
    prints: Fingerprints
    seen: tuple[NDArray[np.int64], str, Halves] | None = None

    def to_json(self) -> dict[str, Any]:
        """Counts, and the first 100 pairs and groups of unlike labels."""
        ways = Counter(pair.how for pair in self.pairs)
        return {
            "n_images": len(self.group),
            "n_duplicates": int(np.count_nonzero(~self.keep)),
            "n_groups": self.n_groups,
            **{f"n_{how}": ways[how] for how in _WAYS},
            "n_across_splits": self.n_across_splits,
            "n_label_conflicts": len(self.conflicts),
            "n_unread": len(self.unread),
            "unread": list(self.unread[:_SHOWN]),
            "n_bridged": len(self.bridged),
            "pairs": [pair._asdict() for pair in self.pairs[:_SHOWN]],
            "label_conflicts": [conflict._asdict() for conflict in self.conflicts[:_SHOWN]],
        }

    def n_dropped(self) -> dict[str, int]:
        """What a set without copies loses of each split."""
        splits = self.dataset.manifest.column("split")[~self.keep]
        names, counts = np.unique(splits.astype(str), return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))


def dedupe(
    dataset: Dataset,
    *,
    near: bool = True,
    embedding: Embedding | None = None,
    known: Dataset | None = None,
    workers: int = 2,
    cluster: str = "",
    progress: Progress = silent,
) -> Duplicates:
    """Find exact duplicates (same bytes, same pixels) and near ones (other compression or size), in and across splits.

    With `embedding` also mirrored copies and parts of at least 0.4 of the area. `known` is the set as it was before it
    grew: its fingerprints and embeddings are used again and its groups keep their names and members. Raises BadInput
    where a container cannot be read.
    """
    manifest = dataset.manifest
    before = None if known is None else known.root
    prints = fingerprints(dataset, known=before, workers=workers, cluster=cluster, progress=progress)
    order = canonical(manifest)
    place = np.argsort(order)
    names = {int(place[row]): name for row, name in fixed_names(manifest, known).items()}
    links = _exact(manifest, prints, order)
    alone = prints.known[order]
    alone[[link.b for link in links]] = False
    if near:
        links += _near(prints, order, alone, links, names)
    seen = None
    if embedding is not None:
        rows = order[alone]
        values = embeddings(dataset, rows, embedding, known=before, progress=progress)
        seen = rows, embedding.name, values
        new = np.array([known is None or spot not in names for spot in np.flatnonzero(alone)], dtype=np.bool_)
        pairs = candidates(values, np.flatnonzero(new), embedding, progress)
        links += _confirmed(dataset, prints, order, np.flatnonzero(alone)[pairs], links, workers, progress)
    return _told(dataset, prints, order, joined(len(order), links, names), names, seen)


def write_deduped(found: Duplicates, out: Path, *, drop: bool) -> Dataset:
    """Write the set with its groups into the new folder `out`; with `drop` only one picture of each group.

    Pictures stay where they lie; their fingerprints and embeddings are copied, so that the set can be the `known` one
    of a larger. Raises BadInput where `out` is there already.
    """
    manifest = found.dataset.manifest.with_column("group", list(found.group))
    rows = np.flatnonzero(found.keep) if drop else np.arange(len(manifest))
    made = write_elsewhere(found.dataset, manifest.take(found.keep) if drop else manifest, Path(out), {})
    keep_fingerprints(made, found.prints.take(rows))
    if found.seen is not None:
        of, name, values = found.seen
        left = found.keep[of] if drop else np.ones(len(of), dtype=np.bool_)
        keep_embeddings(made, name, np.searchsorted(rows, of[left]), values[left])
    return made


def _exact(manifest: Manifest, prints: Fingerprints, order: NDArray[np.int64]) -> list[Link]:
    """Each place beside the first with the same bytes, else the first with the same pixels."""
    digests = manifest.column("sha256")
    found: list[Link] = []
    by_bytes: dict[str, int] = {}
    by_pixels: dict[bytes, int] = {}
    for place, row in enumerate(order):
        first = by_bytes.setdefault(digests[row], place) if digests[row] else place
        if first != place:
            found.append(Link(first, place, "bytes", 0.0))
        elif prints.known[row]:
            first = by_pixels.setdefault(prints.pixels[row].tobytes(), place)
            if first != place:
                found.append(Link(first, place, "pixels", 0.0))
    return found


def _near(
    prints: Fingerprints,
    order: NDArray[np.int64],
    alone: NDArray[np.bool_],
    exact: list[Link],
    names: Mapping[int, str],
) -> list[Link]:
    """Links of near duplicates: as few as join them, but all of them where they could join two named groups, so that
    the nearest ones decide which a new picture joins."""
    from topfive.dataset.near import components, distance, even, near_pairs

    places = np.flatnonzero(alone & ~even(prints.thumb)[order])
    hashes, thumbs = prints.hash[order[places]], prints.thumb[order[places]]
    root, links = components(hashes, thumbs, most=MOST)
    first = {link.b: link.a for link in exact}
    held: dict[int, set[str]] = {}
    for place, name in names.items():
        at = int(np.searchsorted(places, first.get(place, place)))
        if at < len(places) and places[at] == first.get(place, place):
            held.setdefault(int(root[at]), set()).add(name)
    contested = [one for one, several in held.items() if len(several) > 1]
    if contested:
        links = links[~np.isin(root[links[:, 0]], contested)]
        for one in contested:
            inside = np.flatnonzero(root == one)
            links = np.concatenate([links, inside[near_pairs(hashes[inside], thumbs[inside], most=MOST)]])
    far = (round(distance(thumbs[a], thumbs[b]), 2) for a, b in links)
    return [Link(int(a), int(b), "near", one) for (a, b), one in zip(places[links], far, strict=True)]


def _confirmed(
    dataset: Dataset,
    prints: Fingerprints,
    order: NDArray[np.int64],
    pairs: NDArray[np.int64],
    links: list[Link],
    workers: int,
    progress: Progress,
) -> list[Link]:
    """Those pairs of places that the links do not join, and whose pictures are copies in part or mirrored."""
    from topfive.dataset.crops import confirmed

    root, _, _ = joined(len(order), links, {})
    pairs = pairs[root[pairs[:, 0]] != root[pairs[:, 1]]]
    place = np.argsort(order)
    found = confirmed(dataset, prints, order[pairs], most=MOST, workers=workers, progress=progress)
    return [Link(int(place[one.whole]), int(place[one.part]), one.how, one.distance) for one in found]


def _told(
    dataset: Dataset,
    prints: Fingerprints,
    order: NDArray[np.int64],
    grouped: tuple[NDArray[np.int64], list[Link], list[Link]],
    names: Mapping[int, str],
    seen: tuple[NDArray[np.int64], str, Halves] | None,
) -> Duplicates:
    manifest = dataset.manifest
    root, used, bridged = grouped
    place = np.argsort(order)
    ids, split, label = manifest.ids, manifest.column("split"), manifest.class_index
    fixed = {int(root[at]): name for at, name in names.items()}
    name_of = {one: fixed.get(one, ids[order[one]]) for one in np.unique(root).tolist()}
    every = [order[places] for places in members(root)]
    areas = manifest.column("width").astype(np.int64) * manifest.column("height").astype(np.int64)
    wnids = manifest.classes.wnids
    unlike = [rows for rows in every if len({int(label[row]) for row in rows} - {UNKNOWN}) > 1]
    return Duplicates(
        dataset,
        tuple(name_of[one] for one in root[place].tolist()),
        kept(root, split_ranks(manifest)[order], areas[order])[place],
        tuple(Pair(ids[order[b]], ids[order[a]], how, far) for a, b, how, far in used),
        len(every),
        sum(len({split[row] for row in rows}) > 1 for rows in every),
        tuple(
            Conflict(
                name_of[int(root[place[rows[0]]])],
                tuple(ids[row] for row in rows),
                tuple(None if label[row] == UNKNOWN else wnids[label[row]] for row in rows),
            )
            for rows in unlike
        ),
        tuple(ids[row] for row in np.flatnonzero(~prints.known)),
        tuple(Pair(ids[order[b]], ids[order[a]], how, far) for a, b, how, far in bridged),
        prints,
        seen,
    )
