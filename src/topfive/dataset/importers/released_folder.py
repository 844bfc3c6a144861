"""A release that `export --format folder` wrote: it states ids, classes and splits itself."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.dataset.found import Found, FoundImage, Images
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source
from topfive.records import SPLITS, UNKNOWN, BadInput, ClassList, Progress

TITLE = "a release in folders by split and class, as `export` writes it"
ORDER = 1

_INDEX, _CLASSES = "images.parquet", "classes.tsv"
_OWN = frozenset({_INDEX, _CLASSES, "release.json", "SHA256SUMS"})
_COLUMNS = ("file", "image_id", "class_index", "split")


def recognises(source: Source) -> bool:
    """All of a release's own files are there."""
    return not source.is_archive and source.by_path.keys() >= _OWN


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """The pictures of `images.parquet` over the classes of `classes.tsv`; one that is gone is a problem, as is a file
    that the release does not name. Raises BadInput where these two are damaged or do not fit together."""
    where = Path(source.by_path[_INDEX].container)
    classes = ClassList.read(Path(source.by_path[_CLASSES].container))
    try:
        rows = pq.read_table(where, columns=list(_COLUMNS)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"cannot be read as the index of a release ({error})", where=where, fix=_FIX) from error
    images, problems = [], list(source.problems)
    for number, row in enumerate(rows):
        name, image_id, index, split = (row[column] for column in _COLUMNS)
        if split not in SPLITS or not isinstance(index, int) or not UNKNOWN < index < len(classes):
            reason = f"has the split {split!r} and class {index!r}, of {len(classes)} classes"
            raise BadInput(reason, where=where, row=number, fix=_FIX)
        file = source.by_path.get(name)
        if file is None:
            problems.append(Problem(image_id, f"{name} is not there: left out"))
        else:
            images.append(FoundImage(file, classes.wnids[index], split, image_id))
    known = _OWN | {row["file"] for row in rows}
    problems += [
        Problem(file.path, "is no part of the release: left out") for file in source.files if file.path not in known
    ]
    return Found(Images.one_by_one(images, classes), classes, tuple(problems))


_FIX = "`topfive dataset verify` on the release says which of its files have changed"
