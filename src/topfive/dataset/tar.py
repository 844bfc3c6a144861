"""A strict reader of tar archives: where each file's bytes lie, and a refusal of whatever is not whole or not plain.

Python's `tarfile` takes a damaged header, a zeroed one or a cut between two members for the end of the archive and
says nothing. Here an archive must have right checksums and the end marker, and nothing but zeros after it; so an index
that is returned is of the whole archive. Nothing is ever extracted.

Only the step from one header to the next is a Python loop; checksums, sizes and names of up to 4,096 headers are judged
at once as one array, and only what is not plain goes through `tar_header` by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from topfive.dataset.tar_header import (
    BLOCK,
    FIX,
    LONGEST_NAME,
    WITHOUT_DATA,
    ZEROS,
    Extended,
    Place,
    ascii_names,
    checksum_fits,
    entry,
    extend,
    folded,
    number,
    padded,
    plain_names,
    printable,
    suspects,
)
from topfive.records import BadInput, Progress, silent

_BATCH = 4096
"""Headers judged at a time: 2 MB."""
_WINDOW = 1 << 20
_NEAR = 16 << 10
"""Where members are smaller than this many bytes, reading on costs less than a read for each header."""
_PLAIN_KINDS = (ord("0"), 0)
_EXTENDED_KINDS = b"LKxg"


class Member(NamedTuple):
    """One file in an archive: its name (no `.` or empty parts), and its bytes [offset, offset + size)."""

    name: str
    offset: int
    size: int


class Refusal(NamedTuple):
    """A member that is left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class TarIndex:
    """Everything in an archive, in its order; `folders` without a trailing slash.

    `names` is an Arrow string array; `offsets` (in the file, also of an archive inside it) and `sizes` are int64 [n].
    """

    names: pa.StringArray
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    folders: tuple[str, ...]
    refusals: tuple[Refusal, ...]

    @property
    def members(self) -> Iterator[Member]:
        """The files one by one."""
        return map(Member, self.names.to_pylist(), self.offsets.tolist(), self.sizes.tolist())


class Bytes(Protocol):
    """What an archive is read from; `start` is where it begins in its file, `total` its length (None if unknown)."""

    start: int
    total: int | None

    def read(self, size: int, at: int) -> bytes:
        """Up to `size` bytes at `at`, counted from the archive's beginning; fewer only at its end."""


class Span:
    """The bytes [start, start + total) of an open file."""

    def __init__(self, handle: int, start: int, total: int) -> None:
        self.start = start
        self.total: int | None = total
        self._handle = handle
        self._length = total

    def read(self, size: int, at: int) -> bytes:
        """As `Bytes.read`."""
        return os.pread(self._handle, max(0, min(size, self._length - at)), self.start + at)


def looks_like_tar(path: Path) -> bool:
    """Whether the first block is a tar header (or an empty archive's end marker)."""
    with path.open("rb") as file:
        block = file.read(BLOCK)
    return len(block) == BLOCK and (block == ZEROS or checksum_fits(block))


def read_tar(path: Path, progress: Progress = silent) -> TarIndex:
    """Index an archive; raises BadInput naming the byte where it is damaged, cut short, or holds one name twice.

    Links, devices, sparse files and names that lead out of the archive or hold control characters are refusals.
    """
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        if total == 0:
            raise BadInput("is empty (0 bytes)", where=path, fix=FIX)
        return read_span(Span(file.fileno(), 0, total), Place(os.fspath(path)), progress)


def read_span(data: Bytes, place: Place, progress: Progress = silent) -> TarIndex:
    """As `read_tar`, for an archive that is a part of a file."""
    every = list(walk(data, place, progress))
    index = TarIndex(
        pa.concat_arrays([pa.array([], pa.string()), *(rows.names for rows in every)]),
        np.concatenate([np.zeros(0, np.int64), *(rows.offsets for rows in every)]),
        np.concatenate([np.zeros(0, np.int64), *(rows.sizes for rows in every)]),
        tuple(name for rows in every for name in rows.folders),
        tuple(refusal for rows in every for refusal in rows.refusals),
    )
    _require_each_name_once(index, place)
    return index


