"""A set divided into parts of like work: files of few pictures together, and archives that hold much in ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.pieces import file_objects
from topfive.loading import MAX_BYTES, is_remote
from topfive.records import Dataset

_ROWS, _BYTES = 8_192, 64 << 20
"""Pictures and bytes of a part, whichever come first: 0.6 s of one core for pictures of 64 px, 2.5 s for photographs.
A part is what a stopped verify loses at most on each process, and what is waited for between two words of progress."""
_SHARE = 32
"""An archive that holds less than so great a share of a set is one part: there are others for the other cores."""


class FilePart(NamedTuple):
    """Some files of a set by their names, and the rows of the manifest that lie in them, int64, ascending.

    `whole` files are read from front to back for their own digests too. Of an archive in ranges the parts with rows are
    not, and after them comes one without, to be read `behind` them.
    """

    files: tuple[str, ...]
    rows: NDArray[np.int64]
    whole: bool
    behind: bool = False


def parts_of(dataset: Dataset) -> list[FilePart]:
    """All files and rows of a set once, in order of the files' names.

    A remote archive is never read in ranges: its bytes would be fetched, and paid for, twice.
    """
    coded = dataset.manifest.source.column("container").combine_chunks().dictionary_encode()
    code = coded.indices.to_numpy(zero_copy_only=False)
    offset, size = dataset.manifest.column("offset"), np.clip(dataset.manifest.column("size"), 0, MAX_BYTES)
    order = np.lexsort((offset, code))
    ends = np.searchsorted(code[order], np.arange(len(coded.dictionary) + 1))
    rows_of = {name: order[ends[at] : ends[at + 1]] for at, name in enumerate(coded.dictionary.to_pylist())}
    none = np.zeros(0, np.int64)
    least = max(2 * _BYTES, int(size.sum()) // _SHARE), max(2 * _ROWS, len(size) // _SHARE)
    parts: list[FilePart] = []
    files: list[str] = []
    rows: list[NDArray[np.int64]] = []
    n_rows = n_bytes = 0
    for name in sorted(rows_of.keys() | {str(entry["contentUrl"]) for entry in file_objects(dataset)}):
        here = rows_of.get(name, none)
        n = int(size[here].sum())
        much = (n > least[0] or len(here) > least[1]) and not is_remote(name)
        if not much:
            files.append(name)
            rows.append(here)
            n_rows, n_bytes = n_rows + len(here), n_bytes + n
        if files and (much or n_rows >= _ROWS or n_bytes >= _BYTES):
            parts.append(_whole(files, rows))
            files, rows, n_rows, n_bytes = [], [], 0, 0
        if much:
            parts += [FilePart((name,), np.sort(some), False) for some in cut(here, size)]
            parts.append(FilePart((name,), none, True, True))
    return [*parts, _whole(files, rows)] if files else parts


def _whole(files: list[str], rows: list[NDArray[np.int64]]) -> FilePart:
    return FilePart(tuple(files), np.sort(np.concatenate(rows)), True)


def cut(rows: NDArray[np.int64], size: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows in parts, in their order; `size` has the bytes of each row of the manifest."""
    before = np.concatenate(([0], np.cumsum(np.clip(size[rows], 0, MAX_BYTES))))
    start = 0
    while start < len(rows):
        full = int(np.searchsorted(before, before[start] + _BYTES, "right")) - 1
        end = min(start + _ROWS, max(start + 1, full))
        yield rows[start:end]
        start = end
