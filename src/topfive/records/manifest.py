"""Manifest: one row an image (where its bytes lie, what it is, where it belongs), and the dataset folder around it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.records.class_list import UNKNOWN, ClassList
from topfive.records.digests import TextColumn, digest_stream
from topfive.records.durable import replacing, write_text
from topfive.records.errors import BadInput
from topfive.records.stored_table import ROW_GROUP, StoredTable
from topfive.records.text_keys import first_repeated

SPLITS = ("train", "val", "test")

COLUMNS: dict[str, pa.DataType] = {
    "image_id": pa.string(),
    "container": pa.string(),
    "offset": pa.int64(),
    "size": pa.int64(),
    "sha256": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "class_index": pa.int32(),
    "split": pa.string(),
    "group": pa.string(),
    "source": pa.string(),
    "licence": pa.string(),
}
"""The fixed columns. `container` is a file (an archive, or the image itself) relative to the dataset folder or
absolute; the image is its bytes [offset, offset + size). `sha256`, `width` and `height` may be empty or 0 until
`verify` has read the bytes. `group` keeps near-duplicates in one split."""


@dataclass(frozen=True)
class Manifest:
    """The image table of one set, with the columns of COLUMNS and any user columns after them.

    `source` is an Arrow table, or one that lies in a file: then columns are read when they are asked for, and
    `batches` walks sets that are larger than memory.
    """

    source: pa.Table | StoredTable
    classes: ClassList

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], classes: ClassList) -> Manifest:
        """Build from arrays or lists by column name; fixed columns that are missing get empty, zero or UNKNOWN."""
        n = len(columns["image_id"])
        fallback: dict[str, Any] = {"class_index": UNKNOWN, "offset": 0, "size": 0, "width": 0, "height": 0}
        arrays: dict[str, pa.Array] = {}
        for name, kind in COLUMNS.items():
            values = columns.get(name)
            if values is None and name != "group":
                arrays[name] = pa.repeat(pa.scalar(fallback.get(name, ""), type=kind), n)
            else:
                arrays[name] = _array(columns["image_id"] if values is None else values, kind)
        for name, values in columns.items():
            if name not in COLUMNS:
                arrays[name] = _array(values, None)
        manifest = cls(pa.table(arrays), classes)
        manifest.check()
        return manifest

    def __len__(self) -> int:
        return int(self.source.num_rows)

    @cached_property
    def table(self) -> pa.Table:
        """The whole table, in memory from now on."""
        return self.source if isinstance(self.source, pa.Table) else self.source.read()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All image ids in row order."""
        return tuple(self.source.column("image_id").to_pylist())

    @cached_property
    def class_index(self) -> NDArray[np.int32]:
        """int32 [n], UNKNOWN where hidden or missing."""
        return np.asarray(self.source.column("class_index").to_numpy(), dtype=np.int32)

    @cached_property
    def digest(self) -> str:
        """Content digest over all rows and columns in order and the class keys."""
        return digest_stream(self._parts())

    def _parts(self) -> Iterator[Any]:
        yield self.source.column_names
        yield self.classes.digest
        for name in self.source.column_names:
            kind = self.source.schema.field(name).type
            if pa.types.is_integer(kind) or pa.types.is_floating(kind):
                yield self.source.column(name).to_numpy()
            elif pa.types.is_string(kind):
                yield TextColumn(len(self), (pc.fill_null(rows.column(name), "None") for rows in self.batches([name])))
            else:
                yield [str(value) for value in self.source.column(name).to_pylist()]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows in order, some ten megabytes at a time, with all columns or those named."""
        if isinstance(self.source, StoredTable):
            yield from self.source.batches(columns)
            return
        table = self.source if columns is None else self.source.select(list(columns))
        for start in range(0, table.num_rows, ROW_GROUP):
            yield table.slice(start, ROW_GROUP)

    def column(self, name: str) -> NDArray[Any]:
        """One column as a NumPy array; raises BadInput naming the columns there are."""
        if name not in self.source.column_names:
            raise BadInput(
                f"has no column {name!r}",
                where="manifest",
                fix=f"Columns: {', '.join(self.source.column_names)}",
            )
        return np.asarray(self.source.column(name).to_numpy(zero_copy_only=False))

    def splits(self) -> dict[str, int]:
        """Split name to number of images, train, val and test first."""
        found = pc.value_counts(self.source.column("split"))
        counts = {str(s["values"]): int(s["counts"]) for s in found.to_pylist()}
        first = {name: counts.pop(name) for name in SPLITS if name in counts}
        return first | dict(sorted(counts.items()))

    def rows(self, split: str) -> Manifest:
        """The rows of one split, in order; raises BadInput naming the splits there are."""
        if isinstance(self.source, StoredTable):
            chosen = pa.concat_tables([self.source.schema.empty_table(), *self.source.where("split", split)])
        else:
            chosen = self.source.filter(pc.equal(self.source["split"], split))
        if chosen.num_rows == 0:
            have = ", ".join(f"{name} ({n})" for name, n in self.splits().items()) or "none"
            raise BadInput(f"has no images in split {split!r}", where="manifest", fix=f"Splits: {have}")
        return Manifest(chosen, self.classes)

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Manifest:
        """The rows at these positions, or where this mask is true."""
        positions = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows, dtype=np.int64)
        if isinstance(self.source, StoredTable) and len(positions) and (np.diff(positions) > 0).all():
            return Manifest(self.source.take(positions), self.classes)
        return Manifest(self.table.take(pa.array(positions)), self.classes)

    def with_column(self, name: str, values: Any) -> Manifest:
        """The same rows with one column replaced or added; `values` may be a dictionary array of the column's type."""
        if isinstance(self.source, StoredTable):
            column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, COLUMNS.get(name))
            column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
            return Manifest(self.source.with_column(name, column), self.classes)
        array = _array(values, COLUMNS.get(name))
        at = self.source.schema.get_field_index(name)
        table = self.source.append_column(name, array) if at < 0 else self.source.set_column(at, name, array)
        return Manifest(table, self.classes)

    def check(self, where: str | Path = "manifest") -> None:
        """Raise BadInput naming the first bad row: a column missing, an id twice, a class_index out of range."""
        for name, kind in COLUMNS.items():
            if name not in self.source.column_names:
                raise BadInput(f"lacks the column {name!r}", where=where)
            if self.source.schema.field(name).type != kind:
                raise BadInput(f"column {name!r} is {self.source.schema.field(name).type}, not {kind}", where=where)
            if self._null_count(name):
                row = int(np.flatnonzero(self.source.column(name).is_null().to_numpy())[0])
                raise BadInput(f"column {name!r} is empty", where=where, row=row)
        again = first_repeated(lambda: (rows.column("image_id") for rows in self.batches(["image_id"])))
        if again is not None:
            row, first, image_id = again
            raise BadInput(
                f"image_id {image_id!r} stands twice (first in row {first})",
                where=where,
                row=row,
                fix="Each image needs an id of its own",
            )
        index = self.class_index
        bad = np.flatnonzero((index < UNKNOWN) | (index >= len(self.classes)))
        if len(bad):
            row = int(bad[0])
            raise BadInput(
                f"class_index {index[row]} is not among the {len(self.classes)} classes", where=where, row=row
            )

    def _null_count(self, name: str) -> int:
        if isinstance(self.source, StoredTable):
            return self.source.null_count(name)
        return int(self.source.column(name).null_count)

    def write(self, path: Path) -> None:
        """Write `manifest.parquet` durably, a row group at a time."""
        self.check(path)
        fields = [entry.with_nullable(entry.name not in COLUMNS) for entry in self.source.schema]
        schema = pa.schema(fields, metadata={"topfive.classes": self.classes.digest})
        with replacing(path) as part:
            with pq.ParquetWriter(part, schema, compression="zstd", write_page_checksum=True) as writer:
                for rows in self.batches():
                    writer.write_table(pa.table(rows.columns, schema=schema), row_group_size=ROW_GROUP)

    @classmethod
    def read(cls, path: Path, classes: ClassList) -> Manifest:
        """Open `manifest.parquet`; raises BadInput for a damaged file or another ClassList.

        A file of one row group is read now, a larger one when its columns are asked for.
        """
        stored = StoredTable.open(path)
        if stored.metadata.get("topfive.classes", "") != classes.digest:
            raise BadInput(
                "was written for another class list",
                where=path,
                fix="classes.tsv and manifest.parquet must belong together",
            )
        manifest = cls(stored.read() if stored.n_row_groups <= 1 else stored, classes)
        manifest.check(path)
        return manifest


