"""Passes over the files of a set: files from front to back for their own digests and their pictures, or some pictures
of one archive."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.pieces import file_objects
from topfive.dataset.reports import Problem
from topfive.dataset.seen import Seen, State
from topfive.loading import MAX_BYTES, Containers, is_remote, list_files, open_stream
from topfive.records import BadInput, Dataset

_CHUNK = 4 << 20


class Picture(NamedTuple):
    """A row of the manifest and its bytes; `data` is None where they are to be read from a file of their own, and
    `reason` says why they cannot be had."""

    row: int
    data: bytes | None
    reason: str = ""


@dataclass
class Pass:
    """Reads the files of a dataset: `digests` (container to SHA-256), `problems` (on whole files), `states`, `broken`
    and `readable` (as `Seen` has them) fill as it goes.

    `published` has the MD5 of files by name, which are checked beside the digests in `dataset.json`.
    """

    dataset: Dataset
    published: Mapping[str, str]
    digests: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)
    readable: bool = True

    def __post_init__(self) -> None:
        coded = self.dataset.manifest.source.column("container").combine_chunks().dictionary_encode()
        self._names: list[str] = coded.dictionary.to_pylist()
        self._code = coded.indices.to_numpy(zero_copy_only=False)
        self._offset = self.dataset.manifest.column("offset")
        self._size = self.dataset.manifest.column("size")
        self._entries = {str(entry["contentUrl"]): entry for entry in file_objects(self.dataset)}
        self._store = Containers(self.dataset.root, {})

    def pictures(self, *, whole: bool) -> Iterator[Picture]:
        """Every row once: file by file in order of name, within a file in order of offset; files are read from their
        fronts to their ends for their digests if `whole`, else from the first of these rows to the last."""
        order = np.lexsort((self._offset, self._code))
        ends = np.searchsorted(self._code[order], np.arange(len(self._names) + 1))
        rows_of = {name: order[ends[at] : ends[at + 1]] for at, name in enumerate(self._names)}
        none = np.zeros(0, np.int64)
        for name in sorted(rows_of.keys() | self._entries.keys()):
            rows = rows_of.get(name, none)
            if len(rows) == 1 and name not in self._entries and whole:
                yield Picture(int(rows[0]), None)
            else:
                yield from self._file(name, rows, whole)

    def own_file(self, row: int) -> bytes:
        """The bytes of a picture that is a file by itself, from any thread; raises BadInput naming the file."""
        name = self._names[self._code[row]]
        path = self.dataset.container_path(name)
        if self._size[row] > MAX_BYTES:
            raise BadInput(_too_large(self._size[row]), where=path)
        self.states[name] = state_of(path)
        try:
            return self._store.read(name, int(self._offset[row]), int(self._size[row]), keep=False, row=f"row {row}")
        except BadInput:
            self.readable = False
            raise

    def digested(self, name: str) -> Iterator[int]:
        """Reads a file for its own digests alone, and says after each piece how many bytes that were."""
        path, at = self.dataset.container_path(name), 0
        try:
            self._size_now(name, path)
            states = self._hashes(name, path)
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(_CHUNK):
                    for state in states.values():
                        state.update(chunk)
                    at += len(chunk)
                    yield at
            self._compare(name, path, states)
        except (OSError, BadInput) as error:
            reason = self._reason(error)
            self.problems.append(Problem(path.name, reason))
            self.broken[name] = at, f"{path}: {reason}"

    def told(self, pictures: Seen) -> Seen:
        """What was seen of pictures, with what this has seen of files."""
        return replace(
            pictures,
            digests=self.digests,
            problems=self.problems,
            states=self.states,
            broken=self.broken,
            readable=self.readable,
        )

    def _file(self, name: str, rows: NDArray[np.int64], whole: bool) -> Iterator[Picture]:
        path = self.dataset.container_path(name)
        large = self._size[rows] > MAX_BYTES
        for row in rows[large].tolist():
            yield Picture(row, None, f"{path}: {_too_large(self._size[row])}")
        rows, done = rows[~large], 0
        try:
            offset, size = self._offset[rows], self._size[rows]
            beyond = (offset < 0) | (size < 0) | (offset > self._size_now(name, path) - size)
            for row in rows[beyond].tolist():
                yield Picture(row, None, self._cut(path, row))
            rows = rows[~beyond]
            for picture in self._front_to_back(name, path, rows) if whole else self._range(name, path, rows):
                yield picture
                done += 1
        except (OSError, BadInput) as error:
            reason = self._reason(error)
            if whole:
                self.problems.append(Problem(path.name, reason))
        else:
            return
        for row in rows[done:].tolist():
            yield Picture(row, None, f"{path}: {reason}")

    def _reason(self, error: OSError | BadInput) -> str:
        if isinstance(error, BadInput):
            return error.reason
        self.readable = False
        return f"cannot be read ({error.strerror})"

    def _size_now(self, name: str, path: Path) -> int:
        """Bytes of a file; raises BadInput where it had another number at import."""
        if is_remote(name):
            now, changed = list_files(name)[0][2], 0
        else:
            found = path.stat()
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            now, changed = found.st_size, found.st_mtime_ns
        self.states[name] = now, changed
        size = str(self._entries.get(name, {}).get("contentSize", "")).removesuffix(" B")
        if size.isdigit() and int(size) != now:
            raise BadInput(f"has {now} bytes and had {size} when it was imported")
        return now

    def _hashes(self, name: str, path: Path) -> dict[str, Any]:
        states = {"sha256": hashlib.sha256()}
        if "md5" in self._entries.get(name, {}) or path.name in self.published:
            states["md5"] = hashlib.md5(usedforsecurity=False)
        return states

    def _front_to_back(self, name: str, path: Path, rows: NDArray[np.int64]) -> Iterator[Picture]:
        states = self._hashes(name, path)
        at, place, held = 0, 0, bytearray()
        with open_stream(name) if is_remote(name) else path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                for state in states.values():
                    state.update(chunk)
                held += chunk
                while place < len(rows) and self._offset[rows[place]] + self._size[rows[place]] <= at + len(held):
                    row = int(rows[place])
                    start = int(self._offset[row]) - at
                    yield Picture(row, bytes(held[start : start + int(self._size[row])]))
                    place += 1
                free = int(self._offset[rows[place]]) - at if place < len(rows) else len(held)
                free = min(free, len(held))
                del held[:free]
                at += free
        self._compare(name, path, states)
        for row in rows[place:].tolist():
            yield Picture(row, None, self._cut(path, row))

    def _range(self, name: str, path: Path, rows: NDArray[np.int64]) -> Iterator[Picture]:
        """Some rows of one archive, a chunk at a time; once a chunk cannot be read, a picture at a time."""
        offsets, ends, chunk, place = self._offset[rows], self._offset[rows] + self._size[rows], _CHUNK, 0
        with path.open("rb", buffering=0) as file:
            while place < len(rows):
                first = int(offsets[place])
                last = max(place + 1, int(np.searchsorted(offsets, first + chunk)))
                file.seek(first)
                try:
                    data = _exactly(file, int(ends[place:last].max()) - first)
                except OSError:
                    if not chunk:
                        raise
                    chunk = 0
                    continue
                for row in rows[place:last].tolist():
                    start = int(self._offset[row]) - first
                    one = data[start : start + int(self._size[row])]
                    short = len(one) < self._size[row]
                    yield Picture(row, None, self._cut(path, row)) if short else Picture(row, one)
                place = last

    def _cut(self, path: Path, row: int) -> str:
        return f"{path}: ends before the picture's {self._size[row]} bytes at {self._offset[row]}"

    def _compare(self, name: str, path: Path, states: Mapping[str, Any]) -> None:
        """Take the digests of a file that has been read to its end, and say where they are not as they should be."""
        now = {kind: state.hexdigest() for kind, state in states.items()}
        entry, published = self._entries.get(name, {}), self.published.get(path.name)
        self.digests[name] = now["sha256"]
        if published is not None and published != now["md5"]:
            reason = f"is not the published archive: its MD5 is {now['md5']}, not {published}"
            self.problems.append(Problem(path.name, reason))
        for kind in ("sha256", "md5"):
            then = entry.get(kind, now.get(kind))
            if then != now.get(kind) and then != published:
                title = {"sha256": "SHA-256", "md5": "MD5"}[kind]
                reason = f"its bytes have changed ({title} {now[kind][:12]}, imported as {str(then)[:12]})"
                self.problems.append(Problem(path.name, reason))


def state_of(path: Path) -> State:
    """Size and time of change of a file; (-1, 0) where there is none."""
    try:
        found = path.stat()
    except OSError:
        return -1, 0
    return found.st_size, found.st_mtime_ns


def _exactly(file: Any, size: int) -> bytes:
    """So many bytes of an open file, fewer where it ends."""
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data = data + more if data else more
    return data


def _too_large(size: int) -> str:
    return f"has {size} bytes, more than the {MAX_BYTES} allowed"
