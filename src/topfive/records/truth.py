"""Truth: the allowed labels of each image, ragged: single labels, ReaL sets and "no valid label" are one type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.records.class_list import UNKNOWN, ClassList
from topfive.records.digests import digest_parts
from topfive.records.durable import replacing
from topfive.records.errors import BadInput, unreadable
from topfive.records.predictions import read_ids


@dataclass(frozen=True)
class Truth:
    """Image i may be called any of `labels[offsets[i]:offsets[i + 1]]` (int32); an empty set is not counted."""

    ids: tuple[str, ...]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int32]
    classes: ClassList
    name: str = "original"

    @classmethod
    def from_sets(
        cls, ids: Sequence[str], sets: Iterable[Iterable[int]], classes: ClassList, name: str = "original"
    ) -> Truth:
        """Build from one collection of class indices an image."""
        rows = [sorted(set(labels)) for labels in sets]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        labels = np.array([label for row in rows for label in row], dtype=np.int32)
        truth = cls(tuple(ids), offsets, labels, classes, name)
        truth.check()
        return truth

    @classmethod
    def single(
        cls, ids: Sequence[str], class_index: NDArray[np.int32], classes: ClassList, name: str = "original"
    ) -> Truth:
        """One label an image; UNKNOWN becomes an empty set."""
        known = class_index != UNKNOWN
        offsets = np.concatenate([[0], np.cumsum(known)]).astype(np.int64)
        truth = cls(tuple(ids), offsets, class_index[known].astype(np.int32), classes, name)
        truth.check()
        return truth

    @cached_property
    def digest(self) -> str:
        """Content digest of ids, sets and class keys."""
        return digest_parts(self.ids, self.offsets, self.labels, self.classes.digest)

    @cached_property
    def n_labels(self) -> NDArray[np.int64]:
        """Number of allowed labels of each image, int64 [n]."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, row: int) -> NDArray[np.int32]:
        """The allowed labels of one image."""
        return self.labels[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: NDArray[np.int64]) -> Truth:
        """The images at these positions, in this order."""
        sizes = self.n_labels[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        # Position j of the result lies as far behind its image's first label as it does here.
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][rows] - offsets[:-1], sizes)
        return Truth(tuple(self.ids[row] for row in rows), offsets, self.labels[at], self.classes, self.name)

    def renamed(self, name: str) -> Truth:
        """The same labels under another name."""
        return replace(self, name=name)

    def check(self, where: str | Path = "truth") -> None:
        """Raise BadInput naming the first bad row."""
        if (
            len(self.offsets) != len(self.ids) + 1
            or self.offsets[0] != 0
            or self.offsets[-1] != len(self.labels)
            or (np.diff(self.offsets) < 0).any()
        ):
            raise BadInput("ids, offsets and labels do not fit", where=where)
        bad = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(bad):
            row = int(np.searchsorted(self.offsets, bad[0], side="right")) - 1
            raise BadInput(
                f"label {self.labels[bad[0]]} is not among the {len(self.classes)} classes",
                where=where,
                row=row,
            )
        first: dict[str, int] = {}
        for row, image_id in enumerate(self.ids):
            if first.setdefault(image_id, row) != row:
                raise BadInput(
                    f"image_id {image_id!r} stands twice (first in row {first[image_id]})",
                    where=where,
                    row=row,
                )

    def write(self, path: Path) -> None:
        """Write as Parquet: `image_id`, `labels` (list of int32)."""
        self.check(path)
        lists = pa.ListArray.from_arrays(
            pa.array(self.offsets.astype(np.int32)), pa.array(self.labels, type=pa.int32())
        )
        metadata = {
            "topfive.classes": self.classes.digest,
            "topfive.truth": self.name,
            "topfive.class_list": self.classes.to_json(),
        }
        table = pa.table({"image_id": pa.array(self.ids, type=pa.string()), "labels": lists}).replace_schema_metadata(
            metadata
        )
        with replacing(path) as part:
            pq.write_table(table, part, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read a Truth file; raises BadInput naming file and row."""
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise unreadable("a truth file", path, error) from error
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        if not {"image_id", "labels"} <= set(table.column_names) or "topfive.class_list" not in metadata:
            raise BadInput("is no truth file: it needs the columns image_id and labels, and a class list", where=path)
        classes = ClassList.from_json(metadata["topfive.class_list"], path)
        column = table["labels"].combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) and column.num_chunks else column
        whole = pa.types.is_list(column.type) and pa.types.is_integer(column.type.value_type)
        if not whole or column.null_count or column.flatten().null_count:
            raise BadInput(f"column 'labels' holds {column.type} or nulls, not lists of class indices", where=path)
        name = metadata.get("topfive.truth", "original")
        return cls.from_sets(read_ids(table, path), column.to_pylist(), classes, name)
