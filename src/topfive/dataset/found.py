"""What an importer finds in a source, and the rules that all importers share: which file is a picture, which class a
folder is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from topfive.dataset.reports import Problem
from topfive.dataset.source import Source, SourceFile
from topfive.records import BadInput, ClassList
from topfive.taxonomy import wordnet

_WNID = re.compile(r"n\d{8}")
_SUFFIXES = frozenset({"jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff"})
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


class FoundImage(NamedTuple):
    """A picture of a source: its file, its class (None where the source does not say) and its split."""

    file: SourceFile
    wnid: str | None
    split: str


@dataclass(frozen=True)
class Found:
    """All pictures of a source, its classes in their final order, and what was left out."""

    images: tuple[FoundImage, ...]
    classes: ClassList
    problems: tuple[Problem, ...]


def is_wnid(name: str) -> bool:
    """Whether a name has the shape of a noun synset's wnid."""
    return _WNID.fullmatch(name) is not None


def class_list(keys: Iterable[str], where: Path) -> ClassList:
    """Sorted classes with WordNet's names; raises BadInput for a key of a wnid's shape that WordNet 3.0 lacks."""
    ordered = sorted(set(keys))
    graph = wordnet() if any(is_wnid(key) for key in ordered) else None
    names = []
    for key in ordered:
        if graph is None or not is_wnid(key):
            names.append(key)
            continue
        if key not in graph:
            raise BadInput(
                "is no noun synset of WordNet 3.0",
                where=where,
                row=f"class {key}",
                fix="Mend the wnid, or name the folder otherwise if it is no wnid",
            )
        names.append(graph.lemmas(key)[0].replace("_", " "))
    classes = ClassList(tuple(ordered), tuple(names))
    classes.check(where)
    return classes


def is_hidden(path: str) -> bool:
    """Whether a part of a path begins with a dot, or is a Mac's archive folder: no picture or class of anybody's."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def has_picture_suffix(path: str) -> bool:
    """Whether the name ends as pictures' names do (those of unread formats too, so that they are named, not missed)."""
    return path.rpartition("/")[2].rpartition(".")[2].lower() in _SUFFIXES


def is_picture(source: Source, file: SourceFile) -> bool:
    """Whether a file is meant as a picture: by its suffix, else by its first bytes. Hidden files never are."""
    if is_hidden(file.path):
        return False
    return has_picture_suffix(file.path) or source.read_start(file).startswith(_MAGIC)
