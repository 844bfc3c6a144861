"""Parquet as the Hub has it: a column of pictures {bytes, path} and a column of labels, in files named by split."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.dataset.found import Found, FoundImage, Images, class_list, named_classes
from topfive.dataset.importers.imagenet_whole import read_classes
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.shards import write_out, written
from topfive.dataset.source import Source, SourceFile
from topfive.records import BadInput, ClassList, Progress

TITLE = "Parquet files with the pictures in them, as the Hub has them"
ORDER = 25

_SPLIT = re.compile(r"(?:.*[-_./])?(train|validation|valid|val|test)(?:[-_./].*)?", re.IGNORECASE)
_SPLITS = {"train": "train", "validation": "val", "valid": "val", "val": "val", "test": "test"}
_LABELS = ("label", "labels", "wnid", "class", "category", "fine_label", "class_name")
_ROWS = 64
"""Rows in memory at a time: at most a few hundred MB of pictures."""


def recognises(source: Source) -> bool:
    """All its files that are no text are Parquet, and the first has a column of pictures."""
    files = _files(source)
    try:
        return bool(files) and not source.is_archive and _picture_column(pq.read_schema(files[0].container)) is not None
    except (OSError, pa.ArrowException):
        return bool(files)


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Pictures are written into the set; classes are the names that the file states for its numbers, else the texts.

    Raises BadInput for a damaged file, one without pictures or labels, and numbers for which no names are stated.
    """
    files = _files(source)
    schema, counts = _schemas(files)
    stated = _classes(schema, options)
    total = sum(counts)
    problems = [
        *source.problems,
        *(Problem(f.path, "is no Parquet file: left out") for f in source.files if f not in files and not _text(f)),
    ]
    images: list[FoundImage] = []
    done: dict[str, int] = {}
    every: dict[str, list[tuple[SourceFile, int]]] = {}
    for file, n in zip(files, counts, strict=True):
        match = _SPLIT.fullmatch(file.path.removesuffix(".parquet"))
        every.setdefault(_SPLITS[match[1].lower()] if match else options.split, []).append((file, n))
    for split, parts in every.items():
        rows = _rows(split, [file for file, _ in parts], stated, problems)

        def counted(rows: Iterator[tuple[str, bytes, str | None]] = rows) -> Iterator[tuple[str, bytes, str | None]]:
            for row in rows:
                done["n"] = done.get("n", 0) + 1
                progress("writing", done["n"], total, "images")
                yield row

        images += write_out(into, split, counted())
    classes = stated or class_list([image.wnid for image in images if image.wnid is not None], source.root)
    return Found(Images.one_by_one(images, classes), classes, tuple(problems), written(into))


def _files(source: Source) -> list[SourceFile]:
    return [file for file in source.files if file.path.endswith(".parquet")]


def _text(file: SourceFile) -> bool:
    return (
        file.path.rpartition(".")[2].lower() in ("md", "json", "txt", "tsv", "gitattributes") or "/." in f"/{file.path}"
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
            what = "no column of pictures (a struct with 'bytes')" if picture is None else "no column of labels"
            have = ", ".join(schema.names)
            raise BadInput(
                f"has {what}", where=file.container, fix=f"Its columns are {have}; labels are named {_LABELS}"
            )
        if first is not None and _names(schema) != _names(first):
            raise BadInput("states other classes than the files before it", where=file.container)
        first = schema if first is None else first
    assert first is not None, "recognised by a file"
    return first, counts


def _picture_column(schema: pa.Schema) -> str | None:
    for field in schema:
        if pa.types.is_struct(field.type) and "bytes" in {inner.name for inner in field.type}:
            return str(field.name)
    return None


def _label_column(schema: pa.Schema) -> str | None:
    fits = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    return next(
        (name for name in _LABELS if name in schema.names and any(fit(schema.field(name).type) for fit in fits)), None
    )


def _names(schema: pa.Schema) -> list[str] | None:
    """The names that the Hub's description states for the label's numbers."""
    label = _label_column(schema)
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])
        names = told["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _classes(schema: pa.Schema, options: ImportOptions) -> ClassList | None:
    label = _label_column(schema)
    if label is None or not pa.types.is_integer(schema.field(label).type):
        return None
    if options.classes is not None:
        return named_classes(read_classes(options.classes), options.classes)
    own = (schema.metadata or {}).get(b"topfive.class_list")
    if own is not None:
        return ClassList.from_json(own.decode("utf-8", "replace"), "class list of the Parquet files")
    names = _names(schema)
    if names is None:
        raise BadInput(
            f"column {label!r} holds numbers, and the file does not say which classes they are",
            where="Parquet files",
            fix="Add --classes FILE, one wnid or name a line in the order of the numbers",
        )
    return named_classes(names, "names of the Parquet files")


def _rows(
    split: str, files: list[SourceFile], stated: ClassList | None, problems: list[Problem]
) -> Iterator[tuple[str, bytes, str | None]]:
    """Name, file and class of each picture of a split; one without bytes, or whose label is none, is a problem."""
    number = -1
    for file in files:
        with pq.ParquetFile(file.container) as opened:
            picture, label = _picture_column(opened.schema_arrow), _label_column(opened.schema_arrow)
            own = "image_id" if "image_id" in opened.schema_arrow.names else None
            columns = [name for name in (picture, label, own) if name]
            try:
                for batch in opened.iter_batches(_ROWS, columns=columns):
                    for row in batch.to_pylist():
                        number += 1
                        data = (row[picture] or {}).get("bytes")
                        name = _name(split, number, row[picture], row[own] if own else None)
                        if not data:
                            problems.append(Problem(name, f"has no bytes in {file.path}: left out"))
                            continue
                        key = _key(row[label], stated)
                        if key is None and row[label] not in (None, -1):
                            problems.append(
                                Problem(name, f"has the label {row[label]!r}, which is no class of the file")
                            )
                        yield name, data, key
            except (OSError, pa.ArrowException) as error:
                raise BadInput(f"cannot be read after row {number} ({error})", where=file.container) from error


def _key(label: Any, stated: ClassList | None) -> str | None:
    if isinstance(label, str):
        return label or None
    if stated is not None and isinstance(label, int) and 0 <= label < len(stated):
        return stated.wnids[label]
    return None


def _name(split: str, number: int, picture: Any, own: str | None) -> str:
    """A file name of its own for each picture: the set's id, else the stated path with split and row before it."""
    path = str((picture or {}).get("path") or "")
    ending = re.sub(r"[^a-z0-9]", "", path.rpartition(".")[2].lower())[:5] if "." in path else "jpg"
    if own:
        return f"{re.sub(r'[^0-9A-Za-z_.-]', '_', own)}.{ending}"
    return f"{split}_{number:08d}.{ending}"
