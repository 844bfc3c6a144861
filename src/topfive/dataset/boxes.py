"""Bounding boxes in the official archives: one PASCAL VOC file of XML a picture, read without unpacking to disk.

No document type, entity or reference outside is ever read: a file that declares one is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

import pyarrow as pa

from topfive.dataset.gunzip import Gunzipped
from topfive.dataset.reports import Problem
from topfive.dataset.tar import walk
from topfive.dataset.tar_header import Place
from topfive.records import Progress

NAME = "boxes.parquet"
SCHEMA = pa.schema(
    {
        "image_id": pa.string(),
        "wnid": pa.string(),
        "xmin": pa.int32(),
        "ymin": pa.int32(),
        "xmax": pa.int32(),
        "ymax": pa.int32(),
        "width": pa.int32(),
        "height": pa.int32(),
    }
)
"""A row a box. Corners are inclusive pixels, as the kit counts them, of a picture of `width` x `height` pixels (as the
annotator saw it)."""
_UNPACKED = 8 << 30
"""Bytes: all boxes of train unpack to about 0.6 GB."""
_LARGEST = 1 << 20
"""Bytes of one file; the official ones have some hundred."""
_DEEPEST = 16
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_boxes(path: Path, progress: Progress) -> tuple[pa.Table, list[Problem]]:
    """The boxes of one official archive (gzip), and its files that are none.

    Raises BadInput for an archive that is damaged, cut short or unpacks to too much.
    """
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    problems: list[Problem] = []
    total = path.stat().st_size
    with Gunzipped(path, _UNPACKED) as stream:
        for index in walk(stream, Place(str(path)), batch=1):
            problems += [Problem(name, f"{reason}: left out") for name, reason in index.refusals]
            for name, offset, size in index.members:
                try:
                    for row in _rows(name, size, stream, offset):
                        for column, value in zip(columns.values(), row, strict=True):
                            column.append(value)
                except ValueError as error:
                    problems.append(Problem(name, f"{error}: left out"))
                progress("boxes", stream.packed_bytes, total, "bytes")
    return pa.table(columns, SCHEMA), problems


def _rows(name: str, size: int, stream: Gunzipped, offset: int) -> list[tuple[Any, ...]]:
    if not name.endswith(".xml"):
        raise ValueError("is no annotation")
    if size > _LARGEST:
        raise ValueError(f"has {size} bytes, too many for an annotation")
    return list(boxes_of(name.rpartition("/")[2].removesuffix(".xml"), stream.read(size, offset)))


def boxes_of(image_id: str, data: bytes) -> Iterator[tuple[Any, ...]]:
    """The boxes in one VOC file as rows of SCHEMA; raises ValueError saying what is wrong with it.

    The file's own name says which picture it is about: the name written inside is a placeholder in some.
    """
    values, objects = _parsed(data)
    width, height = (_pixels(values, name) for name in ("size/width", "size/height"))
    for one in objects:
        xmin, ymin, xmax, ymax = (_pixels(one, f"bndbox/{side}") for side in _SIDES)
        if xmin > xmax or ymin > ymax:
            raise ValueError(f"has a box of no area ({xmin} {ymin} {xmax} {ymax})")
        yield image_id, one.get("name", ""), xmin, ymin, xmax, ymax, width, height


def _parsed(data: bytes) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The texts below `annotation`, and those below each `object`, by path."""
    path: list[str] = []
    values: dict[str, str] = {}
    objects: list[dict[str, str]] = []

    def forbidden(*_: Any) -> None:
        raise ValueError("declares a document type or entities, which are never read")

    def start(name: str, _: dict[str, str]) -> None:
        if len(path) >= _DEEPEST:
            raise ValueError(f"has elements more than {_DEEPEST} deep")
        path.append(name)
        if path == ["annotation", "object"]:
            objects.append({})

    def end(_: str) -> None:
        path.pop()

    def text(found: str) -> None:
        inside, key = (objects[-1], path[2:]) if path[1:2] == ["object"] else (values, path[1:])
        name = "/".join(key)
        inside[name] = inside.get(name, "") + found

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = forbidden
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"is no whole XML ({error})") from error
    return values, objects


def _pixels(values: dict[str, str], name: str) -> int:
    text = values.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise ValueError(f"has no number of pixels as {name} ({text[:40]!r})")
    return int(text)
