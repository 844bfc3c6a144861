"""Arrays that stay on disk: rows are read where they lie, and what was read leaves memory again."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records.durable import replacing

_ROWS = 256
"""Rows at a time: 1 MB of 1,000 float32, which stays in a core's cache through the passes over it."""
_LEAVES = 8 << 20
"""Bytes read of a mapped array after which they are let go: reading a row maps its neighbours too, up to 16 of them."""


def lay_down(path: Path, blocks: Iterable[NDArray[np.float32]]) -> None:
    """Write the rows of these blocks one after the other, as `mapped` reads them."""
    with replacing(path) as part, part.open("wb") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype="<f4").data)


def mapped(path: Path, width: int) -> NDArray[np.float32]:
    """The float32 [n, width] that `lay_down` wrote, read where it lies; nobody can write to it."""
    with path.open("rb") as file:
        found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(found, dtype="<f4").reshape(-1, width)


def in_blocks(
    values: NDArray[Any], rows: NDArray[np.int64] | None = None, size: int = _ROWS
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """`values[rows]` (all of them where None) a few at a time, each with its place; no copy of the whole is made.

    Of a mapped array no more than a few MB stay in memory. A block may be a view: it is for reading.
    """
    n, source, read = len(values) if rows is None else len(rows), _source(values), 0
    for start in range(0, n, size):
        place = slice(start, min(start + size, n))
        block = values[place if rows is None else _run_of(rows[place])]
        yield place, block
        read += block.nbytes
        if source is not None and read >= _LEAVES:
            _let_go(source)
            read = 0
    if source is not None:
        _let_go(source)


def _run_of(rows: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Rows that follow one another as a slice, which copies nothing."""
    first = int(rows[0])
    return slice(first, first + len(rows)) if (np.diff(rows) == 1).all() and first >= 0 else rows


def _source(values: NDArray[Any]) -> mmap.mmap | None:
    """The file that an array reads, None where it lies in memory or can be written to: letting go would lose that."""
    if not isinstance(values, np.ndarray) or values.flags.writeable:
        return None
    found: Any = values
    while found is not None and not isinstance(found, mmap.mmap):
        found = found.obj if isinstance(found, memoryview) else getattr(found, "base", None)
    return found


def _let_go(source: mmap.mmap) -> None:
    if hasattr(source, "madvise"):
        source.madvise(mmap.MADV_DONTNEED)
