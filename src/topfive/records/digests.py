"""Content digests: SHA-256 over a canonical byte form, so that equal contents have equal names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def digest_json(value: object) -> str:
    """Digest of a JSON value: sorted keys, no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_parts(*parts: str | Iterable[str] | NDArray[np.generic]) -> str:
    """Digest of strings, string sequences and arrays (dtype, shape and little-endian bytes), in order."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            array = np.ascontiguousarray(part)
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            state.update(f"a{array.dtype.str}{array.shape}".encode())
            state.update(array.tobytes())
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
