"""Order and chance as pure functions of (seed, epoch, position): the same on any number of workers, resumable anywhere.

The i-th draw is the i-th output of SplitMix64 (Steele, Lea and Flood 2014) from a key hashed from purpose, seed and
epoch. It is written out here, in seven array operations, because NumPy does not promise the same stream in every
version and cannot start each element of an array at a position of its own.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def draws(purpose: str, seed: int, epoch: int, positions: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """One uniform uint64 for each position (an integer >= 0); unlike purposes are independent."""
    key = hashlib.blake2b(f"{purpose}:{seed}:{epoch}".encode(), digest_size=8).digest()
    state = (np.asarray(positions).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state += np.uint64(int.from_bytes(key, "little"))
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def integers(draw: NDArray[np.uint64], n: int) -> NDArray[np.int64]:
    """Map draws to 0 .. n - 1 (n up to 2**31; the bias is below n / 2**32)."""
    return (((draw >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)).astype(np.int64)


def uniform(draw: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Map draws to the open interval (0, 1), each of 2**53 equally likely values."""
    return np.asarray(((draw >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53)


def order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The permutation of 0 .. n - 1 in which an epoch visits the images, int64 [n]."""
    return np.argsort(draws("order", seed, epoch, np.arange(n)), kind="stable")
