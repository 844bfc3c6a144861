"""A release that `export --format folder` wrote: it states ids, classes and splits itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from topfive.dataset.found import Found, FoundImage, Images
from topfive.dataset.options import ImportOptions
from topfive.dataset.released import FIX, IMAGES, read_images, stated_facts
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source
from topfive.records import SPLITS, UNKNOWN, BadInput, ClassList, Progress

TITLE = "a release in folders by split and class, as `export` writes it"
ORDER = 1

_CLASSES = "classes.tsv"
_OWN = frozenset({IMAGES, _CLASSES, "release.json", "SHA256SUMS"})
_COLUMNS = ("file", "image_id", "class_index", "split")


def recognises(source: Source) -> bool:
    """All of a release's own files are there, and pictures: a release in shards has such an index too."""
    return (
        not source.is_archive
        and source.by_path.keys() >= _OWN
        and not any(file.path.endswith(".tar") for file in source.files)
    )


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """The pictures of `images.parquet`, with all that it states of them, over the classes of `classes.tsv`; one that is
    gone is a problem, as is a file that the release does not name. Raises BadInput where these two are damaged or do
    not fit together."""
    where = Path(source.by_path[IMAGES].container)
    classes = ClassList.read(Path(source.by_path[_CLASSES].container))
    table = read_images(source.read(source.by_path[IMAGES]), where)
    if "file" not in table.column_names:
        raise BadInput("is no index of a release in folders: it lacks the column 'file'", where=where, fix=FIX)
    rows = table.select(list(_COLUMNS)).to_pylist()
    images, there, problems = [], [], list(source.problems)
    for number, row in enumerate(rows):
        name, image_id, index, split = (row[column] for column in _COLUMNS)
        if split not in SPLITS or not isinstance(index, int) or not UNKNOWN < index < len(classes):
            reason = f"has the split {split!r} and class {index!r}, of {len(classes)} classes"
            raise BadInput(reason, where=where, row=number, fix=FIX)
        file = source.by_path.get(name)
        if file is None:
            problems.append(Problem(image_id, f"{name} is not there: left out"))
        else:
            images.append(FoundImage(file, classes.wnids[index], split, image_id))
            there.append(number)
    known = _OWN | {row["file"] for row in rows}
    problems += [
        Problem(file.path, "is no part of the release: left out") for file in source.files if file.path not in known
    ]
    facts = stated_facts(table, ("file",), where).take(np.array(there, np.int64))
    return Found(Images.one_by_one(images, classes, facts), classes, tuple(problems))
