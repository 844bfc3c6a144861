"""A flat folder (or tar) of pictures and a file of labels: CSV, TSV, JSON lines, or `name label` a line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from topfive.dataset.class_keys import read_class_keys
from topfive.dataset.class_names import is_plain
from topfive.dataset.found import (
    Found,
    FoundImage,
    Images,
    class_list,
    has_picture_suffix,
    is_hidden,
    named_classes,
)
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source, SourceFile
from topfive.records import BadInput, ClassList, Progress, counted

TITLE = "a flat folder of pictures with a file of labels (labels.csv, .tsv, .txt or .jsonl)"
ORDER = 80

_ENDINGS = ("csv", "tsv", "txt", "jsonl")
_NAMES = ("labels", "label", "annotations", "metadata", "classes", "train", "val", "validation", "test", "ground_truth")
_FILE = ("file_name", "filename", "file", "image", "image_id", "imageid", "path", "name", "id")
_LABEL = ("wnid", "label", "labels", "class", "class_name", "category", "target", "predictionstring")
_LINE_END = re.compile(r"\r\n|\r|\n")
_SPLIT = ("split", "set", "subset")
_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class _Row(NamedTuple):
    """A line of the file of labels: `where` names it."""

    file: str
    label: str
    split: str
    where: str


def recognises(source: Source) -> bool:
    """It has a file that is named as labels are, pictures, and no picture in a folder of a class."""
    return bool(_labels(source)) and bool(_pictures(source))


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Joined on the file name, with or without suffix or folder; a picture without a line is left out, as a problem.

    Raises BadInput for several files of labels none of which `options.labels` names, one that cannot be read, a picture
    that stands in it with two labels, and where no line fits any picture. With `options.classes` a number is a position
    in that list, and any other label one of it.
    """
    stated = None if options.classes is None else named_classes(read_class_keys(options.classes), options.classes)
    file = _chosen(source, options.labels)
    by_name = _by_name(source)
    chosen: dict[str, _Row] = {}
    problems = list(source.problems)
    for row in (_placed(source, row, stated) for row in _rows(source, file)):
        path = by_name.get(row.file) or by_name.get(row.file.rpartition("/")[2])
        if not path:
            what = "fits several pictures" if path == "" else "is not there"
            problems.append(
                Problem(row.file if row.file.isprintable() else repr(row.file), f"stands in {row.where} and {what}")
            )
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
        raise BadInput("names no picture that is there", where=source.root, row=file.path, fix="Write file names")
    images = []
    for picture in counted(_pictures(source), "looking", len(by_name), progress, "files"):
        if picture.path not in chosen:
            problems.append(Problem(picture.path, f"has no line in {file.path}: left out"))
            continue
        row = chosen[picture.path]
        images.append(FoundImage(picture, row.label or None, _SPLITS.get(row.split.lower(), options.split)))
    classes = stated or class_list([row.label for row in chosen.values() if row.label], source.root)
    return Found(Images.one_by_one(images, classes), classes, tuple(problems))


def _placed(source: Source, row: _Row, stated: ClassList | None) -> _Row:
    """The row with its class as label, empty for -1; raises BadInput where that is none."""
    label = "" if row.label == "-1" else row.label
    if label and not is_plain(label):
        raise BadInput(
            f"has the label {label[:40]!r}", where=source.root, row=row.where, fix="Write a name without line breaks"
        )
    if stated is None or not label or label in stated.index:
        return row._replace(label=label)
    if re.fullmatch(r"[0-9]{1,9}", label) and int(label) < len(stated):
        return row._replace(label=stated.wnids[int(label)])
    raise BadInput(
        f"has the label {label[:40]!r}, which is not in the list of {len(stated)} classes",
        where=source.root,
        row=row.where,
        fix="Mend the label, or name another list by --classes",
    )


