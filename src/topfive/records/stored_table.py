"""A table in a Parquet file whose columns are read when they are asked for, and which is walked in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.records.errors import unreadable

Read = TypeVar("Read")

ROW_GROUP = 131_072
"""Rows a row group: 25 to 40 MB of manifest, which is all that a walk over a set of any size holds at once."""


class StoredTable:
    """Reads like a `pyarrow.Table`. A column asked for by name is kept, and the row group that `take` read last;
    `batches` keeps nothing.

    The file stays open, so that a new file under the same name changes nothing here. Reading raises BadInput naming
    the file where its bytes are damaged (each page has a checksum). Copies and pickles are tables in memory.
    """

    def __init__(
        self, path: Path, file: pq.ParquetFile, replaced: Mapping[str, pa.ChunkedArray], lock: threading.Lock
    ) -> None:
        self.path = path
        self._file = file
        self._replaced = dict(replaced)
        self._kept: dict[str, pa.ChunkedArray] = {}
        self._last: tuple[int, pa.Table] | None = None
        self._lock = lock
        # In memory every column may have empty cells; that these have none is the file's promise.
        self.schema: pa.Schema = pa.schema([entry.with_nullable(True) for entry in file.schema_arrow])
        for name, column in self._replaced.items():
            if name not in self.schema.names:
                kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
                self.schema = self.schema.append(pa.field(name, kind))

    @classmethod
    def open(cls, path: Path) -> StoredTable:
        """Open a Parquet file; raises BadInput where it is none."""
        path = Path(path)
        file = _reading(path, lambda: pq.ParquetFile(path, page_checksum_verification=True))
        return cls(path, file, {}, threading.Lock())

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self.read(),)

    @property
    def metadata(self) -> dict[str, str]:
        """The file's own key-value metadata."""
        found = self._file.schema_arrow.metadata or {}
        return {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in found.items()}

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self._file.metadata.num_rows)

    @property
    def n_row_groups(self) -> int:
        """Number of row groups."""
        return int(self._file.num_row_groups)

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, replaced and added ones too."""
        return list(self.schema.names)

    def column(self, name: str) -> pa.ChunkedArray:
        """One whole column, read once."""
        if name in self._replaced:
            return self._replaced[name].cast(self.schema.field(name).type)
        if name not in self._kept:
            self._kept[name] = self._read(lambda: self._file.read(columns=[name])).column(name)
        return self._kept[name]

    def null_count(self, name: str) -> int:
        """Empty cells of a column. The file's statistics are not asked: a damaged one ends the whole process."""
        if name not in self._replaced and not self._file.schema_arrow.field(name).nullable:
            return 0
        return int(self.column(name).null_count)

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows in order, a row group at a time."""
        wanted = self.column_names if names is None else list(names)
        start = 0
        for group in range(self.n_row_groups):
            rows = self._group(group, start, wanted)
            yield rows
            start += rows.num_rows

    def take(self, positions: NDArray[np.integer[Any]]) -> pa.Table:
        """The rows at these ascending positions: row groups without any are not read, and one is read once for all
        that is taken of it in a row."""
        parts = [self.schema.empty_table()]
        start = 0
        for group in range(self.n_row_groups):
            end = start + int(self._file.metadata.row_group(group).num_rows)
            low, high = np.searchsorted(positions, (start, end))
            if low < high:
                last = self._last
                rows = last[1] if last and last[0] == group else self._group(group, start, self.column_names)
                self._last = group, rows
                parts.append(rows.take(pa.array(positions[low:high] - start)))
            start = end
        return pa.concat_tables(parts)

    def where(self, name: str, value: str) -> Iterator[pa.Table]:
        """The rows whose column `name` is `value`; of row groups without them no other column is read."""
        start = 0
        for group in range(self.n_row_groups):
            found = pc.equal(self._group(group, start, [name]).column(name), value)
            if pc.any(found).as_py():
                yield self._group(group, start, self.column_names).filter(found)
            start += len(found)

    def _group(self, group: int, start: int, names: list[str]) -> pa.Table:
        stored = [name for name in names if name not in self._replaced]
        # Without a column of its own a row group would come back without rows.
        table = self._read(
            lambda: self._file.read_row_group(group, columns=stored or [self._file.schema_arrow.names[0]])
        )
        columns = [
            self._replaced[name].slice(start, len(table)).cast(self.schema.field(name).type)
            if name in self._replaced
            else table.column(name)
            for name in names
        ]
        return pa.table(columns, schema=pa.schema([self.schema.field(name) for name in names]))

    def read(self) -> pa.Table:
        """The whole table in memory."""
        table = self._read(self._file.read).replace_schema_metadata(None)
        columns = [self.column(name) if name in self._replaced else table.column(name) for name in self.column_names]
        return pa.table(columns, schema=self.schema)

    def with_column(self, name: str, values: pa.ChunkedArray) -> StoredTable:
        """The same file with one column replaced or added; `values` may be dictionary-encoded, to take less room."""
        if len(values) != self.num_rows:
            raise ValueError(f"{len(values)} values for {self.num_rows} rows")
        return StoredTable(self.path, self._file, self._replaced | {name: values}, self._lock)

    def _read(self, read: Callable[[], Read]) -> Read:
        # Parquet's reader is not made for several threads at once.
        with self._lock:
            return _reading(self.path, read)


def _reading(path: Path, read: Callable[[], Read]) -> Read:
    try:
        return read()
    except (OSError, pa.ArrowException) as error:
        raise unreadable("Parquet", path, error) from error


def _itself(table: pa.Table) -> pa.Table:
    return table
