"""One pass over the rows of a probability matrix in blocks: what is checked, and what is kept of each row.

A matrix of 1,281,167 x 1,000 is 5 GB on disk; of each row a dozen bytes are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN, BadInput, Progress, counted

Floats = NDArray[np.floating[Any]]

LOWEST, HIGHEST, SUM_OFF = -1e-6, 1.0 + 1e-6, 1e-3
CLOSE = 1e-6
"""A label whose probability is within this of the largest is not called wrong; thresholds are lowered by it too."""

_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Rows:
    """Of each row: `top` the most probable class, `guess` the confident one or UNKNOWN (both int64 [n]), and `agrees`
    whether the label is (nearly) the most probable class."""

    top: NDArray[np.int64]
    guess: NDArray[np.int64]
    agrees: NDArray[np.bool_]


@dataclass(frozen=True)
class Blocks:
    """How to go through n rows: in blocks of `chunk`, by `threads`, reporting to `progress`."""

    n: int
    chunk: int
    threads: int
    progress: Progress

    @classmethod
    def of(cls, probs: Floats, chunk: int | None, threads: int, progress: Progress) -> Blocks:
        """Blocks of `chunk` rows; by default as many as fit a core's cache."""
        if threads < 1:
            raise BadInput(f"{threads} is too few", where="threads")
        if chunk is not None and chunk < 1:
            raise BadInput(f"{chunk} is too few", where="chunk")
        fitting = max(1, _BLOCK_BYTES // (probs.shape[1] * probs.itemsize))
        return cls(len(probs), chunk or fitting, threads, progress)

    def each(self, work: Callable[[slice], None], what: str) -> None:
        """Call `work` with each block; the error of the first block that fails is raised."""
        blocks = [slice(start, min(start + self.chunk, self.n)) for start in range(0, self.n, self.chunk)]
        with _mapping(self.threads) as mapped:
            for _ in counted(mapped(work, blocks), what, len(blocks), self.progress, "blocks"):
                pass


@contextmanager
def _mapping(threads: int) -> Iterator[Callable[..., Iterator[None]]]:
    if threads == 1:
        yield map
    else:
        with ThreadPoolExecutor(threads) as pool:
            yield pool.map


def name_of(array: NDArray[Any], otherwise: str) -> str:
    """The file that a memory-mapped array comes from."""
    return str(getattr(array, "filename", None) or otherwise)


def check_arrays(labels: NDArray[Any], probs: NDArray[Any]) -> tuple[NDArray[np.int64], Floats]:
    """Labels as int64 [n] and probabilities [n, K]; raises BadInput where shapes, types or labels cannot be used."""
    where_labels, where_probs = name_of(labels, "labels"), name_of(probs, "probs")
    if probs.ndim != 2 or probs.dtype.kind != "f" or probs.dtype.itemsize not in (4, 8):
        raise BadInput(
            f"is {probs.dtype}{list(probs.shape)}", where=where_probs, fix="Give float32 or float64 [rows, classes]"
        )
    if probs.shape[1] < 2 or len(probs) == 0:
        raise BadInput(f"has {len(probs)} rows and {probs.shape[1]} classes: nothing to judge", where=where_probs)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise BadInput(
            f"is {labels.dtype}{list(labels.shape)}", where=where_labels, fix="Give whole numbers, one for each row"
        )
    if len(labels) != len(probs):
        raise BadInput(f"has {len(labels)} labels for {len(probs)} rows of {where_probs}", where=where_labels)
    outside = np.flatnonzero((labels < 0) | (labels >= probs.shape[1]))
    if len(outside):
        row = int(outside[0])
        raise BadInput(
            f"label {labels[row]} is outside 0 to {probs.shape[1] - 1}",
            where=where_labels,
            row=row,
            fix="A label is a column of the probabilities",
        )
    # A plain view of the same memory: slicing a memmap costs 60 microseconds.
    return np.asarray(labels).astype(np.int64), np.asarray(probs)


def self_confidence(labels: NDArray[np.int64], probs: Floats, blocks: Blocks) -> Floats:
    """The probability of each row's own label, in the matrix's precision."""
    own = np.empty(len(labels), dtype=probs.dtype.newbyteorder("="))

    def gather(block: slice) -> None:
        own[block] = probs[np.arange(block.start, block.stop), labels[block]]

    blocks.each(gather, "reading labels' probabilities")
    return own


def read_rows(
    labels: NDArray[np.int64], probs: Floats, own: Floats, thresholds: Floats, blocks: Blocks, where: str
) -> Rows:
    """Check every value and keep what confident learning needs; raises BadInput naming the first bad row."""
    n = len(labels)
    found = Rows(np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.bool_))
    reached = thresholds - CLOSE
    # Comparing in the matrix's precision is twice as fast; rounding upwards leaves each comparison's outcome as it is.
    rounded = reached.astype(own.dtype)
    reached = np.where(rounded < reached, np.nextafter(rounded, np.inf, dtype=own.dtype), rounded)
    raised = own + own.dtype.type(CLOSE)

    def read(block: slice) -> None:
        values = np.ascontiguousarray(probs[block], dtype=own.dtype)
        _check_values(values, block.start, where)
        each = np.arange(len(values))
        label = labels[block]
        top = values.argmax(axis=1)
        largest = values[each, top]
        found.top[block] = top
        # A confident top class is the guess, however many others are confident; else a single other one is.
        guess = top.copy()
        unsure = np.flatnonzero(largest < reached[top])
        confident = values[unsure] >= reached
        n_confident = confident.view(np.uint8).sum(axis=1, dtype=np.uint16)  # four times faster than on bools
        single = np.where(n_confident == 1, confident.argmax(axis=1), UNKNOWN)
        guess[unsure] = np.where(n_confident > 1, top[unsure], single)
        found.guess[block] = guess
        nearly = raised[block]
        found.agrees[block] = (nearly > largest) | ((nearly == largest) & (label < top))

    blocks.each(read, "reading probabilities")
    return found


def largest_other(labels: NDArray[np.int64], probs: Floats, blocks: Blocks) -> Floats:
    """The largest probability of any class but the label's, of each row."""
    other = np.empty(len(labels), dtype=probs.dtype.newbyteorder("="))

    def read(block: slice) -> None:
        values = np.array(probs[block])
        values[np.arange(len(values)), labels[block]] = -np.inf
        other[block] = values.max(axis=1)

    blocks.each(read, "reading margins")
    return other


def _check_values(values: Floats, first_row: int, where: str) -> None:
    # Each test is written so that NaN, which compares false with everything, fails it.
    if values.min() >= LOWEST and values.max() <= HIGHEST:
        sums = np.einsum("ij->i", values)  # three times faster than sum(axis=1), and exact enough for 1e-3
        if np.abs(sums - 1.0).max() <= SUM_OFF:
            return
    for row, line in enumerate(values, start=first_row):
        bad = line[~((line >= LOWEST) & (line <= HIGHEST))]
        if len(bad):
            raise BadInput(f"{bad[0]} is no probability", where=where, row=row, fix="Give values from 0 to 1")
        if not abs(line.sum() - 1.0) <= SUM_OFF:
            raise BadInput(f"sums to {line.sum():.6g}, not 1", where=where, row=row, fix="Give probabilities")
