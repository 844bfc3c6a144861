"""A flat folder (or tar) of pictures and a file of labels: CSV, TSV, JSON lines, or `name label` a line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from topfive.dataset.found import Found, FoundImage, Images, class_list, has_picture_suffix, is_hidden
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source, SourceFile
from topfive.records import BadInput, Progress, counted

TITLE = "a flat folder of pictures with a file of labels (labels.csv, .tsv, .txt or .jsonl)"
ORDER = 80

_ENDINGS = ("csv", "tsv", "txt", "jsonl")
_NAMES = ("labels", "label", "annotations", "metadata", "classes", "train", "val", "validation", "test", "ground_truth")
_FILE = ("file_name", "filename", "file", "image", "image_id", "imageid", "path", "name", "id")
_LABEL = ("wnid", "label", "labels", "class", "class_name", "category", "target", "predictionstring")
_SPLIT = ("split", "set", "subset")
_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class _Row(NamedTuple):
    """A line of the file of labels: `where` names it."""

    file: str
    label: str
    split: str
    where: str


def recognises(source: Source) -> bool:
    """It has one file that is named as labels are, pictures, and no picture in a folder of a class."""
    return _labels(source) is not None and bool(_pictures(source))


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Joined on the file name, with or without suffix or folder; a picture without a line is left out, as a problem.

    Raises BadInput for a file of labels that cannot be read, a picture that stands in it with two labels, and where no
    line fits any picture.
    """
    file = _labels(source)
    assert file is not None, "recognised by it"
    by_name = _by_name(source)
    chosen: dict[str, _Row] = {}
    problems = list(source.problems)
    for row in _rows(source, file):
        path = by_name.get(row.file) or by_name.get(row.file.rpartition("/")[2])
        if not path:
            what = "fits several pictures" if path == "" else "is not there"
            problems.append(Problem(row.file, f"stands in {row.where} and {what}"))
        elif path in chosen and chosen[path].label != row.label:
            raise BadInput(
                f"{row.file!r} has the labels {chosen[path].label!r} ({chosen[path].where}) and {row.label!r}",
                where=source.root,
                row=row.where,
                fix="One label a picture: take a line out",
            )
        else:
            chosen[path] = row
    if not chosen:
        raise BadInput("names no picture that is there", where=source.root, row=file.path, fix="Names are file names")
    images = []
    for picture in counted(_pictures(source), "looking", len(by_name), progress, "files"):
        if picture.path not in chosen:
            problems.append(Problem(picture.path, f"has no line in {file.path}: left out"))
            continue
        row = chosen[picture.path]
        images.append(FoundImage(picture, row.label or None, _SPLITS.get(row.split.lower(), options.split)))
    classes = class_list([row.label for row in chosen.values() if row.label], source.root)
    return Found(Images.one_by_one(images, classes), classes, tuple(problems))


def _labels(source: Source) -> SourceFile | None:
    """The one file of labels, or None."""
    found = []
    for file in source.files:
        stem, dot, ending = file.path.rpartition("/")[2].lower().rpartition(".")
        fits = dot and ending in _ENDINGS and (stem in _NAMES or "label" in stem or "solution" in stem)
        if fits and file.path.count("/") <= 1 and not is_hidden(file.path):
            found.append(file)
    return found[0] if len(found) == 1 else None


def _pictures(source: Source) -> list[SourceFile]:
    """The pictures, where all lie in at most one folder; else none."""
    pictures = [file for file in source.files if has_picture_suffix(file.path) and not is_hidden(file.path)]
    return pictures if len({file.path.rpartition("/")[0] for file in pictures}) == 1 else []


def _by_name(source: Source) -> dict[str, str]:
    """Path of a picture by its path, its file name and its stem; empty for a stem that several pictures have."""
    names: dict[str, str] = {}
    for file in _pictures(source):
        name = file.path.rpartition("/")[2]
        for key in {file.path, name}:
            names[key] = file.path
    for file in _pictures(source):
        stem = file.path.rpartition("/")[2].rpartition(".")[0]
        names[stem] = "" if stem in names and names[stem] != file.path else file.path
    return names


def _rows(source: Source, file: SourceFile) -> Iterator[_Row]:
    lines = source.read_lines(file)
    if file.path.lower().endswith(".jsonl"):
        yield from _json_rows(source, file, lines)
        return
    if file.path.lower().endswith(".txt"):
        table = [(line.split("\t") if "\t" in line else line.split(None, 1)) for line in lines]
    else:
        mark = "\t" if file.path.lower().endswith(".tsv") else _delimiter(lines)
        try:
            table = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=mark, strict=True))
        except csv.Error as error:
            raise BadInput(f"is no table ({error})", where=source.root, row=file.path) from error
    table = [[cell.strip() for cell in row] for row in table]
    columns, start = _columns(source, file, table)
    for number, row in enumerate(table[start:], start=start + 1):
        if not any(row):
            continue
        where = f"{file.path} line {number}"
        if max(columns[:2]) >= len(row) or not row[columns[0]]:
            raise BadInput("has no file name and label", where=source.root, row=where, fix="Write name,label")
        split = row[columns[2]] if 0 <= columns[2] < len(row) else ""
        yield _Row(row[columns[0]], _first(row[columns[1]]), split, where)


def _delimiter(lines: list[str]) -> str:
    head = lines[0] if lines else ""
    return max(",;\t", key=head.count)


def _columns(source: Source, file: SourceFile, table: list[list[str]]) -> tuple[tuple[int, int, int], int]:
    """Positions of file name, label and split (-1 for none), and the first row of data."""
    head = [cell.lower().replace(" ", "_") for cell in table[0]] if table else []

    def place(names: tuple[str, ...]) -> int:
        return next((head.index(name) for name in names if name in head), -1)

    name, label, split = place(_FILE), place(_LABEL), place(_SPLIT)
    if name >= 0 and label >= 0:
        return (name, label, split), 1
    if head and len(head) == 2:
        return (0, 1, -1), 0
    raise BadInput(
        f"has the columns {', '.join(head[:12]) or 'none'}",
        where=source.root,
        row=file.path,
        fix=f"Name a column of files ({', '.join(_FILE[:4])}) and one of labels ({', '.join(_LABEL[:4])})",
    )


def _json_rows(source: Source, file: SourceFile, lines: list[str]) -> Iterator[_Row]:
    for number, line in enumerate(lines, start=1):
        where = f"{file.path} line {number}"
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"is no JSON ({str(error)[:80]})", where=source.root, row=where) from error
        value = {str(key).lower(): item for key, item in value.items()} if isinstance(value, dict) else {}
        name = next((value[key] for key in _FILE if isinstance(value.get(key), str)), None)
        label = next((value[key] for key in _LABEL if isinstance(value.get(key), str | int)), None)
        if not name or label is None:
            raise BadInput("has no file name and label", where=source.root, row=where, fix='{"file_name": , "label": }')
        split = next((value[key] for key in _SPLIT if isinstance(value.get(key), str)), "")
        yield _Row(name, _first(str(label)), split, where)


def _first(label: str) -> str:
    """A label as it stands, or the wnid that a line of ILSVRC's localisation labels begins with (then come boxes)."""
    word, _, rest = label.partition(" ")
    boxes = rest.split()
    return (
        word
        if len(word) == 9 and boxes and all(part.lstrip("-").isdigit() or len(part) == 9 for part in boxes)
        else label
    )
