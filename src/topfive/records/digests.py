"""Content digests: SHA-256 over a canonical byte form, so that equal contents have equal names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


class TextColumn(NamedTuple):
    """A sequence of `n` strings as Arrow string arrays, in any pieces; its digest is that of a list of them."""

    n: int
    pieces: Iterable[pa.ChunkedArray]

    def encoded(self) -> Iterator[memoryview]:
        """`:length:bytes` of each string, many at once."""
        for piece in self.pieces:
            for chunk in piece.chunks:
                lengths = pc.binary_length(chunk).cast(pa.string())
                joined = pc.binary_join_element_wise("", lengths, chunk, ":").cast(pa.large_string())
                ends = np.frombuffer(
                    joined.buffers()[1], dtype=np.int64, count=len(joined) + 1, offset=8 * joined.offset
                )
                if len(joined):
                    yield memoryview(joined.buffers()[2])[int(ends[0]) : int(ends[-1])]


def digest_json(value: object) -> str:
    """Digest of a JSON value: sorted keys, no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_parts(*parts: str | Iterable[str] | NDArray[np.generic] | TextColumn) -> str:
    """Digest of strings, string sequences and arrays (dtype, shape and little-endian bytes), in order."""
    return digest_stream(parts)


def digest_stream(parts: Iterable[str | Iterable[str] | NDArray[np.generic] | TextColumn]) -> str:
    """As `digest_parts`, of parts that are made one after another, so that no more than one is in memory."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            array = np.ascontiguousarray(part)
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            state.update(f"a{array.dtype.str}{array.shape}".encode())
            state.update(array.tobytes())
        elif isinstance(part, TextColumn):
            state.update(f"l{part.n}".encode())
            for piece in part.encoded():
                state.update(piece)
        elif isinstance(part, str):
            raw = part.encode()
            state.update(f"s{len(raw)}:".encode() + raw)
        else:
            items = list(part)
            state.update(f"l{len(items)}".encode())
            for item in items:
                raw = item.encode()
                state.update(f":{len(raw)}:".encode() + raw)
    return state.hexdigest()
