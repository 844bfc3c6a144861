"""Which images of a set: some splits, some classes, so many a class, chosen by hash; and a dataset folder of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.elsewhere import write_elsewhere
from topfive.dataset.shares import shares
from topfive.records import UNKNOWN, BadInput, ClassList, Dataset, Manifest


@dataclass(frozen=True)
class Selection:
    """None takes all. `classes` are keys; `n_classes` of them (or of all) are chosen by a hash of the key under `seed`,
    of those with images.

    `max_per_class` images of each class in each split are chosen by a hash of the image's id. A set that grows
    exchanges few: each chosen one stays until others with a lower hash come.
    """

    splits: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    n_classes: int | None = None
    max_per_class: int | None = None
    seed: int = 0


class Selected(NamedTuple):
    """`manifest` has the chosen rows in their order, over the chosen classes; `left_out` counts the rest by reason."""

    manifest: Manifest
    left_out: dict[str, int]


def select(dataset: Dataset, wanted: Selection, *, sealed: bool = True) -> Selected:
    """The chosen rows. With `sealed` those of sealed splits may be among them; labels of theirs there are none.

    Raises BadInput for a split or class that the set lacks, for a sealed split asked for by name where none may be
    had, and where nothing is left.
    """
    manifest = dataset.manifest
    splits = manifest.source.column("split").combine_chunks().dictionary_encode()
    code = np.asarray(splits.indices.to_numpy(zero_copy_only=False))
    names: list[str] = splits.dictionary.to_pylist()
    kept = _splits(dataset, wanted, names, sealed)
    in_split = np.isin(code, [names.index(name) for name in kept])
    classes = _classes(dataset, wanted, in_split)
    place = manifest.classes.positions_in(classes)
    known = manifest.class_index != UNKNOWN
    index = np.where(known, place[np.where(known, manifest.class_index, 0)], UNKNOWN).astype(np.int32)
    hidden = np.isin(code, [names.index(name) for name in names if name in dataset.about.get("sealed", {})])
    in_class = index != UNKNOWN
    if len(classes) == len(manifest.classes):
        in_class |= ~known
    chosen = in_split & in_class
    over = _over_the_limit(manifest, wanted, np.flatnonzero(chosen & (index != UNKNOWN)), code, index)
    chosen[over] = False
    left_out = {
        "sealed": int((hidden & ~in_split).sum()),
        "other splits": int((~hidden & ~in_split).sum()),
        "other classes": int((in_split & ~in_class).sum()),
        "over the limit": len(over),
    }
    if not chosen.any():
        lost = ", ".join(f"{n:,} {reason}" for reason, n in left_out.items() if n)
        raise BadInput(f"no image is left ({lost})", where=dataset.root, fix="Choose less narrowly")
    rows = manifest if chosen.all() else manifest.take(np.flatnonzero(chosen))
    rows = Manifest(rows.source, classes).with_column("class_index", index[chosen])
    return Selected(rows, {reason: n for reason, n in left_out.items() if n})


def write_subset(dataset: Dataset, out: Path, wanted: Selection) -> tuple[Dataset, dict[str, int]]:
    """Write the new folder `out` about the chosen images, which stay where they lie; and say what was left out."""
    chosen = select(dataset, wanted)
    told: dict[str, Any] = {"subset": {"of": dataset.manifest.digest, "seed": wanted.seed}}
    return write_elsewhere(dataset, chosen.manifest, out, told), chosen.left_out


def _splits(dataset: Dataset, wanted: Selection, names: list[str], sealed: bool) -> list[str]:
    closed = [] if sealed else [name for name in names if name in dataset.about.get("sealed", {})]
    if wanted.splits is None:
        return [name for name in names if name not in closed]
    for name in wanted.splits:
        if name not in names:
            shown = ", ".join(f"{one} ({n:,})" for one, n in dataset.manifest.splits().items())
            raise BadInput(f"has no images in split {name!r}", where=dataset.root, fix=f"Splits: {shown}")
        if name in closed:
            raise BadInput(f"split {name!r} is sealed: its labels are hidden", where=dataset.root, fix="Leave it out")
    return list(wanted.splits)


def _classes(dataset: Dataset, wanted: Selection, in_split: NDArray[np.bool_]) -> ClassList:
    """The chosen classes in the set's order; so many of them are drawn from those with an image in the splits."""
    classes = dataset.classes
    keys = set(classes.wnids if wanted.classes is None else wanted.classes)
    unknown = sorted(keys - set(classes.wnids))
    if unknown:
        raise BadInput(f"has no class {unknown[0]!r}", where=dataset.root, fix="`classes.tsv` there lists its classes")
    rows = [row for row, key in enumerate(classes.wnids) if key in keys]
    if wanted.n_classes is not None:
        index = dataset.manifest.class_index[in_split]
        have = np.bincount(index[index != UNKNOWN], minlength=len(classes)) > 0
        rows = [row for row in rows if have[row]]
        if not 1 <= wanted.n_classes <= len(rows):
            raise BadInput(
                f"{wanted.n_classes} of {len(rows)} classes with images cannot be chosen",
                where="n_classes",
                fix="Ask for fewer",
            )
        drawn = shares([classes.wnids[row] for row in rows], f"topfive classes {wanted.seed}")
        rows = sorted(rows[at] for at in np.argsort(drawn, kind="stable")[: wanted.n_classes].tolist())
    return ClassList(tuple(classes.wnids[row] for row in rows), tuple(classes.names[row] for row in rows))


def _over_the_limit(
    manifest: Manifest,
    wanted: Selection,
    rows: NDArray[np.int64],
    split: NDArray[np.int32],
    index: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Those of `rows` that are too many for their class in their split."""
    if wanted.max_per_class is None:
        return rows[:0]
    if wanted.max_per_class < 1:
        raise BadInput(f"{wanted.max_per_class} images a class are none", where="max_per_class", fix="Give 1 or more")
    ids = manifest.source.column("image_id")
    drawn = shares((image_id.as_py() for image_id in ids), f"topfive images {wanted.seed}")[rows]
    cell = split[rows].astype(np.int64) * (int(index.max(initial=0)) + 1) + index[rows]
    order = np.lexsort((drawn, cell))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(cell[order]) != 0])) if len(rows) else rows[:0]
    sizes = np.diff(np.append(starts, len(rows)))
    rank = np.arange(len(rows)) - np.repeat(starts, sizes)
    return rows[order[rank >= wanted.max_per_class]]