def walk(data: Bytes, place: Place, progress: Progress = silent, *, batch: int = _BATCH) -> Iterator[TarIndex]:
    """The archive's members in order, `batch` headers at a time, none of which is read past before it is judged.

    With a batch of 1 a stream can be read that only goes forward. Names are not compared with each other.
    """
    return _Walk(data, place, progress, batch).rows()


@dataclass
class _Pending:
    """Headers that are read and not yet judged; `odd` has those that need `tar_header`: None for no member at all."""

    blocks: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    odd: dict[int, tuple[int, Extended] | None] = field(default_factory=dict)

    def add(self, at: int, block: bytes, size: int) -> None:
        self.blocks.append(block)
        self.starts.append(at)
        self.sizes.append(size)


class _Walk:
    def __init__(self, data: Bytes, place: Place, progress: Progress, batch: int) -> None:
        self._data = data
        self._place = place
        self._progress = progress
        self._batch = batch
        self._extended = Extended()
        self._window = b""
        self._window_at = 0
        self._pending = _Pending()

    def rows(self) -> Iterator[TarIndex]:
        at = 0
        try:
            while True:
                at = self._hop(at)
                if len(self._pending.blocks) < self._batch:
                    break
                yield self._judged(at)
            self._require_end(at)
        except BadInput:
            # A header that was damaged earlier is the cause of what went wrong here, and is the one to name.
            self._judged(at)
            raise
        yield self._judged(at)

    def _hop(self, at: int) -> int:
        """Go from header to header until a batch is full or a block of zeros is met; returns where that is."""
        pending = self._pending
        blocks, starts, sizes = pending.blocks, pending.starts, pending.sizes
        window, window_at = self._window, self._window_at
        plain = self._extended == Extended()
        while len(blocks) < self._batch:
            place = at - window_at
            if place < 0 or place + BLOCK > len(window):
                window, window_at = self._read_on(at)
                place = 0
            block = window[place : place + BLOCK]
            if block == ZEROS:
                break
            if plain and block[156] in _PLAIN_KINDS:
                # `int` forgives signs and underscores: `_judged` looks at the digits again.
                try:
                    size = int(block[124:135], 8)
                except ValueError:
                    size = self._number(at, block)
                blocks.append(block)
                starts.append(at)
                sizes.append(size)
                at += BLOCK + (size + 511 & -512)
            else:
                at = self._odd(at, block)
                plain = self._extended == Extended()
        return at

    def _odd(self, at: int, block: bytes) -> int:
        """A header that is no plain file's; returns where the next one is due."""
        kind = block[156:157]
        size = self._number(at, block)
        place = len(self._pending.blocks)
        self._pending.add(at, block, size)
        if kind in _EXTENDED_KINDS:
            self._pending.odd[place] = None
            if size > LONGEST_NAME:
                raise self._place.damaged(self._data.start + at, f"has a name or attributes of {size} bytes")
            extend(self._place, self._data.start + at, kind, self._read(size, at + BLOCK), self._extended)
            return at + BLOCK + padded(size)
        start = at + BLOCK
        if kind == b"S":
            start = self._after_sparse_map(block, start)
        self._pending.odd[place] = (start, self._extended)
        if self._extended.size is not None:
            self._pending.sizes[place] = size = self._extended.size
        self._extended = Extended()
        return start + (0 if kind in WITHOUT_DATA else padded(size))

    def _after_sparse_map(self, block: bytes, at: int) -> int:
        """Where a sparse member's data begin: its map may go on in blocks, each of which says whether one follows."""
        more = block[482]
        while more:
            more = self._read(BLOCK, at)[504]
            at += BLOCK
        return at

    def _judged(self, at: int) -> TarIndex:
        """The pending headers as rows; raises BadInput for the first that is damaged."""
        pending, start = self._pending, self._data.start
        self._pending = _Pending()
        if not pending.blocks:
            return TarIndex(pa.array([], pa.string()), np.zeros(0, np.int64), np.zeros(0, np.int64), (), ())
        heads = np.frombuffer(b"".join(pending.blocks), np.uint8).reshape(-1, BLOCK)
        for row in np.flatnonzero(suspects(heads)).tolist():
            block, first = pending.blocks[row], start + pending.starts[row]
            if not checksum_fits(block):
                raise self._place.damaged(first, "has no right header")
            if number(self._place, first, block[124:136]) != pending.sizes[row] and row not in pending.odd:
                raise self._place.damaged(first, f"has the size {block[124:136]!r}")
        self._progress("indexing", at, self._data.total, "bytes")
        offsets = np.array(pending.starts, np.int64) + (start + BLOCK)
        sizes = np.array(pending.sizes, np.int64)
        plain = plain_names(heads)
        plain[list(pending.odd)] = False
        if plain.all():
            return TarIndex(ascii_names(heads), offsets, sizes, (), ())
        return _row_by_row(pending, plain, offsets, sizes, start)

    def _read_on(self, at: int) -> tuple[bytes, int]:
        """A window that begins with the header at `at`: long where the last members were small."""
        sizes = self._pending.sizes[-8:]
        near = self._batch > 1 and len(sizes) > 1 and max(sizes) < _NEAR
        self._window = self._read(BLOCK, at, _WINDOW if near else BLOCK)
        self._window_at = at
        return self._window, at

    def _read(self, size: int, at: int, up_to: int = 0) -> bytes:
        data = self._data.read(max(size, up_to), at)
        if len(data) < size:
            total = at + len(data) if self._data.total is None else self._data.total
            if at > total and self._pending.blocks:
                why = f"{_shown_name(self._pending.blocks[-1])} needs {at}"
            else:
                why = f"byte {at + size} is needed" if at < total else "it has no end marker"
            raise self._place.cut_short(total, why)
        return data

    def _number(self, at: int, block: bytes) -> int:
        if not checksum_fits(block):
            raise self._place.damaged(self._data.start + at, "has no right header")
        return number(self._place, self._data.start + at, block[124:136])

    def _require_end(self, at: int) -> None:
        total, first = self._data.total, self._data.start + at
        if self._extended != Extended():
            raise self._place.damaged(first, "has a long name or attributes and no member for them")
        place = at + BLOCK
        while chunk := self._data.read(_WINDOW, place):
            if chunk.count(0) != len(chunk):
                lost = self._data.start + place + int(np.flatnonzero(np.frombuffer(chunk, np.uint8))[0])
                raise self._place.damaged(first, f"is zeros, as at the end, but data follow at byte {lost}")
            place += len(chunk)
        if place < at + 2 * BLOCK:
            why = "the end marker is two blocks of zeros, and only one is there"
            raise self._place.cut_short(place if total is None else total, why)


