"""A 64-bit key of each string of a column, so that millions are compared without an object for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)
_WORD = 8


def text_keys(column: pa.ChunkedArray | pa.Array) -> NDArray[np.uint64]:
    """uint64 [n]: equal strings have equal keys; null has that of the empty string.

    Keys of different strings meet by chance only: once in 180,000 times among the 14 million images of ImageNet
    (n * n / 2 ** 65). Whoever must be certain compares the strings whose keys are equal. No cryptographic hash.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_keys(chunk) for chunk in chunks]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def count_keys(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many rows each different key has, in the order of the keys."""
    ordered = np.sort(keys)
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else ordered[:0]
    return np.diff(np.append(first, len(ordered))).astype(np.int64)


def first_repeated(walk: Callable[[], Iterable[pa.ChunkedArray]]) -> tuple[int, int, str] | None:
    """The first row whose string an earlier row has: (row, the earlier row, the string); None where all differ.

    `walk` gives the strings in order, in any pieces; it is called a second time only where two keys are equal.
    """
    parts = [text_keys(piece) for piece in walk()]
    keys = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    ordered = np.sort(keys)
    met = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if len(met) == 0:
        return None
    doubtful = np.isin(keys, met)
    seen: dict[str, int] = {}
    start = 0
    for piece in walk():
        for row in np.flatnonzero(doubtful[start : start + len(piece)]).tolist():
            text = str(piece[row].as_py())
            if text in seen:
                return start + row, seen[text], text
            seen[text] = start + row
        start += len(piece)
    return None


def _keys(chunk: pa.Array) -> NDArray[np.uint64]:
    """Eight bytes at a time, all strings at once: each word is mixed in, and the length before them."""
    chunk = chunk.cast(pa.string())
    n = len(chunk)
    _, ends, raw = chunk.buffers()
    bounds = np.frombuffer(ends, dtype=np.int32, count=n + 1, offset=4 * chunk.offset) if n else np.zeros(1, np.int32)
    begins, lengths = bounds[:-1].astype(np.int64), np.diff(bounds).astype(np.int64)
    low, high = int(bounds[0]), int(bounds[-1])
    padded = (bytes(memoryview(raw)[low:high]) if raw is not None and high > low else b"") + bytes(_WORD)
    # Word i is the eight bytes from byte i on: a view at every byte, no copy.
    words: NDArray[Any] = np.ndarray((len(padded) - _WORD + 1,), "<u8", padded, strides=(1,))
    keys = _mixed(lengths.astype(np.uint64))
    for at in range(0, int(lengths.max(initial=0)), _WORD):
        rows = np.flatnonzero(lengths > at)
        word = words[begins[rows] - low + at]
        left = np.minimum(lengths[rows] - at, _WORD).astype(np.uint64)
        word &= np.uint64(0xFFFFFFFFFFFFFFFF) >> ((np.uint64(_WORD) - left) * np.uint64(8))
        keys[rows] = _mixed(keys[rows] * _FIRST + word)
    return keys


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of MurmurHash3: every bit of the value reaches every bit of the result."""
    values = (values ^ (values >> _SHIFT)) * _FIRST
    values = (values ^ (values >> _SHIFT)) * _SECOND
    return values ^ (values >> _SHIFT)
