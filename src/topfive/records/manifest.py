"""Manifest: one row an image (where its bytes lie, what it is, where it belongs), and the dataset folder around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from topfive.records.digests import digest_parts
from topfive.records.durable import replacing, write_text
from topfive.records.errors import BadInput

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
    """The image table of one set, as an Arrow table with the columns of COLUMNS and any user columns after them."""

    table: pa.Table
    classes: ClassList

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], classes: ClassList) -> Manifest:
        """Build from arrays or lists by column name; fixed columns that are missing get empty, zero or UNKNOWN."""
        n = len(columns["image_id"])
        fallback: dict[str, Any] = {"class_index": UNKNOWN, "offset": 0, "size": 0, "width": 0, "height": 0}
        arrays: dict[str, pa.Array] = {}
        for name, kind in COLUMNS.items():
            values = columns.get(name)
            if values is None:
                values = columns["image_id"] if name == "group" else [fallback.get(name, "")] * n
            arrays[name] = pa.array(values, type=kind)
        for name, values in columns.items():
            if name not in COLUMNS:
                arrays[name] = pa.array(values)
        manifest = cls(pa.table(arrays), classes)
        manifest.check()
        return manifest

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All image ids in row order."""
        return tuple(self.table["image_id"].to_pylist())

    @cached_property
    def class_index(self) -> NDArray[np.int32]:
        """int32 [n], UNKNOWN where hidden or missing."""
        return np.asarray(self.table["class_index"].to_numpy(), dtype=np.int32)

    @cached_property
    def digest(self) -> str:
        """Content digest over all rows and columns in order and the class keys."""
        names = self.table.column_names
        parts: list[Any] = [names, self.classes.digest]
        for name in names:
            column = self.table[name]
            if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
                parts.append(column.to_numpy())
            else:
                parts.append([str(value) for value in column.to_pylist()])
        return digest_parts(*parts)

    def column(self, name: str) -> NDArray[Any]:
        """One column as a NumPy array; raises BadInput naming the columns there are."""
        if name not in self.table.column_names:
            raise BadInput(
                f"has no column {name!r}",
                where="manifest",
                fix=f"Columns: {', '.join(self.table.column_names)}",
            )
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False))

    def splits(self) -> dict[str, int]:
        """Split name to number of images, train, val and test first."""
        counts = {str(s["values"]): int(s["counts"]) for s in pc.value_counts(self.table["split"]).to_pylist()}
        first = {name: counts.pop(name) for name in SPLITS if name in counts}
        return first | dict(sorted(counts.items()))

    def rows(self, split: str) -> Manifest:
        """The rows of one split, in order; raises BadInput naming the splits there are."""
        chosen = self.table.filter(pc.equal(self.table["split"], split))
        if chosen.num_rows == 0:
            have = ", ".join(f"{name} ({n})" for name, n in self.splits().items()) or "none"
            raise BadInput(f"has no images in split {split!r}", where="manifest", fix=f"Splits: {have}")
        return Manifest(chosen, self.classes)

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Manifest:
        """The rows at these positions, or where this mask is true."""
        positions = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Manifest(self.table.take(pa.array(positions)), self.classes)

    def with_column(self, name: str, values: Any) -> Manifest:
        """The same rows with one column replaced or added."""
        array = pa.array(values, type=COLUMNS.get(name))
        at = self.table.schema.get_field_index(name)
        table = self.table.append_column(name, array) if at < 0 else self.table.set_column(at, name, array)
        return Manifest(table, self.classes)

    def check(self, where: str | Path = "manifest") -> None:
        """Raise BadInput naming the first bad row: a column missing, an id twice, a class_index out of range."""
        for name, kind in COLUMNS.items():
            if name not in self.table.column_names:
                raise BadInput(f"lacks the column {name!r}", where=where)
            if self.table[name].type != kind:
                raise BadInput(f"column {name!r} is {self.table[name].type}, not {kind}", where=where)
            if self.table[name].null_count:
                row = int(np.flatnonzero(self.table[name].is_null().to_numpy())[0])
                raise BadInput(f"column {name!r} is empty", where=where, row=row)
        if pc.count_distinct(self.table["image_id"]).as_py() != self.table.num_rows:
            first: dict[str, int] = {}
            for row, image_id in enumerate(self.ids):
                if image_id in first:
                    raise BadInput(
                        f"image_id {image_id!r} stands twice (first in row {first[image_id]})",
                        where=where,
                        row=row,
                        fix="Each image needs an id of its own",
                    )
                first[image_id] = row
        index = self.class_index
        bad = np.flatnonzero((index < UNKNOWN) | (index >= len(self.classes)))
        if len(bad):
            row = int(bad[0])
            raise BadInput(
                f"class_index {index[row]} is not among the {len(self.classes)} classes", where=where, row=row
            )

    def write(self, path: Path) -> None:
        """Write `manifest.parquet` durably."""
        self.check(path)
        table = self.table.replace_schema_metadata({"topfive.classes": self.classes.digest})
        with replacing(path) as part:
            pq.write_table(table, part, compression="zstd")

    @classmethod
    def read(cls, path: Path, classes: ClassList) -> Manifest:
        """Read `manifest.parquet`; raises BadInput for a damaged file or another ClassList."""
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise BadInput(f"cannot be read as Parquet ({error})", where=path) from error
        written = (table.schema.metadata or {}).get(b"topfive.classes", b"").decode()
        if written != classes.digest:
            raise BadInput(
                "was written for another class list",
                where=path,
                fix="classes.tsv and manifest.parquet must belong together",
            )
        manifest = cls(table.replace_schema_metadata(None), classes)
        manifest.check(path)
        return manifest


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