def _row_by_row(
    pending: _Pending, plain: NDArray[np.bool_], offsets: NDArray[np.int64], sizes: NDArray[np.int64], start: int
) -> TarIndex:
    names: list[str] = []
    kept: list[int] = []
    folders: list[str] = []
    refusals: list[Refusal] = []
    for row, (block, is_plain) in enumerate(zip(pending.blocks, plain.tolist(), strict=True)):
        if is_plain:
            names.append(block[:100].rstrip(b"\0").decode("ascii"))
            kept.append(row)
            continue
        said = pending.odd.get(row, (pending.starts[row] + BLOCK, None))
        if said is None:
            continue
        offsets[row] = start + said[0]
        one = entry(block, said[1])
        if one.refused:
            refusals.append(Refusal(one.name, one.refused))
        elif one.is_folder:
            folders.append(one.name)
        else:
            names.append(one.name)
            kept.append(row)
    found = pa.array(names, pa.string())
    return TarIndex(found, offsets[kept], sizes[kept], tuple(filter(None, folders)), tuple(refusals))


def _require_each_name_once(index: TarIndex, place: Place) -> None:
    """Raise BadInput for two names that are one on some file system: case and Unicode form make no difference."""
    names = index.names
    code = folded(names).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    first_seen = np.concatenate([[-1], np.maximum.accumulate(code)[:-1]]) if len(code) else code
    again = np.flatnonzero(code <= first_seen)
    if not len(again):
        return
    row = int(again[0])
    other = int(np.flatnonzero(code == code[row])[0])
    raise BadInput(
        f"holds {printable(names[other].as_py())} twice (at bytes {index.offsets[other]} and {index.offsets[row]}; "
        "case and Unicode form make no difference)",
        where=place.file,
        row=place.inner or None,
        fix="Pack the archive again with one file a name",
    )


def _shown_name(block: bytes) -> str:
    return printable(block[:100].split(b"\0", 1)[0].decode(errors="backslashreplace"))
