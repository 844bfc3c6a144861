"""A number in [0, 1) for each name, by hash: what is chosen by it is chosen for good, however the set grows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def shares(names: Iterable[str], salt: str) -> NDArray[np.float64]:
    """float64 [n] in [0, 1): the BLAKE2b hash of each name under `salt` (64 bytes at most), the same everywhere."""
    key = salt.encode()
    hashed = b"".join([hashlib.blake2b(name.encode(), digest_size=8, key=key).digest() for name in names])
    return np.frombuffer(hashed, dtype=">u8").astype(np.uint64) / 2.0**64
