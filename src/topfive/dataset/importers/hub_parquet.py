"""Parquet as the Hub has it: a column of pictures {bytes, path} and a column of labels, in files named by split."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.dataset.class_keys import read_class_keys
from topfive.dataset.class_names import is_plain
from topfive.dataset.contents import file_name
from topfive.dataset.found import Found, FoundImage, Images, class_list, named_classes
from topfive.dataset.options import ImportOptions
from topfive.dataset.released import FIX, stated_facts
from topfive.dataset.reports import Problem
from topfive.dataset.shards import Unpacked, write_out, written
from topfive.dataset.source import Source, SourceFile
from topfive.records import BadInput, ClassList, Progress

TITLE = "Parquet files with the pictures in them, as the Hub has them"
ORDER = 25

_SPLIT = re.compile(r"(?:.*[-_./])?(train|validation|valid|val|test)(?:[-_./].*)?", re.IGNORECASE)
_SPLITS = {"train": "train", "validation": "val", "valid": "val", "val": "val", "test": "test"}
_LABELS = ("label", "labels", "wnid", "class", "category", "fine_label", "class_name")
_PICTURES = ("image", "img", "picture", "image_bytes", "bytes", "jpg", "jpeg", "png")
"""Names of columns that hold a picture's bytes without a struct around them."""
_CLASS_LIST = b"topfive.class_list"
_OWN = "image_id"
_ROWS = 64
"""Rows in memory at a time: at most a few hundred MB of pictures."""


