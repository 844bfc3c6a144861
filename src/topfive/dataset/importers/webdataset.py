"""WebDataset: tar shards whose members `key.jpg`, `key.cls`, `key.json` make one sample; pictures are read in place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from topfive.dataset.class_keys import read_class_keys
from topfive.dataset.class_names import is_plain
from topfive.dataset.found import (
    Container,
    Found,
    FoundImage,
    Images,
    class_list,
    has_picture_suffix,
    is_hidden,
    named_classes,
)
from topfive.dataset.options import ImportOptions
from topfive.dataset.released import IMAGES, STATED, facts_of, read_images
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source, SourceFile, open_source
from topfive.loading import is_remote
from topfive.records import COLUMNS, SPLITS, BadInput, ClassList, Progress

TITLE = "WebDataset shards (a folder of tars of key.jpg and key.cls or key.json, or one of them)"
ORDER = 30

_SHARD = re.compile(r".*\d{3,}\.tar")
_SPLIT = re.compile(r"(?:^|[-_./])(train|training|val|valid|validation|test)(?=[-_./])", re.IGNORECASE)
_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LABELS = ("cls", "json", "txt")
"""Files that say a sample's class, most direct first; `txt` is a caption, where it is no class of the stated list."""
_LONGEST = 1 << 20
"""Bytes of such a file at most."""
_KEYS = ("wnid", "class", "cls", "label", "class_index", "class_id")
"""Under which of these, first to last, a sample's JSON says its class."""
_BESIDE = ("classes.tsv", "classes.txt", "classnames.txt", "synsets.txt")


class _Sample(NamedTuple):
    """One sample: its picture, and the files that may say its class, most direct first."""

    picture: SourceFile
    labels: tuple[SourceFile, ...]


def recognises(source: Source) -> bool:
    """Its tars are numbered shards without pictures beside them, or it is a tar of pictures and classes of one key."""
    if source.is_archive:
        names = {file.path for file in source.files}
        pictures = [name for name in names if has_picture_suffix(name)]
        return bool(pictures) and any(
            f"{_key(name)[0]}.{label}" in names for name in pictures for label in ("cls", "json")
        )
    tars = [file for file in source.files if file.path.endswith(".tar")]
    return (
        bool(tars)
        and all(_SHARD.fullmatch(file.path) for file in tars)
        and not any(has_picture_suffix(file.path) for file in source.files)
    )


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """A shard named as a split (`train-000000.tar`) is of it. A class is a wnid, a name, or a number.

    Numbers are positions in `options.classes`, or in a list of classes that lies beside the shards; without one they
    are refused: nobody guesses classes from their number. A sample without a picture is a problem, and one whose class
    cannot be read; one that says no class (or -1) has none. A path in a folder of shards begins with the shard's.
    Of shards that `export` wrote, ids, splits and all that is known of each image come back: from `images.parquet`
    beside them, else from a sample's JSON, which knows fewer types.
    """
    problems = list(source.problems)
    shards, images = [], []
    told: list[Mapping[str, Any]] = []
    stated = _classes(source, options)
    keys = {None} if stated is None else {None, *stated.wnids}
    for shard, inside in _opened(source, progress):
        shards.append(Container(inside.container, "archive", inside.n_bytes))
        problems += inside.problems if inside is not source else ()
        samples, wrong = _samples(inside)
        problems += wrong
        split = _split_of(shard, options.split)
        ours = bool(samples) and bool(_told(inside, samples[0]))
        for sample in samples:
            said = _told(inside, sample) if ours else {}
            known = said and (stated is None or said["wnid"] in keys)
            key, reason = (said["wnid"], "") if known else _label(inside, sample, stated)
            path = sample.picture.path if inside is source else f"{shard}/{sample.picture.path}"
            picture = sample.picture._replace(path=path)
            images.append(FoundImage(picture, key, said.get("split", split), said.get("image_id", "")))
            told.append(said)
            if reason:
                problems.append(Problem(path, reason))
    classes = stated or class_list([image.wnid for image in images if image.wnid is not None], source.root)
    facts = _facts(source, images, told) if any(told) else None
    return Found(Images.one_by_one(images, classes, facts), classes, tuple(problems), tuple(shards))


def _told(inside: Source, sample: _Sample) -> Mapping[str, Any]:
    """A sample's JSON where it is as `export` writes it, else nothing."""
    file = next((file for file in sample.labels if file.path.lower().endswith(".json")), None)
    if file is None or file.size > _LONGEST:
        return {}
    try:
        said = json.loads(inside.read(file).decode("utf-8"))
        json.dumps(said, ensure_ascii=False).encode()  # JSON may spell what is no text
    except (ValueError, RecursionError):
        return {}
    texts = ("image_id", "split", "group", "source", "licence", "sha256")
    whole = isinstance(said, Mapping) and said.keys() >= {*texts, "width", "height", "wnid"}
    if not whole or not all(isinstance(said[name], str) for name in texts) or said["split"] not in SPLITS:
        return {}
    sizes = all(isinstance(said[name], int) and 0 <= said[name] < 1 << 31 for name in ("width", "height"))
    wnid = said["wnid"]
    return said if sizes and said["image_id"] and (wnid is None or (isinstance(wnid, str) and is_plain(wnid))) else {}