def _chosen(source: Source, named: Path | None) -> SourceFile:
    """The file of labels: the one that is named, by its path in the source or anywhere, else the only one there is."""
    if named is not None:
        inside = source.by_path.get(named.as_posix())
        path = str(named.resolve())
        inside = inside or next(
            (file for file in source.files if not source.is_archive and file.container == path), None
        )
        if inside is None and not named.is_file():
            raise BadInput("is not there", where=named, fix="Name a file, by its path here or in the source")
        if not _pictures(source):
            raise BadInput("has no pictures in one folder to label", where=source.root, fix="Leave --labels out")
        return inside or SourceFile(named.name, path, 0, named.stat().st_size)
    found = _labels(source)
    if len(found) > 1:
        names = [file.path for file in found]
        raise BadInput(
            f"has {len(found)} files that may hold its labels: {', '.join(names[:4])}{', ...' if names[4:] else ''}",
            where=source.root,
            fix=f"Name one by --labels {names[0]}, or join them into one with a column 'split'",
        )
    return found[0]


def _labels(source: Source) -> list[SourceFile]:
    """The files that are named as labels are; of several, a list of classes is none."""
    found = []
    for file in source.files:
        stem, dot, ending = file.path.rpartition("/")[2].lower().rpartition(".")
        fits = dot and ending in _ENDINGS and (stem in _NAMES or "label" in stem or "solution" in stem)
        if fits and file.path.count("/") <= 1 and not is_hidden(file.path):
            found.append(file)
    others = [file for file in found if file.path.rpartition("/")[2].lower().rpartition(".")[0] != "classes"]
    return others if len(found) > 1 and others else found


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
    text = _text(source, file)
    if file.path.lower().endswith(".jsonl"):
        yield from _json_rows(source, file, text)
        return
    table = [(number, [cell.strip() for cell in row]) for number, row in _table(source, file, text) if any(row)]
    columns, start = _columns(source, file, table[0][1] if table else [])
    for number, row in table[start:]:
        if not any(row):
            continue
        where = f"{file.path} line {number}"
        if max(columns[:2]) >= len(row) or not row[columns[0]]:
            raise BadInput("has no file name and label", where=source.root, row=where, fix="Write name,label")
        split = row[columns[2]] if 0 <= columns[2] < len(row) else ""
        yield _Row(row[columns[0]], _first(row[columns[1]]), split, where)


def _text(source: Source, file: SourceFile) -> str:
    try:
        return source.read(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"is not UTF-8 text ({error})", where=source.root, row=file.path, fix="Save it as UTF-8"
        ) from error


def _table(source: Source, file: SourceFile, text: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, with the number of its last line."""
    if file.path.lower().endswith(".txt"):
        for number, line in enumerate(_LINE_END.split(text), start=1):
            yield number, line.split("\t") if "\t" in line else line.split(None, 1)
        return
    mark = "\t" if file.path.lower().endswith(".tsv") else max(",;\t", key=_LINE_END.split(text, 1)[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise BadInput(
            f"is no table ({error})",
            where=source.root,
            row=f"{file.path} line {reader.line_num}",
            fix="Mend the quotes of that line",
        ) from error


def _columns(source: Source, file: SourceFile, first: list[str]) -> tuple[tuple[int, int, int], int]:
    """Positions of file name, label and split (-1 for none), and the first row of data."""
    head = [cell.lower().replace(" ", "_") for cell in first]

    def place(names: tuple[str, ...]) -> int:
        found = next((name for name in names if name in head), "")
        if head.count(found) > 1:
            raise BadInput(
                f"has the column {found!r} twice", where=source.root, row=file.path, fix="Take one of them out"
            )
        return head.index(found) if found else -1

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


def _json_rows(source: Source, file: SourceFile, text: str) -> Iterator[_Row]:
    for number, line in enumerate(_LINE_END.split(text), start=1):
        where = f"{file.path} line {number}"
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(
                f"is no JSON ({str(error)[:80]})", where=source.root, row=where, fix='{"file_name": , "label": }'
            ) from error
        value = {str(key).lower(): item for key, item in value.items()} if isinstance(value, dict) else {}
        name = next((value[key] for key in _FILE if isinstance(value.get(key), str)), None)
        said = (value.get(key) for key in _LABEL)
        label = next((one for one in said if isinstance(one, str | int) and not isinstance(one, bool)), None)
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