def recognises(source: Source) -> bool:
    """It has Parquet files, and the first has a column of pictures (or is damaged, and nothing else is there)."""
    files = _files(source)
    if not files or source.is_archive:
        return False
    try:
        return _picture_column(pq.read_schema(files[0].container)) is not None
    except (OSError, pa.ArrowException):
        return all(map(_taken, source.files))


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Pictures are written into the set; classes are the names that the file states for its numbers, else the texts.

    Of files that `export` wrote all other columns are taken too. A record a picture is held in memory: some hundred MB
    for a million. Raises BadInput for a damaged file, one without pictures or labels, files whose labels are not of one
    kind, and numbers for which no names are stated.
    """
    files = _files(source)
    schema, counts = _schemas(files)
    stated = _classes(schema, options, files[0].container)
    total = sum(counts)
    problems = [
        *source.problems,
        *(Problem(f.path, "is no Parquet file: left out") for f in source.files if not _taken(f)),
    ]
    images: list[FoundImage] = []
    facts: list[pa.Table] | None = [] if _CLASS_LIST in (schema.metadata or {}) else None
    done = 0
    every: dict[str, list[SourceFile]] = {}
    for file in files:
        match = _SPLIT.fullmatch(file.path.removesuffix(".parquet"))
        every.setdefault(_SPLITS[match[1].lower()] if match else options.split, []).append(file)
    for split, parts in every.items():

        def told(n: int, before: int = done) -> None:
            progress("writing", before + n, total, "images")

        found = write_out(into, split, _told(_rows(split, parts, stated, problems, facts), told))
        images, done = images + found, done + len(found)
    classes = stated or class_list([image.wnid for image in images if image.wnid is not None], source.root)
    known = _facts(schema, facts, files[0].container)
    return Found(Images.one_by_one(images, classes, known), classes, tuple(problems), written(into))


def _told(rows: Iterator[Unpacked], told: Callable[[int], None]) -> Iterator[Unpacked]:
    for n, row in enumerate(rows, start=1):
        told(n)
        yield row


def _facts(schema: pa.Schema, parts: list[pa.Table] | None, where: str) -> pa.Table | None:
    if not parts:
        return None
    try:
        whole = pa.concat_tables(parts)
    except pa.ArrowException as error:
        raise BadInput(f"has other columns than the files before it ({error})", where=where, fix=FIX) from error
    return stated_facts(whole.replace_schema_metadata(schema.metadata), (), where)


def _files(source: Source) -> list[SourceFile]:
    return [file for file in source.files if file.path.endswith(".parquet")]


def _taken(file: SourceFile) -> bool:
    return file.path.endswith(".parquet") or _text(file)


def _text(file: SourceFile) -> bool:
    return (
        file.path.rpartition(".")[2].lower() in ("md", "json", "txt", "tsv", "gitattributes", "sha256sums")
        or "/." in f"/{file.path}"
    )


def _schemas(files: list[SourceFile]) -> tuple[pa.Schema, list[int]]:
    """The schema of the first file, which all must share in what counts, and the rows of each."""
    counts, first = [], None
    for file in files:
        try:
            with pq.ParquetFile(file.container) as opened:
                schema = opened.schema_arrow
                counts.append(opened.metadata.num_rows)
        except (OSError, pa.ArrowException) as error:
            raise BadInput(f"cannot be read as Parquet ({error})", where=file.container, fix="Get it again") from error
        picture, label = _picture_column(schema), _label_column(schema)
        if picture is None or label is None:
            what = (
                "no column of pictures (a struct with 'bytes', or bytes)" if picture is None else "no column of labels"
            )
            raise BadInput(
                f"has {what}: it has {', '.join(schema.names)[:200]}",
                where=file.container,
                fix=f"Name the column of labels {' or '.join(_LABELS)}",
            )
        twice = [name for name in (picture, label, _OWN) if schema.names.count(name) > 1]
        if twice:
            raise BadInput(f"has the column {twice[0]!r} twice", where=file.container, fix="Take one of them out")
        if first is not None and _stated(schema) != _stated(first):
            raise BadInput(
                "states other classes than the files before it", where=file.container, fix="Import them one by one"
            )
        first = schema if first is None else first
    assert first is not None, "recognised by a file"
    return first, counts


def _stated(schema: pa.Schema) -> tuple[bool, list[str] | None, bytes | None]:
    """What all files must share: labels as numbers or as text, their names, the class list."""
    return _is_number(schema), _names(schema), (schema.metadata or {}).get(_CLASS_LIST)


def _is_number(schema: pa.Schema) -> bool:
    return bool(pa.types.is_integer(schema.field(schema.names.index(_label_column(schema))).type))


def _picture_column(schema: pa.Schema) -> str | None:
    fits = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_null)
    for field in schema:
        inner = {one.name: one.type for one in field.type} if pa.types.is_struct(field.type) else {}
        if "bytes" in inner and any(fit(inner["bytes"]) for fit in fits):
            return str(field.name)
    plain = {field.name for field in schema if any(fit(field.type) for fit in fits[:2])}
    return next((name for name in _PICTURES if name in plain), None)


def _label_column(schema: pa.Schema) -> str | None:
    """The first known name of a column of numbers or text, as it is or as categories of text."""
    for name in _LABELS:
        if name in schema.names:
            kind = schema.field(schema.names.index(name)).type
            text = kind.value_type if pa.types.is_dictionary(kind) else kind
            if pa.types.is_integer(kind) or pa.types.is_string(text) or pa.types.is_large_string(text):
                return name
    return None


def _names(schema: pa.Schema) -> list[str] | None:
    """The names that the Hub's description states for the label's numbers."""
    label = _label_column(schema)
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])
        names = told["info"]["features"][label]["names"]
    except (LookupError, TypeError, ValueError, RecursionError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _classes(schema: pa.Schema, options: ImportOptions, where: str) -> ClassList | None:
    label = _label_column(schema)
    if label is None or not pa.types.is_integer(schema.field(label).type):
        return None
    if options.classes is not None:
        return named_classes(read_class_keys(options.classes), options.classes)
    own = (schema.metadata or {}).get(b"topfive.class_list")
    if own is not None:
        return ClassList.from_json(own.decode("utf-8", "replace"), where)
    names = _names(schema)
    if names is None:
        raise BadInput(
            f"column {_label_column(schema)!r} holds numbers, and the file does not say which classes they are",
            where=where,
            fix="Add --classes FILE, one wnid or name a line in the order of the numbers",
        )
    return named_classes(names, where)


def _rows(
    split: str,
    files: list[SourceFile],
    stated: ClassList | None,
    problems: list[Problem],
    facts: list[pa.Table] | None,
) -> Iterator[Unpacked]:
    """The pictures of a split; one without bytes, or whose label is none, is a problem. `facts` takes the columns
    besides picture and label of those that are given, where they are wanted."""
    number = -1
    names = _Names(split, plain=facts is None)
    for file in files:
        with pq.ParquetFile(file.container) as opened:
            picture, label = _picture_column(opened.schema_arrow), _label_column(opened.schema_arrow)
            own = _OWN if _OWN in opened.schema_arrow.names else None
            columns = [name for name in (picture, label, own) if name]
            try:
                for batch in opened.iter_batches(_ROWS, columns=columns if facts is None else None):
                    given = []
                    for at, row in enumerate(batch.select(columns).to_pylist()):
                        number += 1
                        held = row[picture] if isinstance(row[picture], dict) else {"bytes": row[picture]}
                        data = held.get("bytes")
                        name, image_id = names.of(number, held.get("path"), row[own] if own else None)
                        if not data:
                            problems.append(Problem(image_id or name, f"has no bytes in {file.path}: left out"))
                            continue
                        key = _key(row[label], stated)
                        if key is None and row[label] not in (None, -1, ""):
                            said = f"has the label {str(row[label])[:40]!r}, which is no class: taken without a label"
                            problems.append(Problem(image_id or name, said))
                        given.append(at)
                        yield Unpacked(name, data, key, image_id)
                    if facts is not None:
                        facts.append(_beside(batch, given, [picture, label]))
            except (OSError, ValueError, pa.ArrowException) as error:  # ValueError: text that is not UTF-8
                raise BadInput(
                    f"cannot be read after {number + 1} rows of split {split} ({error})",
                    where=file.container,
                    fix="Get it again",
                ) from error


def _beside(batch: pa.RecordBatch, rows: list[int], taken: list[str | None]) -> pa.Table:
    """These rows of the columns that are not taken already."""
    others = [at for at, name in enumerate(batch.schema.names) if name not in taken]
    return pa.Table.from_batches([batch]).select(others).take(pa.array(rows, pa.int64()))


def _key(label: Any, stated: ClassList | None) -> str | None:
    if isinstance(label, str):
        return label if is_plain(label) else None
    if stated is not None and isinstance(label, int) and 0 <= label < len(stated):
        return stated.wnids[label]
    return None


class _Names:
    """A file name of its own for each picture of a split: the id that the file gives it, else split and row.

    With `plain` an id that could be no class either, as one with control characters, is none.
    """

    def __init__(self, split: str, *, plain: bool) -> None:
        self._split, self._plain = split, plain
        self._given: set[str] = set()

    def of(self, number: int, path: Any, own: Any) -> tuple[str, str]:
        """The name, and the id where the file gives one."""
        path = str(path or "")
        ending = re.sub(r"[^a-z0-9]", "", path.rpartition(".")[2].lower())[:5] if "." in path else ""
        image_id = str(own) if isinstance(own, int | str) and (is_plain(str(own)) or not self._plain) else ""
        stem = file_name(image_id) if image_id else f"{self._split}_{number:08d}"
        while stem.casefold() in self._given:
            stem = f"{self._split}_{number:08d}_{len(self._given)}"
        self._given.add(stem.casefold())
        return f"{stem}.{ending or 'jpg'}", image_id
