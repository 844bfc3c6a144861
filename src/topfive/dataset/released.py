"""What a release states of its images: `images.parquet`, where each column keeps its type, and how it is read back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from topfive.records import COLUMNS, BadInput

IMAGES = "images.parquet"
FIX = "`topfive dataset verify` on the release says which of its files have changed"
STATED = ("sha256", "width", "height", "group", "source", "licence")
"""The fixed columns that a release hands on beside an image's id, class and split."""
_KNOWN = ("image_id", "class_index", "split")
_ELSEWHERE = frozenset(COLUMNS) - set(STATED)
_RENAMED = b"topfive.renamed"


def with_free_names(facts: pa.Table, taken: Iterable[str]) -> pa.Table:
    """The table with a user's columns out of the way of those that formats have: `label` becomes `own_label`.

    Its metadata says so, and `stated_facts` undoes it.
    """
    taken = set(taken)
    names, renamed = list(facts.column_names), {}
    for at, name in enumerate(names):
        free = name
        while free in taken or (free != name and free in names):
            free = f"own_{free}"
        if free != name:
            names[at], renamed[free] = free, name
    told = {_RENAMED: json.dumps(renamed, sort_keys=True)} if renamed else None
    return facts.rename_columns(names).replace_schema_metadata(told)


def write_images(table: pa.Table, path: Path) -> None:
    """Write `images.parquet` sorted by id; the same table gives the same bytes."""
    pq.write_table(table.sort_by("image_id").combine_chunks(), path, compression="zstd", write_page_checksum=True)


def read_images(data: bytes, where: str | Path) -> pa.Table:
    """The content of an `images.parquet`; raises BadInput where it is damaged, or a column is lacking, there twice, of
    another type or has empty cells."""
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"cannot be read as the index of a release ({error})", where=where, fix=FIX) from error
    lacking = sorted({*_KNOWN, *STATED} - set(table.column_names))
    if lacking:
        raise BadInput(f"is no index of a release: it lacks the column {lacking[0]!r}", where=where, fix=FIX)
    _require_names_once(table, where)
    for name in _KNOWN:
        column = table.column(name)
        if column.type != COLUMNS[name] or column.null_count:
            raise BadInput(f"column {name!r} is {column.type} or has empty cells", where=where, fix=FIX)
    return table


def stated_facts(table: pa.Table, formats: Iterable[str], where: str | Path) -> pa.Table:
    """The columns that a manifest takes from a release's table, the user's under their own names.

    Left out are places, ids, classes and splits, and columns of the names that the format has. Raises BadInput for a
    fixed column of another type, and for two columns of one name.
    """
    _require_names_once(table, where)
    left_out = _ELSEWHERE | set(formats)
    chosen = [name for name in table.column_names if name not in left_out]
    columns = []
    for name in chosen:
        column = table.column(name)
        if name in STATED and column.type != COLUMNS[name]:
            raise BadInput(f"column {name!r} is {column.type}, not {COLUMNS[name]}", where=where, fix=FIX)
        columns.append(column)
    renamed = _renamed(table.schema, where)
    stated = pa.table(columns, names=[renamed.get(name, name) for name in chosen])
    _require_names_once(stated, where)
    return stated


def facts_of(ids: pa.StringArray, table: pa.Table, where: str | Path) -> pa.Table:
    """`stated_facts` of these images in their order; empty cells for an id that the table does not have."""
    rows = pc.index_in(ids, table.column("image_id").combine_chunks())
    return stated_facts(table, (), where).take(rows)


def _require_names_once(table: pa.Table, where: str | Path) -> None:
    twice = [name for name, n in Counter(table.column_names).items() if n > 1]
    if twice:
        raise BadInput(f"has the column {twice[0]!r} twice", where=where, fix=FIX)


def _renamed(schema: pa.Schema, where: str | Path) -> dict[str, str]:
    try:
        told = json.loads((schema.metadata or {}).get(_RENAMED, b"{}"))
        return {str(new): str(old) for new, old in told.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadInput("cannot be read: its names of columns are damaged", where=where, fix=FIX) from error
