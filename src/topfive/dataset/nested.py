"""Archives inside an archive: each is indexed where it lies, and its pictures are found by their offset in the file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from topfive.dataset.ahead import map_ahead
from topfive.dataset.found import PICTURE_SUFFIX, Images, is_wnid
from topfive.dataset.reports import Problem
from topfive.dataset.tar import Span, TarIndex, read_span
from topfive.dataset.tar_header import FIX, Place
from topfive.records import BadInput, Progress

_WORKERS = 8
"""Archives indexed at once: headers lie far apart, and a disk answers several requests sooner than one by one."""


class Inner(NamedTuple):
    """An archive that is the bytes [offset, offset + size) of `container` (absolute, or relative to the folder that is
    made); its pictures are of one class."""

    name: str
    container: str
    offset: int
    size: int
    class_index: int


def read_inner(inner: Sequence[Inner], split: str, into: Path, progress: Progress) -> tuple[Images, list[Problem]]:
    """The pictures of archives inside files, in their order, and what was left out.

    A picture's path is the archive's name, a slash, and its name in there. Raises BadInput as `read_tar` does, naming
    the archive, and for a list without archives.
    """

    def index(one: Inner) -> TarIndex:
        path = into / one.container
        handle = os.open(path, os.O_RDONLY)
        try:
            if one.size == 0:
                raise BadInput("is empty (0 bytes)", where=path, row=one.name, fix=FIX)
            return read_span(Span(handle, one.offset, one.size), Place(str(path), one.name))
        finally:
            os.close(handle)

    total = sum(one.size for one in inner)
    parts, problems, done = [], [], 0
    for one, found in zip(inner, map_ahead(index, inner, _WORKERS), strict=True):
        pictures, wrong = pictures_of(found, one.container, split, one.class_index, one.name)
        parts.append(pictures)
        problems += wrong
        done += one.size
        progress("indexing", done, total, "bytes")
    return Images.joined(parts), problems


def pictures_of(
    index: TarIndex, container: str, split: str, class_index: int, above: str = ""
) -> tuple[Images, list[Problem]]:
    """The files of an archive whose names end as pictures' do, all of one class; other files are problems."""
    prefix = f"{above}/" if above else ""
    problems = [Problem(f"{prefix}{name}", f"{reason}: left out") for name, reason in index.refusals]
    names, offsets, sizes = index.names, index.offsets, index.sizes
    suits = pc.match_substring_regex(names, pattern=PICTURE_SUFFIX).to_numpy(zero_copy_only=False).astype(bool)
    if not suits.all():
        left = names.filter(pa.array(~suits)).to_pylist()
        problems += [Problem(f"{prefix}{name}", "is no picture: left out") for name in left]
        names, offsets, sizes = names.filter(pa.array(suits)), offsets[suits], sizes[suits]
    return Images(
        pc.binary_join_element_wise(prefix, names, "") if prefix else names,
        _constant(container, len(names)),
        offsets,
        sizes,
        np.full(len(names), class_index, np.int32),
        _constant(split, len(names)),
    ), problems


def _constant(value: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))


def inner_wnid(name: str) -> str:
    """The wnid by which an archive inside a source is named; empty for a file that is named otherwise."""
    stem = name.rpartition("/")[2].removesuffix(".tar")
    return stem if name.endswith(".tar") and is_wnid(stem) else ""