def _array(values: Any, kind: pa.DataType | None) -> pa.Array | pa.ChunkedArray:
    """An Arrow column of this type; one that is an Arrow array already is cast, and a dictionary written out."""
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        return pa.array(values, type=kind)
    if kind is None:
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    return values.cast(kind)


@dataclass(frozen=True)
class Dataset:
    """A dataset folder: `classes.tsv`, `manifest.parquet`, `dataset.json`, and images here or where they lie."""

    root: Path
    manifest: Manifest
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> ClassList:
        """The ClassList of the manifest."""
        return self.manifest.classes

    @property
    def name(self) -> str:
        """The name in `dataset.json`, else the folder's."""
        return str(self.about.get("name") or self.root.name)

    def container_path(self, container: str) -> Path:
        """Where a manifest row's container lies."""
        return self.root / container

    def write(self, folder: Path) -> None:
        """Write the three files into an existing folder, the manifest last."""
        write_text(folder / "dataset.json", json.dumps(self.about, indent=1, ensure_ascii=False) + "\n")
        self.classes.write(folder / "classes.tsv")
        self.manifest.write(folder / "manifest.parquet")

    @classmethod
    def read(cls, folder: Path) -> Dataset:
        """Read a dataset folder; raises BadInput saying what is missing."""
        folder = Path(folder)
        for name in ("classes.tsv", "manifest.parquet"):
            if not (folder / name).is_file():
                raise BadInput(
                    f"is no dataset folder (it has no {name})",
                    where=folder,
                    fix="Make one with `topfive dataset import` or `topfive dataset twin`",
                )
        classes = ClassList.read(folder / "classes.tsv")
        about_file = folder / "dataset.json"
        try:
            about = json.loads(about_file.read_text(encoding="utf-8")) if about_file.is_file() else {}
        except ValueError as error:
            raise BadInput(f"is not JSON ({error})", where=about_file) from error
        return cls(folder.resolve(), Manifest.read(folder / "manifest.parquet", classes), about)
