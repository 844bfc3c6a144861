"""Describe: a datasheet of an image set from its manifest alone, in memory that does not grow with the texts in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.dataset.balance import balance
from topfive.records import (
    COLUMNS,
    UNKNOWN,
    Copies,
    Dataset,
    Datasheet,
    Doubt,
    Manifest,
    Progress,
    Shares,
    SplitFacts,
    Spread,
    ValueCount,
    silent,
    text_keys,
)

_SHOWN = 20
"""Values of a text that are named; the rest are one number."""
_MOST_VALUES, _MOST_SHARE = 10_000, 0.9
"""More different values than this, or than this share of the images with one, are ids or paths: not counted."""
_FEW = 20
"""Images of a set too small for that share to say anything."""
_BINS = 40
_SUFFIX = re.compile(r".*\.([A-Za-z]+)$")


def describe(dataset: Dataset, progress: Progress = silent) -> Datasheet:
    """Counts, balance, sizes, origins, user columns, copies and doubts of a set; no picture is read."""
    manifest = dataset.manifest
    user = [name for name in manifest.source.column_names if name not in COLUMNS]
    steps = ["splits", "sizes", "origins", *user, "copies"]

    def say(step: str) -> None:
        progress("describing", steps.index(step), len(steps), "columns")

    say("splits")
    names = list(manifest.splits())
    code = _split_codes(manifest, names)
    counts = _class_counts(manifest, code, len(names))
    sealed = set(dataset.about.get("sealed", {}))
    splits = tuple(_split(name, code == i, manifest, counts[i], name in sealed) for i, name in enumerate(names))
    say("sizes")
    sizes = tuple(_spread(title, _numbers(manifest, name)) for title, name in _SIZES.items())
    n_bytes = int(manifest.source.column("size").to_numpy().sum())
    say("origins")
    origins = tuple(_shares(title, *_counted(manifest, name, made)) for title, name, made in _origins(manifest))
    containers = _counted(manifest, "container", None)[0]
    columns: list[Shares | Spread] = []
    for name in user:
        say(name)
        columns.append(_column(manifest, name))
    say("copies")
    copies = _copies(manifest, code)
    progress("describing", len(steps), len(steps), "columns")
    return Datasheet(
        name=dataset.name,
        description=str(dataset.about.get("description", "")),
        digest=manifest.digest,
        n_images=len(manifest),
        n_bytes=n_bytes,
        n_containers=None if containers is None else len(containers),
        classes=manifest.classes,
        class_counts=counts,
        balance=balance(counts.sum(axis=0)),
        splits=splits,
        sizes=sizes,
        origins=origins,
        columns=tuple(columns),
        copies=copies,
        doubts=_doubts(manifest, splits, sizes, origins, copies),
    )


_SIZES = {"width, px": "width", "height, px": "height", "file, bytes": "size"}


def _split_codes(manifest: Manifest, names: list[str]) -> NDArray[np.int8]:
    values = pa.array(names, type=pa.string())
    parts = [
        pc.index_in(rows.column("split"), value_set=values).to_numpy().astype(np.int8)
        for rows in manifest.batches(["split"])
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int8)


def _class_counts(manifest: Manifest, code: NDArray[np.int8], n_splits: int) -> NDArray[np.int64]:
    known = manifest.class_index != UNKNOWN
    n_classes = len(manifest.classes)
    cells = code[known].astype(np.int64) * n_classes + manifest.class_index[known]
    return np.bincount(cells, minlength=n_splits * n_classes).reshape(n_splits, n_classes)


def _split(
    name: str, mine: NDArray[np.bool_], manifest: Manifest, counts: NDArray[np.int64], sealed: bool
) -> SplitFacts:
    n_unlabelled = int((manifest.class_index[mine] == UNKNOWN).sum())
    return SplitFacts(name, int(mine.sum()), n_unlabelled, sealed, balance(counts))


def _numbers(manifest: Manifest, name: str) -> tuple[NDArray[np.float64], int]:
    """The values that are there, float64, and how many are not; 0 stands for a size not read yet."""
    column = manifest.source.column(name)
    values = column.drop_null().to_numpy()
    if name in COLUMNS:
        values = values[values > 0]
    values = values.astype(np.float64)
    values = values[np.isfinite(values)]
    return values, len(column) - len(values)


def _spread(title: str, numbers: tuple[NDArray[np.float64], int]) -> Spread:
    values, n_missing = numbers
    if len(values) == 0:
        return Spread(title, 0, n_missing, 0.0, 0.0, 0.0, 0.0, 0.0, (), ())
    least, low, median, high, most = np.quantile(values, (0.0, 0.05, 0.5, 0.95, 1.0)).tolist()
    if least == most:
        edges = np.array([least, least + 1.0])
    elif most - least < _BINS and not np.mod(values, 1).any():
        edges = np.arange(least, most + 2.0)  # a bin a value: fewer whole numbers than bins would make a comb
    elif least > 0 and most / least > 4:
        edges = np.geomspace(least, most, _BINS + 1)
        edges[[0, -1]] = least, most
    else:
        edges = np.linspace(least, most, _BINS + 1)
    counts, _ = np.histogram(values, edges)
    return Spread(
        title, len(values), n_missing, least, low, median, high, most, tuple(edges.tolist()), tuple(counts.tolist())
    )


class _Origin(NamedTuple):
    title: str
    column: str
    made: Callable[[pa.ChunkedArray], pa.ChunkedArray] | None


def _origins(manifest: Manifest) -> list[_Origin]:
    """Licence, source and format; a format that no column says is read off file names."""
    found = [_Origin("licence", "licence", None), _Origin("source", "source", None)]
    if "format" not in manifest.source.column_names:
        found.append(_Origin("format, by file name", "source", _ends))
    return found


def _ends(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The last characters, in which a suffix lies: few differ, so that they are quickly counted."""
    return pc.utf8_slice_codeunits(column, -5)


