"""Candidates: pictures that might show a class, from a dataset folder or from a table of a person's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from topfive.dataset.found import class_list
from topfive.records import COLUMNS, UNKNOWN, BadInput, Dataset, Manifest, text_keys

_PATHS = ("path", "container", "file", "file_name")
_CLASSES = ("wnid", "candidate", "class")
_FIX = "Candidates are a dataset folder, or CSV or Parquet with the columns image_id, path and wnid"


@dataclass(frozen=True)
class Candidates:
    """`manifest` has a row a picture, whose class is the candidate's; `task` [n] names what was asked about it.

    `about` and `root` say where the pictures lie and what is known of the set; `where` names the input in refusals.
    """

    manifest: Manifest
    task: pa.Array
    root: Path
    about: dict[str, Any]
    where: Path


def read_candidates(path: Path) -> Candidates:
    """Read a dataset folder (its labels are the candidates), or a table, whose paths are relative to its own folder.

    A table's further columns are kept; `offset` and `size` place a picture in an archive; `task` names what was asked
    where that is not the image's id; `image_id` may be left out where the paths' stems differ. Raises BadInput.
    """
    path = Path(path)
    if path.is_dir():
        dataset = Dataset.read(path)
        task = dataset.manifest.source.column("image_id").combine_chunks()
        return Candidates(dataset.manifest, _whole(task), dataset.root, dataset.about, path)
    return _from_table(path, read_table(path, _FIX))


def read_table(path: Path, fix: str) -> pa.Table:
    """CSV or Parquet as a table of text and numbers, where an empty cell of text is empty text; raises BadInput."""
    if not path.is_file():
        raise BadInput("is a folder" if path.is_dir() else "is not there", where=path, fix=fix)
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        names = pcsv.open_csv(path).schema.names
        text = {name: pa.string() for name in names if name in (*_TEXT, *_PATHS, *_CLASSES)}
        return pcsv.read_csv(path, convert_options=pcsv.ConvertOptions(column_types=text, strings_can_be_null=False))
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"cannot be read ({error})", where=path, fix=fix) from error


_TEXT = ("image_id", "task", "label", "decision", "sha256", "split", "group", "source", "licence", "country", "url")


def _from_table(path: Path, table: pa.Table) -> Candidates:
    first_row = 1 if path.suffix == ".parquet" else 2
    place = _named(path, table, _PATHS)
    wnid = _filled(path, table, _named(path, table, _CLASSES), first_row)
    container = _filled(path, table, place, first_row)
    if table.num_rows == 0:
        raise BadInput("has no candidates", where=path)
    ids = _filled(path, table, "image_id", first_row) if "image_id" in table.column_names else _stems(container)
    task = _filled(path, table, "task", first_row) if "task" in table.column_names else ids
    keys = text_keys(ids)
    if "task" not in table.column_names and len(np.unique(keys)) < len(keys):
        raise BadInput(
            "names an image twice, and nothing says which answers are about which class",
            where=path,
            fix="Add a column `task` with the names of the questions, one a row",
        )
    classes = class_list(wnid.unique().to_pylist(), path)
    index = pc.index_in(wnid, value_set=pa.array(classes.wnids))
    columns: dict[str, Any] = {"image_id": task, "container": container, "class_index": index.cast(pa.int32())}
    columns["split"] = table["split"] if "split" in table.column_names else pa.repeat("train", table.num_rows)
    for name in table.column_names:
        if name not in (*columns, place, *_CLASSES, "task", "image_id"):
            columns[name] = _column(table, name)
    # A task is one row; an image may stand in several until the answers say which of them is right.
    manifest = Manifest.from_columns(columns | {"image_id": task}, classes)
    if "group" not in table.column_names:
        manifest = manifest.with_column("group", ids)
    manifest = Manifest(manifest.table.set_column(0, "image_id", ids), classes)
    return Candidates(manifest, task, path.parent.resolve(), {}, path)


def _column(table: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    if name not in COLUMNS:
        return table[name]
    empty = "" if pa.types.is_string(COLUMNS[name]) else UNKNOWN if name == "class_index" else 0
    return pc.fill_null(table[name].cast(COLUMNS[name]), empty)


def _named(path: Path, table: pa.Table, names: tuple[str, ...]) -> str:
    found = next((name for name in names if name in table.column_names), None)
    if found is None:
        raise BadInput(f"has none of the columns {', '.join(names)}", where=path, fix=_FIX)
    return found


def _filled(path: Path, table: pa.Table, name: str, first_row: int) -> pa.Array:
    """A column of text; raises BadInput naming the first row in which it is empty."""
    column = _whole(table[name].cast(pa.string()).combine_chunks())
    empty = np.flatnonzero(pc.fill_null(pc.equal(column, ""), True).to_numpy(zero_copy_only=False))
    if len(empty):
        raise BadInput(f"{name} is empty", where=path, row=int(empty[0]) + first_row, fix=_FIX)
    return column


def _stems(paths: pa.Array) -> pa.Array:
    names = pc.replace_substring_regex(paths, pattern=r"^.*/", replacement="")
    return pc.replace_substring_regex(names, pattern=r"^(.+)\.[^.]*$", replacement=r"\1")


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