def _facts(source: Source, images: Sequence[FoundImage], told: Sequence[Mapping[str, Any]]) -> pa.Table:
    file = source.by_path.get(IMAGES)
    if file is not None and not source.is_archive:
        ids = pa.array([image.image_id for image in images], pa.string())
        return facts_of(ids, read_images(source.read(file), file.container), file.container)
    names = {name: None for said in told for name in said if name not in (*COLUMNS, "wnid")}
    columns = {name: pa.array([said.get(name) for said in told], COLUMNS[name]) for name in STATED}
    return pa.table(columns | {name: _column([said.get(name) for said in told]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    """Values of JSON as the type that they have, as text where they have several."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else json.dumps(value, sort_keys=True) for value in values])


def _opened(source: Source, progress: Progress) -> Iterator[tuple[str, Source]]:
    """The path of each shard in the source, and what is in it."""
    if source.is_archive:
        yield source.name, source
        return
    for file in source.files:
        if file.path.endswith(".tar"):
            yield file.path, open_source(file.container, progress)


def _split_of(path: str, split: str) -> str:
    named = _SPLIT.search(path)
    return _SPLITS[named[1].lower()] if named else split


def _key(path: str) -> tuple[str, str]:
    """Key and ending of a member: all before and after the first dot of its file name."""
    folder, slash, name = path.rpartition("/")
    key, _, ending = name.partition(".")
    return folder + slash + key, ending.lower()


def _samples(inside: Source) -> tuple[list[_Sample], list[Problem]]:
    parts: dict[str, dict[str, SourceFile]] = {}
    for file in inside.files:
        if is_hidden(file.path):
            continue
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
        samples.append(_Sample(pictures[0], labels))
    return samples, problems


def _classes(source: Source, options: ImportOptions) -> ClassList | None:
    """The stated classes in their order: those of the options, else of a list beside the shards."""
    if options.classes is not None:
        return named_classes(read_class_keys(options.classes), options.classes)
    for name in _BESIDE:
        file = source.by_path.get(name)
        if file is not None and not source.is_archive:
            return _listed(source, file)
    return None


def _listed(source: Source, file: SourceFile) -> ClassList:
    if not is_remote(file.container):
        path = Path(file.container)
        return ClassList.read(path) if path.suffix == ".tsv" else named_classes(read_class_keys(path), path)
    lines = [line for line in source.read_lines(file) if line.strip()]
    if not file.path.endswith(".tsv"):
        return named_classes([line.strip() for line in lines], file.container)
    rows = [line.split("\t") for line in lines]
    if rows[0] != ["index", "wnid", "name"] or any(
        row[:1] != [str(i)] or len(row) != 3 for i, row in enumerate(rows[1:])
    ):
        raise BadInput("is no list of classes (index, wnid, name)", where=file.container, fix="Name one by --classes")
    classes = ClassList(tuple(row[1] for row in rows[1:]), tuple(row[2] for row in rows[1:]))
    classes.check(file.container)
    return classes


def _label(inside: Source, sample: _Sample, stated: ClassList | None) -> tuple[str | None, str]:
    """The class key of a sample, None with a reason where what it says cannot be one."""
    number, doubt = None, ""
    for file in sample.labels:
        if file.path.lower().endswith(".txt") and not _is_class(inside, file, stated):
            continue
        value, said = _said(inside, file)
        doubt = doubt or said
        if value is None:
            continue
        if isinstance(value, str):
            if stated is not None and value not in stated.index:
                return None, f"has the class {value[:40]!r}, which is not in the list of classes: taken without a label"
            return value, ""
        number = value
        if stated is not None:
            break
    if number is None:
        return None, doubt and f"{doubt}: taken without a label"
    if stated is None:
        raise BadInput(
            f"has the class {number}, and no list says which class that is",
            where=inside.root,
            row=f"sample {sample.picture.path}",
            fix="Add --classes FILE, one wnid or name a line in the order of the numbers (or a classes.tsv)",
        )
    if number >= len(stated):
        return None, f"has the class {number}, and the list has {len(stated)}: taken without a label"
    return stated.wnids[number], ""


def _is_class(inside: Source, file: SourceFile, stated: ClassList | None) -> bool:
    """Whether a text is one of the stated classes; a number is none, since there are such captions too."""
    if stated is None or file.size > _LONGEST:
        return False
    text = inside.read(file).decode("utf-8", "replace").strip()
    return text in stated.index and not text.isdecimal()


def _said(inside: Source, file: SourceFile) -> tuple[int | str | None, str]:
    """The class that a file says, as a number or as text; None where it says none, with the reason it is none."""
    if file.size > _LONGEST:
        return None, f"has {file.size} bytes in {file.path}"
    text = inside.read(file).decode("utf-8", "replace").strip()
    if file.path.lower().endswith(".json"):
        value, doubt = _of_json(text)
    else:
        value, doubt = text or None, ""
    if value is None or value in (-1, "-1"):
        return None, doubt
    word = str(value)
    if re.fullmatch(r"[0-9]{1,18}", word):
        return int(word), ""
    if not isinstance(value, str) or not is_plain(word) or re.fullmatch(r"-?[0-9]+", word):
        return None, f"has the class {word[:40]!r}"
    return word, ""


def _of_json(text: str) -> tuple[int | str | None, str]:
    """What a sample's JSON says of its class: itself, or the first of its known keys; None, or why not."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None, "has JSON that cannot be read"
    said = [value.get(key) for key in _KEYS] if isinstance(value, Mapping) else [value]
    said = [one for one in said if one is not None]
    good = [one for one in said if isinstance(one, int | str) and not isinstance(one, bool)]
    if good:
        return good[0] if good[0] != "" else None, ""
    return None, f"has the class {str(said[0])[:40]!r}" if said else ""
