"""WebDataset: tar shards whose members `key.jpg`, `key.cls`, `key.json` make one sample; pictures are read in place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from topfive.dataset.found import Container, Found, FoundImage, Images, class_list, has_picture_suffix, named_classes
from topfive.dataset.importers.imagenet_whole import read_classes
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source, SourceFile, open_source
from topfive.records import BadInput, ClassList, Progress

TITLE = "WebDataset shards (a folder of tars of key.jpg and key.cls or key.json, or one of them)"
ORDER = 30

_SHARD = re.compile(r".*\d{3,}\.tar")
_SPLIT = re.compile(r"(?:^|[-_./])(train|training|val|valid|validation|test)(?=[-_./])", re.IGNORECASE)
_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LABELS = ("cls", "json", "txt")
_KEYS = ("wnid", "class", "cls", "label", "class_index", "class_id")
"""Under which of these, first to last, a sample's JSON says its class."""
_BESIDE = ("classes.tsv", "classes.txt", "classnames.txt", "synsets.txt")


class _Sample(NamedTuple):
    """One sample: its picture, the files that may say its class, most direct first, and its split."""

    picture: SourceFile
    labels: tuple[SourceFile, ...]
    split: str


def recognises(source: Source) -> bool:
    """Its tars are numbered shards, or it is a tar in which pictures lie beside files of classes of the same key."""
    if source.is_archive:
        names = {file.path for file in source.files}
        pictures = [name for name in names if has_picture_suffix(name)]
        return bool(pictures) and any(
            f"{_key(name)[0]}.{label}" in names for name in pictures for label in ("cls", "json")
        )
    tars = [file for file in source.files if file.path.endswith(".tar")]
    return bool(tars) and all(_SHARD.fullmatch(file.path) for file in tars)


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """A shard named as a split (`train-000000.tar`) is of it. A class is a wnid, a name, or a number.

    Numbers are positions in `options.classes`, or in a list of classes that lies beside the shards; without one they
    are refused: nobody guesses classes from their number. A sample without picture or class is a problem.
    """
    problems = list(source.problems)
    samples, shards = [], []
    for split, inside in _opened(source, options.split, progress):
        shards.append(Container(inside.container, "archive", inside.n_bytes))
        problems += inside.problems if inside is not source else ()
        found, wrong = _samples(inside, split)
        samples += [(inside, sample) for sample in found]
        problems += wrong
    stated = _classes(source, options)
    said: list[str | None] = []
    for inside, sample in samples:
        key, reason = _label(inside, sample, stated)
        said.append(key)
        if reason:
            problems.append(Problem(sample.picture.path, reason))
    images = [FoundImage(sample.picture, key, sample.split) for (_, sample), key in zip(samples, said, strict=True)]
    classes = stated or class_list([key for key in said if key is not None], source.root)
    return Found(Images.one_by_one(images, classes), classes, tuple(problems), tuple(shards))


def _opened(source: Source, split: str, progress: Progress) -> Iterator[tuple[str, Source]]:
    """The split of each shard, and what is in it."""
    if source.is_archive:
        yield _split_of(source.name, split), source
        return
    for file in source.files:
        if file.path.endswith(".tar"):
            yield _split_of(file.path, split), open_source(file.container, progress)


def _split_of(path: str, split: str) -> str:
    named = _SPLIT.search(path)
    return _SPLITS[named[1].lower()] if named else split


def _key(path: str) -> tuple[str, str]:
    """Key and ending of a member: all before and after the first dot of its file name."""
    folder, slash, name = path.rpartition("/")
    key, _, ending = name.partition(".")
    return folder + slash + key, ending.lower()


def _samples(inside: Source, split: str) -> tuple[list[_Sample], list[Problem]]:
    parts: dict[str, dict[str, SourceFile]] = {}
    for file in inside.files:
        key, ending = _key(file.path)
        parts.setdefault(key, {})[ending] = file
    samples, problems = [], []
    for key, files in parts.items():
        pictures = [file for ending, file in files.items() if has_picture_suffix(f"x.{ending}")]
        if len(pictures) != 1:
            what = f"has {len(pictures)} pictures" if pictures else "has no picture"
            problems.append(Problem(key, f"sample of {inside.name} {what}: left out"))
            continue
        labels = tuple(files[ending] for ending in _LABELS if ending in files)
        samples.append(_Sample(pictures[0], labels, split))
    return samples, problems


def _classes(source: Source, options: ImportOptions) -> ClassList | None:
    """The stated classes in their order: those of the options, else of a list beside the shards."""
    if options.classes is not None:
        return named_classes(read_classes(options.classes), options.classes)
    for name in _BESIDE:
        file = source.by_path.get(name)
        if file is None or source.is_archive:
            continue
        if name.endswith(".tsv"):
            return ClassList.read(Path(file.container))
        keys = [line.strip() for line in source.read_lines(file) if line.strip()]
        return named_classes(keys, file.container)
    return None


def _label(inside: Source, sample: _Sample, stated: ClassList | None) -> tuple[str | None, str]:
    """The class key of a sample, None with a reason where it has none."""
    number = None
    for file in sample.labels:
        text = inside.read(file).decode("utf-8", "replace").strip()
        value = _of_json(text) if file.path.endswith(".json") else text
        if value in (None, "", -1, "-1"):
            continue
        if not re.fullmatch(r"\d{1,9}", str(value)):
            key = str(value)
            if stated is not None and key not in stated.index:
                return None, f"has the class {key[:40]!r}, which is not in the list of classes: taken without a label"
            return key, ""
        number = int(value)
        if stated is not None:
            break
    if number is None:
        return None, ""
    if stated is None:
        raise BadInput(
            f"sample {sample.picture.path!r} has the class {number}, and no list says which class that is",
            where=inside.root,
            fix="Add --classes FILE, one wnid or name a line in the order of the numbers (or a classes.tsv)",
        )
    if number >= len(stated):
        return None, f"has the class {number}, and the list has {len(stated)}: taken without a label"
    return stated.wnids[number], ""


def _of_json(text: str) -> Any:
    """What a sample's JSON says of its class: itself, or the first of its known keys; None for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    said = [value.get(key) for key in _KEYS] if isinstance(value, Mapping) else [value]
    return next((one for one in said if isinstance(one, int | str) and not isinstance(one, bool)), None)
