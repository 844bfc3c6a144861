"""Split: images to train, val and test by a hash of their group, so that near-duplicates stay together and growth moves
nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.dataset.elsewhere import write_elsewhere
from topfive.dataset.shares import shares
from topfive.records import SPLITS, BadInput, Dataset, Manifest, Progress, silent, text_keys


@dataclass(frozen=True)
class SplitRule:
    """Which share goes to `val` and to `test`, by a hash of the column `by` under `seed`.

    `of` names the one split whose images are divided (those of others stay); `again` divides the images of all.
    """

    val: float = 0.1
    test: float = 0.1
    seed: int = 0
    by: str = "group"
    of: str | None = None
    again: bool = False

    def check(self) -> None:
        """Raise BadInput for shares that are none, or two ways to say what is divided."""
        for name in ("val", "test"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BadInput(f"{getattr(self, name)} is no share", where=name, fix="Give a number from 0 to 1")
        if self.val + self.test > 1.0:
            raise BadInput(f"val and test take {self.val + self.test:g} of the images", where="test", fix="At most 1")
        if self.of is not None and self.again:
            raise BadInput("one split is divided, or all are", where="of", fix="Give --of or --again, not both")


@dataclass(frozen=True)
class ClassCounts:
    """Images a class in one split: the fewest, the median, the most, and how many classes have none."""

    fewest: int
    median: float
    most: int
    n_without: int


@dataclass(frozen=True)
class SplitReport:
    """The counts that came about: shares are met on average, so they are stated and not promised.

    `n_moved` images are in another split than before; `n_cut` groups lie in more than one split (none when `by` is
    `group`, but for groups that the official splits cut).
    """

    folder: Path
    n_images: int
    n_moved: int
    n_cut: int
    splits: dict[str, int]
    classes: dict[str, ClassCounts]

    def to_json(self) -> dict[str, Any]:
        """The fields without the folder."""
        return {
            "n_images": self.n_images,
            "n_moved": self.n_moved,
            "n_groups_cut": self.n_cut,
            "splits": self.splits,
            "per_class": {name: asdict(counts) for name, counts in self.classes.items()},
        }


def divide(dataset: Dataset, out: Path, rule: SplitRule, progress: Progress = silent) -> SplitReport:
    """Write the set with new splits into the new folder `out`; pictures stay where they lie.

    A set that has splits of its own is divided where `rule` says which, and a sealed split never. Raises BadInput.
    """
    rule.check()
    manifest = dataset.manifest
    divided = _divided(dataset, rule)
    columns = manifest.source.column_names
    if rule.by not in columns:
        raise BadInput(f"has no column {rule.by!r}", where=dataset.root, fix=f"Columns: {', '.join(columns)}")
    names = list(dict.fromkeys((*SPLITS, *manifest.splits())))
    before, after = _assigned(manifest, rule, divided, names, progress)
    coded = pa.DictionaryArray.from_arrays(pa.array(after), pa.array(names, type=pa.string()))
    told = {"split": {name: getattr(rule, name) for name in ("val", "test", "seed", "by")} | {"of": sorted(divided)}}
    made = write_elsewhere(dataset, manifest.with_column("split", coded), out, told)
    n_classes = len(manifest.classes)
    known = manifest.class_index >= 0
    cells = after[known].astype(np.int64) * n_classes + manifest.class_index[known]
    counts = np.bincount(cells, minlength=len(names) * n_classes).reshape(len(names), n_classes)
    splits = made.manifest.splits()
    return SplitReport(
        out,
        len(manifest),
        int((before != after).sum()),
        _n_cut(manifest, after),
        splits,
        {name: _class_counts(counts[names.index(name)]) for name in splits if counts[names.index(name)].any()},
    )


def _divided(dataset: Dataset, rule: SplitRule) -> set[str]:
    """The splits whose images are divided."""
    have, sealed = dataset.manifest.splits(), set(dataset.about.get("sealed", {}))
    shown = ", ".join(f"{name} ({n:,})" for name, n in have.items())
    if rule.of is not None:
        if rule.of not in have:
            raise BadInput(f"has no images in split {rule.of!r}", where=dataset.root, fix=f"Splits: {shown}")
        if rule.of in sealed:
            raise BadInput(f"split {rule.of!r} is sealed", where=dataset.root, fix="Divide another one")
        return {rule.of}
    free = set(have) - sealed
    if len(have) > 1 and not rule.again:
        raise BadInput(
            f"has splits of its own: {shown}",
            where=dataset.root,
            fix="Divide one of them with --of NAME, or all of them anew with --again",
        )
    if not free:
        raise BadInput("has no split that is not sealed", where=dataset.root, fix="Divide the set before sealing it")
    return free


def _assigned(
    manifest: Manifest, rule: SplitRule, divided: set[str], names: list[str], progress: Progress
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """The split of each row before and after, int8 [n] into `names`."""
    before = np.empty(len(manifest), dtype=np.int8)
    after = np.empty(len(manifest), dtype=np.int8)
    free = np.array([name in divided for name in names])
    train, val, test = (names.index(name) for name in SPLITS)
    start = 0
    progress("splitting", 0, len(manifest), "images")
    for rows in manifest.batches(list(dict.fromkeys(("image_id", "split", rule.by)))):
        place = slice(start, start + len(rows))
        old = pc.index_in(rows["split"], value_set=pa.array(names, type=pa.string())).to_numpy().astype(np.int8)
        before[place] = after[place] = old
        mine = np.flatnonzero(free[old])
        drawn = shares(_names(rows.take(pa.array(mine)), rule.by), f"topfive split {rule.seed}")
        # From both ends: a larger share of val takes images from train only, and so does one of test.
        new = np.where(drawn < rule.test, test, np.where(drawn >= 1.0 - rule.val, val, train))
        after[start + mine] = new
        start += len(rows)
        progress("splitting", start, len(manifest), "images")
    return before, after


def _names(rows: pa.Table, by: str) -> list[str]:
    """What is hashed: the value of `by`, or the image's id where it has none."""
    values = rows[by].cast(pa.string())
    empty = pc.fill_null(pc.equal(values, ""), True)
    found: list[str] = pc.if_else(empty, rows["image_id"], values).to_pylist()
    return found


def _n_cut(manifest: Manifest, after: NDArray[np.int8]) -> int:
    """Groups with images in more than one split."""
    parts = [text_keys(rows.column("group")) for rows in manifest.batches(["group"])]
    keys = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    order = np.argsort(keys)
    keys, after = keys[order], after[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)
    if len(starts) == 0:
        return 0
    alike = np.minimum.reduceat(after, starts) == np.maximum.reduceat(after, starts)
    named = keys[starts] != text_keys(pa.array([""]))[0]
    return int((~alike & named).sum())


def _class_counts(counts: NDArray[np.int64]) -> ClassCounts:
    return ClassCounts(int(counts.min()), float(np.median(counts)), int(counts.max()), int((counts == 0).sum()))
