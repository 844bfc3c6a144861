"""Signatures: the encoded vectors of a split in a memory-mapped file, as they are or as codes, read in any order.

The vectors of a million pictures are hundreds of gigabytes. Here they lie in one .npy file, a row a picture; pages that
have been touched are given back to the system after every `memory_mb`, so that neither writing nor a fit that reads
every row in random order keeps more than that, whatever the size of the file.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Progress, View, silent
from topfive.systems.features.encoding_pool import one_picture_each
from topfive.systems.features.product_quantiser import ProductQuantiser

Floats = NDArray[np.float32]

_BLOCK_BYTES = 8 * 2**20
_AROUND = 65_536
"""A touched page brings up to 15 neighbours with it where they are in the system's cache (Linux's fault-around)."""


class Encoder(Protocol):
    """From a picture to its vector."""

    @property
    def view(self) -> View:
        """What it sees of a picture."""

    @property
    def length(self) -> int:
        """Values of a vector."""

    def __call__(self, picture: NDArray[np.uint8]) -> Floats:
        """uint8 [crop, crop, 3] to float32 [length]; called from several threads."""


class Signatures:
    """The vectors in a file that this module wrote; codes are decoded on reading.

    `signatures[rows]` is float32 [len(rows), d] in memory of its own, in the order of `rows`.
    """

    def __init__(self, path: Path, quantiser: ProductQuantiser | None = None, *, memory_mb: int = 1000) -> None:
        self.path = path
        self.quantiser = quantiser
        self.memory_mb = memory_mb
        self._bound = memory_mb * 2**20 // 2
        self._map()
        dimension = self._rows.shape[1] if quantiser is None else quantiser.dimension
        self.shape = (len(self._rows), dimension)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.integer[Any]] | slice) -> Floats:
        found = self._take(np.arange(len(self))[rows] if isinstance(rows, slice) else rows, slice(None))
        return found if self.quantiser is None else self.quantiser.decode(found)

    @property
    def megabytes(self) -> float:
        """Size of the file's rows."""
        return self._rows.nbytes / 2**20

    def columns(self, multiple: int = 1) -> Iterator[Floats]:
        """All columns in order, float32 [n, some], about 8 MB at a time; `some` is a multiple of `multiple`.

        Only of files without codes.
        """
        n, dimension = self.shape
        # At least whole pages of 1,024 values: narrower parts of a large file would read every page more than once.
        width = max(1024, _BLOCK_BYTES // (4 * n)) // multiple * multiple
        every = np.arange(n)
        for start in range(0, dimension, width):
            yield self._take(every, slice(start, start + width))

    def _take(self, rows: NDArray[np.integer[Any]], columns: slice) -> NDArray[Any]:
        """A copy of a part of the file, made in pieces that keep the memory within its bound."""
        cut = self._rows[:0, columns]
        out = np.empty((len(rows), cut.shape[1]), dtype=cut.dtype)
        row_bytes = cut.shape[1] * cut.itemsize + _AROUND
        step = max(1, self._bound // row_bytes)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            out[start : start + step] = self._rows[some, columns]
            self._touched += len(some) * row_bytes
            if self._touched > self._bound:
                self._map()
        return out

    def _map(self) -> None:
        """Map the file (afresh): pages of the mapping before are given back."""
        self._rows = np.asarray(np.load(self.path, mmap_mode="r"))
        self._touched = 0


def row_blocks(n: int, dimension: int) -> list[slice]:
    """All of n rows in order, about 8 MB of float32 at a time."""
    step = max(1, _BLOCK_BYTES // (4 * max(dimension, 1)))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """A folder that is removed at the end, in `parent` if that exists and else where TMPDIR says."""
    with tempfile.TemporaryDirectory(
        prefix="signatures-", dir=parent if parent is not None and parent.is_dir() else None
    ) as folder:
        yield Path(folder)


def over(
    pictures: Pictures,
    view: View,
    work: Callable[[int, NDArray[np.uint8]], None],
    *,
    batch_size: int = 64,
    progress: Progress = silent,
    what: str = "encoding",
) -> Iterator[int]:
    """Do `work(position, picture)` for every picture on the pictures' threads; yields how many are done, by batch."""
    done = 0
    with one_picture_each(pictures.workers) as pool:
        for batch in pictures.batches(view, batch_size):
            list(pool.map(work, range(done, done + len(batch)), batch.images))
            done += len(batch)
            progress(what, done, len(pictures), "images")
            yield done


def write_signatures(
    path: Path,
    encoder: Encoder,
    pictures: Pictures,
    *,
    quantiser: ProductQuantiser | None = None,
    memory_mb: int = 1000,
    progress: Progress = silent,
) -> Signatures:
    """Encode all pictures in their order into a new file, as float32 or, with a quantiser, as codes.

    Raises BadInput where the disk has no room for them.
    """
    out = _Writer(path, (len(pictures), encoder.length), quantiser, memory_mb)

    def fill(row: int, picture: NDArray[np.uint8]) -> None:
        out.put(row, encoder(picture)[None])

    batch_size = max(1, min(64, memory_mb * 2**18 // out.row_bytes))
    for done in over(pictures, encoder.view, fill, batch_size=batch_size, progress=progress, what="signatures"):
        out.give_back(done)
    return out.close()


def compress(path: Path, vectors: Signatures, quantiser: ProductQuantiser) -> Signatures:
    """Write the codes of a file of vectors into another."""
    out = _Writer(path, vectors.shape, quantiser, vectors.memory_mb)
    for rows in row_blocks(*vectors.shape):
        out.put(rows.start, vectors[rows])
        out.give_back(rows.stop)
    return out.close()


class _Writer:
    """Rows of a new .npy file; `put` may be called from several threads, `give_back` while none is in it."""

    def __init__(self, path: Path, shape: tuple[int, int], quantiser: ProductQuantiser | None, memory_mb: int) -> None:
        self._path, self._quantiser, self._memory_mb = path, quantiser, memory_mb
        n, width = shape
        kind: np.dtype[Any] = np.dtype(np.float32)
        if quantiser is not None:
            kind, width = np.dtype(np.uint8), len(quantiser.centroids)
        self.row_bytes = width * kind.itemsize
        needed, free = n * self.row_bytes, shutil.disk_usage(path.parent).free
        if needed > free:
            raise BadInput(
                f"has room for {free / 2**20:,.0f} MB, but the signatures need {needed / 2**20:,.0f}",
                where=path.parent,
                fix="Set TMPDIR to a larger disk, or lower n_components, n_axes or the pyramid",
            )
        self._rows: NDArray[Any] = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=(n, width))
        self._given_back = 0

    def put(self, start: int, vectors: Floats) -> None:
        coded = vectors if self._quantiser is None else self._quantiser.encode(vectors)
        self._rows[start : start + len(coded)] = coded

    def give_back(self, done: int) -> None:
        """After `done` rows: map the file afresh when that is enough; the system writes out what was changed."""
        if (done - self._given_back) * self.row_bytes > self._memory_mb * 2**20 // 4:
            self._given_back = done
            self._rows = np.load(self._path, mmap_mode="r+")

    def close(self) -> Signatures:
        del self._rows
        return Signatures(self._path, self._quantiser, memory_mb=self._memory_mb)
