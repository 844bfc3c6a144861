"""One pass over the files of a set: each is read once, from front to back, for its own digest and for its pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.reports import Problem
from topfive.loading import MAX_BYTES, Containers, is_remote, list_files, open_stream
from topfive.records import BadInput, Dataset

_CHUNK = 4 << 20


class Picture(NamedTuple):
    """A row of the manifest and its bytes; `data` is None where they are to be read from a file of their own, and
    `reason` says why they cannot be had."""

    row: int
    data: bytes | None
    reason: str = ""


class FilePart(NamedTuple):
    """Some files of a set by their names, and the rows of the manifest that lie in them, int64."""

    files: frozenset[str]
    rows: NDArray[np.int64]


@dataclass
class Pass:
    """Reads the files of a dataset; `digests` (container to SHA-256) and `problems` (on whole files) fill as it goes.

    `published` has the MD5 of files by name, which are checked beside the digests in `dataset.json`.
    """

    dataset: Dataset
    published: Mapping[str, str]
    digests: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        table = self.dataset.manifest.table
        coded = table["container"].combine_chunks().dictionary_encode()
        self._names: list[str] = coded.dictionary.to_pylist()
        self._code = coded.indices.to_numpy(zero_copy_only=False)
        self._offset = self.dataset.manifest.column("offset")
        self._size = self.dataset.manifest.column("size")
        self._entries = {str(entry["contentUrl"]): entry for entry in _file_objects(self.dataset)}
        self._store = Containers(self.dataset.root, {})

    def pictures(self) -> Iterator[Picture]:
        """Every row once: file by file in order of name, within a file in order of offset."""
        order = np.lexsort((self._offset, self._code))
        ends = np.searchsorted(self._code[order], np.arange(len(self._names) + 1))
        for place in sorted(range(len(self._names)), key=self._names.__getitem__):
            rows = order[ends[place] : ends[place + 1]]
            name = self._names[place]
            if len(rows) > 1 or name in self._entries:
                yield from self._file(name, rows)
            else:
                yield Picture(int(rows[0]), None)
        for name in sorted(self._entries.keys() - set(self._names)):
            yield from self._file(name, np.zeros(0, np.int64))

    def parts(self, least: int) -> list[FilePart]:
        """All files and rows once, in order of name: whole files, of at least so many rows together."""
        order = np.argsort(self._code, kind="stable")
        ends = np.searchsorted(self._code[order], np.arange(len(self._names) + 1))
        rows_of = {name: order[ends[at] : ends[at + 1]] for at, name in enumerate(self._names)}
        parts: list[FilePart] = []
        names: list[str] = []
        n = 0
        for name in sorted(rows_of.keys() | self._entries.keys()):
            names.append(name)
            n += len(rows_of.get(name, ()))
            if n >= least:
                parts.append(_part(names, rows_of))
                names, n = [], 0
        return [*parts, _part(names, rows_of)] if names else parts

    def own_file(self, row: int) -> bytes:
        """The bytes of a picture that is a file by itself, from any thread; raises BadInput naming the file."""
        name = self._names[self._code[row]]
        if self._size[row] > MAX_BYTES:
            raise BadInput(_too_large(self._size[row]), where=self.dataset.container_path(name))
        return self._store.read(name, int(self._offset[row]), int(self._size[row]), keep=False, row=f"row {row}")

    def _file(self, name: str, rows: NDArray[np.int64]) -> Iterator[Picture]:
        path = self.dataset.container_path(name)
        large = self._size[rows] > MAX_BYTES
        for row in rows[large].tolist():
            yield Picture(row, None, f"{path}: {_too_large(self._size[row])}")
        rows, done = rows[~large], 0
        try:
            for picture in self._from_front_to_back(name, path, rows):
                yield picture
                done += 1
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        except BadInput as error:
            reason = error.reason
        else:
            return
        self.problems.append(Problem(path.name, reason))
        for row in rows[done:].tolist():
            yield Picture(row, None, f"{path}: {reason}")

    def _from_front_to_back(self, name: str, path: Path, rows: NDArray[np.int64]) -> Iterator[Picture]:
        entry = self._entries.get(name, {})
        remote = is_remote(name)
        size = str(entry.get("contentSize", "")).removesuffix(" B")
        now = list_files(name)[0][2] if remote else path.stat().st_size
        if size.isdigit() and int(size) != now:
            raise BadInput(f"has {now} bytes and had {size} when it was imported")
        states = {"sha256": hashlib.sha256()}
        if "md5" in entry or path.name in self.published:
            states["md5"] = hashlib.md5(usedforsecurity=False)
        at, place, held = 0, 0, bytearray()
        with open_stream(name) if remote else path.open("rb", buffering=0) as file:
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
        self.digests[name] = states["sha256"].hexdigest()
        self._compare(path.name, entry, {kind: state.hexdigest() for kind, state in states.items()})
        for row in rows[place:].tolist():
            yield Picture(
                row, None, f"{path}: ends before the picture's {self._size[row]} bytes at {self._offset[row]}"
            )

    def _compare(self, name: str, entry: Mapping[str, Any], now: Mapping[str, str]) -> None:
        if name in self.published and self.published[name] != now["md5"]:
            reason = f"is not the published archive: its MD5 is {now['md5']}, not {self.published[name]}"
            self.problems.append(Problem(name, reason))
        for kind in ("sha256", "md5"):
            then = entry.get(kind, now.get(kind))
            if then != now.get(kind) and then != self.published.get(name):
                title = {"sha256": "SHA-256", "md5": "MD5"}[kind]
                reason = f"its bytes have changed ({title} {now[kind][:12]}, imported as {str(then)[:12]})"
                self.problems.append(Problem(name, reason))


def _part(names: list[str], rows_of: Mapping[str, NDArray[np.int64]]) -> FilePart:
    none = np.zeros(0, np.int64)
    return FilePart(frozenset(names), np.concatenate([none, *(rows_of.get(name, none) for name in names)]))


def _file_objects(dataset: Dataset) -> list[dict[str, Any]]:
    entries = dataset.about.get("distribution", [])
    return [entry for entry in entries if entry.get("@type") == "cr:FileObject" and "contentUrl" in entry]


def _too_large(size: int) -> str:
    return f"has {size} bytes, more than the {MAX_BYTES} allowed"
