"""Tiny ImageNet in its own layout: `wnids.txt`, `train/<wnid>/images/`, `val/images/` and `val/val_annotations.txt`."""

from __future__ import annotations

from pathlib import Path

from topfive.dataset.found import Found, FoundImage, Images, class_list
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source, SourceFile
from topfive.records import BadInput, Progress, counted

TITLE = "Tiny ImageNet (its folder, or a tar of it)"
ORDER = 10

_ABOUT = ("wnids.txt", "words.txt", "val/val_annotations.txt")


def recognises(source: Source) -> bool:
    """It has `wnids.txt`, and beside it train pictures or the annotations of val."""
    return _top(source) is not None


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Train labels are folders, val labels lines of `val_annotations.txt`, test has none; `options` have no use."""
    top = _top(source) or ""
    keys = [line.strip() for line in source.read_lines(source.by_path[f"{top}wnids.txt"]) if line.strip()]
    classes = class_list(keys, source.root)
    labels = _val_labels(source, top)
    images, problems = [], list(source.problems)
    for file in counted(source.files, "looking", len(source.files), progress, "files"):
        name = file.path.removeprefix(top)
        match name.split("/"):
            case ["train", wnid, "images", _]:
                images.append(FoundImage(file, _known(wnid, keys, source, file), "train"))
            case ["val", "images", picture] if picture in labels:
                images.append(FoundImage(file, _known(labels.pop(picture), keys, source, file), "val"))
            case ["val", "images", _]:
                problems.append(Problem(file.path, "has no line in val_annotations.txt: left out"))
            case ["test", "images", _]:
                images.append(FoundImage(file, None, "test"))
            case ["train", _, boxes] if boxes.endswith("_boxes.txt"):
                pass
            case _ if name not in _ABOUT:
                problems.append(Problem(file.path, "is no part of Tiny ImageNet: left out"))
    problems += [Problem(name, "stands in val_annotations.txt and is not there") for name in sorted(labels)]
    return Found(Images.one_by_one(images, classes), classes, tuple(problems))


def _top(source: Source) -> str | None:
    """The folder that holds `wnids.txt`, with a slash: the source itself, or one folder in it."""
    for folder in ("", *(f"{name}/" for name in source.folders if "/" not in name)):
        if f"{folder}wnids.txt" in source.by_path and {f"{folder}train", f"{folder}val"} & set(source.folders):
            return folder
    return None


def _val_labels(source: Source, top: str) -> dict[str, str]:
    """File name to wnid of the val pictures; the four box numbers after them are not read."""
    file = source.by_path.get(f"{top}val/val_annotations.txt")
    labels: dict[str, str] = {}
    if file is None:
        return labels
    for row, line in enumerate(source.read_lines(file), start=1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[0] in labels:
            what = "names a picture twice" if len(fields) > 1 else f"has no file name and wnid: {line[:80]!r}"
            raise BadInput(
                f"line {row} {what}", where=source.root, row=file.path, fix="Mend that line, or get the set again"
            )
        labels[fields[0]] = fields[1]
    return labels


def _known(wnid: str, keys: list[str], source: Source, file: SourceFile) -> str:
    if wnid not in keys:
        raise BadInput(
            f"belongs to class {wnid}, which wnids.txt does not list",
            where=source.root,
            row=file.path,
            fix="Add the class to wnids.txt, or take the picture out",
        )
    return wnid