def _counted(
    manifest: Manifest, name: str, made: Callable[[pa.ChunkedArray], pa.ChunkedArray] | None
) -> tuple[Counter[str] | None, int]:
    """How often each value stands (None: too many values), and how many rows have none."""
    found: Counter[str] | None = Counter()
    n_missing = 0
    for rows in manifest.batches([name]):
        column = rows.column(name).cast(pa.string())
        empty = pc.fill_null(pc.equal(column, ""), True)
        n_missing += int(pc.sum(empty).as_py() or 0)
        if found is None:
            continue
        column = column.filter(pc.invert(empty))
        for one in pc.value_counts(made(column) if made else column).to_pylist():
            found[str(one["values"])] += one["counts"]
        if len(found) > _MOST_VALUES:
            found = None
    if made is None or found is None:
        return found, n_missing
    suffixes: Counter[str] = Counter()
    for end, n in found.items():
        match = _SUFFIX.match(end)
        suffixes[match[1].lower() if match else ""] += n
    return suffixes, n_missing + suffixes.pop("", 0)


def _shares(title: str, found: Counter[str] | None, n_missing: int) -> Shares:
    if found is None or len(found) > max(_FEW, _MOST_SHARE * found.total()):
        return Shares(title, n_missing, None, (), 0, None)
    ordered = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    values = tuple(ValueCount(value, n) for value, n in ordered[:_SHOWN])
    n_other = sum(n for _, n in ordered[_SHOWN:])
    counts = np.array([n for _, n in ordered], dtype=np.int64)
    return Shares(title, n_missing, len(ordered), values, n_other, balance(counts))


def _column(manifest: Manifest, name: str) -> Shares | Spread:
    kind = manifest.source.schema.field(name).type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _spread(name, _numbers(manifest, name))
    if pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return _shares(name, *_counted(manifest, name, None))
    return Shares(name, int(manifest.source.column(name).null_count), None, (), 0, None)


def _copies(manifest: Manifest, code: NDArray[np.int8]) -> Copies:
    nothing = text_keys(pa.array([""]))[0]
    keys = _keys(manifest, "sha256")
    hashed = keys != nothing
    _, n_same_bytes, _, n_bytes_across = _alike(keys[hashed], code[hashed])
    keys = _keys(manifest, "group")
    named = keys != nothing
    n_groups, n_grouped, largest, n_groups_across = _alike(keys[named], code[named])
    alone = int((~named).sum())
    return Copies(
        n_hashed=int(hashed.sum()),
        n_same_bytes=n_same_bytes,
        n_bytes_across=n_bytes_across,
        n_groups=n_groups + alone,
        n_grouped=n_grouped,
        largest_group=max(largest, int(alone > 0)),
        n_groups_across=n_groups_across,
    )


def _keys(manifest: Manifest, name: str) -> NDArray[np.uint64]:
    parts = [text_keys(rows.column(name)) for rows in manifest.batches([name])]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def _alike(keys: NDArray[np.uint64], code: NDArray[np.int8]) -> tuple[int, int, int, int]:
    """Different keys; rows whose key another row has; rows of the commonest key; keys in more than one split."""
    if len(keys) == 0:
        return 0, 0, 0, 0
    order = np.argsort(keys)
    keys, code = keys[order], code[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(np.append(starts, len(keys)))
    across = np.minimum.reduceat(code, starts) != np.maximum.reduceat(code, starts)
    return len(starts), int(sizes[sizes > 1].sum()), int(sizes.max()), int(across.sum())


def _doubts(
    manifest: Manifest,
    splits: tuple[SplitFacts, ...],
    sizes: tuple[Spread, ...],
    origins: tuple[Shares, ...],
    copies: Copies,
) -> tuple[Doubt, ...]:
    """What a user should know, worst first; nothing where there is nothing."""
    licence = origins[0]
    said = [
        ("set of equal bytes lies", "sets of equal bytes lie", "in more than one split", copies.n_bytes_across),
        ("group lies", "groups lie", "in more than one split", copies.n_groups_across),
        ("image has", "images have", "the bytes of another one", copies.n_same_bytes),
        (
            "image has",
            "images have",
            "no label, in splits that are not sealed",
            sum(s.n_unlabelled for s in splits if not s.sealed),
        ),
        *(
            ("class has", "classes have", f"no image in {split.name}", split.balance.n_without)
            for split in splits
            if split.balance is not None
        ),
        ("image has", "images have", "not been read yet: `topfive dataset verify` reads them", sizes[0].n_missing),
        ("image says", "images say", "nothing of their licence", licence.n_missing),
    ]
    return tuple(Doubt(f"{one if n == 1 else many} {what}", n) for one, many, what, n in said if n)
