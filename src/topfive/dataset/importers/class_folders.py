"""A folder (or a tar) with one folder a class, with or without folders `train`, `val` and `test` above them."""

from __future__ import annotations

from pathlib import Path

from topfive.dataset.found import (
    Found,
    FoundImage,
    Images,
    class_list,
    has_picture_suffix,
    is_hidden,
    is_picture,
    is_wnid,
)
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source
from topfive.records import Progress, counted

TITLE = "pictures in one folder a class (a folder, or a tar of one)"
ORDER = 90

_SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}


def recognises(source: Source) -> bool:
    """Some file lies in a folder."""
    return any("/" in file.path for file in source.files)


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Each folder is a class, empty ones too; a file that is no picture, or in no class folder, is a problem."""
    above = _above(source)
    has_splits = _has_splits(source, above)
    images, problems = [], list(source.problems)
    for file in counted(source.files, "looking", len(source.files), progress, "files"):
        parts = file.path.removeprefix(above).split("/")
        part = _SPLITS[parts.pop(0)] if has_splits and parts[0] in _SPLITS else options.split
        if not is_picture(source, file):
            problems.append(Problem(file.path, "is no picture: left out"))
        elif len(parts) < 2:
            problems.append(Problem(file.path, "lies in no class folder: left out"))
        else:
            images.append(FoundImage(file, parts[0], part))
    classes = class_list(_class_folders(source, above, has_splits), source.root)
    return Found(Images.one_by_one(images, classes), classes, tuple(problems))


def _above(source: Source) -> str:
    """The one folder that a tar was made of, with a slash, where it is no class itself; else nothing."""
    if not source.is_archive:
        return ""
    paths = [
        file.path.split("/") for file in source.files if has_picture_suffix(file.path) and not is_hidden(file.path)
    ]
    tops = {parts[0] for parts in paths}
    if len(tops) != 1 or any(len(parts) < 3 for parts in paths):
        return ""
    top = tops.pop()
    return "" if is_wnid(top) or top in _SPLITS else f"{top}/"


def _has_splits(source: Source, above: str) -> bool:
    """Every top folder is named as a split and holds folders, no pictures (a class may be called `train` too)."""
    folders = _folders(source, above)
    tops = {folder for folder in folders if "/" not in folder}
    inner = {folder.partition("/")[0] for folder in folders if "/" in folder}
    direct = {
        file.path.removeprefix(above).partition("/")[0]
        for file in source.files
        if _depth(file.path, above) == 2 and has_picture_suffix(file.path) and not is_hidden(file.path)
    }
    return bool(tops) and tops <= set(_SPLITS) and tops == inner and not direct


def _depth(path: str, above: str) -> int:
    return path.removeprefix(above).count("/") + 1


def _class_folders(source: Source, above: str, has_splits: bool) -> set[str]:
    level = 1 if has_splits else 0
    parts = (folder.split("/") for folder in _folders(source, above))
    return {part[level] for part in parts if len(part) == level + 1}


def _folders(source: Source, above: str) -> list[str]:
    return [
        folder.removeprefix(above) for folder in source.folders if folder.startswith(above) and not is_hidden(folder)
    ]
