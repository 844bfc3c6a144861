"""A source as a list of files: a folder or a tar archive look alike to an importer, and their bytes stay in place."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from topfive.dataset.reports import Problem
from topfive.dataset.tar import TarIndex, looks_like_tar, read_span, read_tar
from topfive.dataset.tar_header import Place
from topfive.loading import Containers, is_remote, list_files, read_range
from topfive.records import BadInput, Progress, silent

COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"\x28\xb5\x2f\xfd")
"""How compressed files begin: gzip, bzip2, xz, zip, zstd."""


class SourceFile(NamedTuple):
    """A file at `path` (relative, `/` between parts) whose bytes are [offset, offset + size) of `container`."""

    path: str
    container: str
    offset: int
    size: int


@dataclass(frozen=True)
class Source:
    """The files and the folders of a source, both sorted by path; `problems` are its refused entries.

    `root` is its path as it was given. A compressed archive is a source of one file: itself.
    """

    root: str
    is_archive: bool
    files: tuple[SourceFile, ...]
    folders: tuple[str, ...]
    problems: tuple[Problem, ...]

    @cached_property
    def by_path(self) -> dict[str, SourceFile]:
        """The files by path."""
        return {file.path: file for file in self.files}

    @property
    def name(self) -> str:
        """Its last part: a file's or folder's name."""
        return self.root.rpartition("/")[2] if is_remote(self.root) else Path(self.root).resolve().name

    @property
    def container(self) -> str:
        """The absolute path (or the URL) of an archive, or of the folder."""
        return self.root if is_remote(self.root) else str(Path(self.root).resolve())

    @property
    def n_bytes(self) -> int:
        """Size of the archive."""
        return list_files(self.root)[0][2] if is_remote(self.root) else Path(self.root).stat().st_size

    @cached_property
    def _store(self) -> Containers:
        return Containers(Path("/"), {})

    def read(self, file: SourceFile) -> bytes:
        """All bytes of a file; raises BadInput naming it."""
        return self._store.read(file.container, file.offset, file.size, keep=self.is_archive, row=file.path)

    def read_start(self, file: SourceFile) -> bytes:
        """The first 64 bytes of a file, or fewer."""
        return self.read(file._replace(size=min(file.size, 64)))

    def read_lines(self, file: SourceFile) -> list[str]:
        """The lines of a text file without their ends; raises BadInput where it is not UTF-8."""
        try:
            return self.read(file).decode("utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise BadInput(f"is not UTF-8 text ({error})", where=self.root, row=file.path) from error


def open_source(path: str | Path, progress: Progress = silent) -> Source:
    """List a folder or a tar archive, here or at a URL; raises BadInput where it is missing, empty, damaged or neither.

    Of an archive at a URL only the headers are read.
    """
    remote = is_remote(str(path))
    url, path = str(path), Path(path)
    try:
        if remote:
            source = _remote(url, progress)
        elif path.is_dir():
            source = _folder(path, progress)
        elif path.is_file():
            source = _archive(path, progress)
        else:
            raise BadInput("is not there", where=path, fix="Name a folder or a tar archive")
    except OSError as error:
        where = path if error.filename is None else str(error.filename)
        raise BadInput(f"cannot be read ({error.strerror})", where=where, fix="Mend it, and import again") from error
    if not source.files:
        raise BadInput("has no files in it", where=url, fix="Name a folder or a tar archive with pictures")
    return source


def _archive(path: Path, progress: Progress) -> Source:
    container = str(path.resolve())
    if not looks_like_tar(path):
        with path.open("rb") as file:
            start = file.read(6)
        if start.startswith(COMPRESSED):
            return Source(str(path), False, (SourceFile(path.name, container, 0, path.stat().st_size),), (), ())
        reason = "is no tar archive, or its first header is damaged" if start else "is empty (0 bytes)"
        raise BadInput(reason, where=path, fix="Name a folder or a tar archive, or get the file again")
    return _of_index(str(path), container, read_tar(path, progress))


def _of_index(root: str, container: str, index: TarIndex) -> Source:
    files = sorted(SourceFile(name, container, offset, size) for name, offset, size in index.members)
    parents = {parent for file in files for parent in _parents(file.path)}
    problems = tuple(Problem(name, f"{reason}: left out") for name, reason in index.refusals)
    return Source(root, True, tuple(files), tuple(sorted(parents | set(index.folders))), problems)


def _remote(url: str, progress: Progress) -> Source:
    found = list_files(url)
    if len(found) == 1 and found[0][1].endswith(url.rpartition("/")[2]) and url.endswith(".tar"):
        return _of_index(url, url, read_span(_Ranges(url, found[0][2]), Place(url), progress))
    files = tuple(SourceFile(name, where, 0, size) for name, where, size in found)
    return Source(url, False, files, tuple(sorted({parent for one in files for parent in _parents(one.path)})), ())


class _Ranges:
    """A remote archive for the reader of tars."""

    def __init__(self, url: str, total: int) -> None:
        self.start = 0
        self.total: int | None = total
        self._url = url
        self._length = total

    def read(self, size: int, at: int) -> bytes:
        """Up to `size` bytes at `at`."""
        size = min(size, self._length - at)
        return read_range(self._url, at, size) if size > 0 else b""


def _parents(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def _folder(path: Path, progress: Progress) -> Source:
    root = str(path.resolve())
    files: list[SourceFile] = []
    folders: list[str] = []
    problems: list[Problem] = []
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(f"{root}/{inside}") as entries:
            for entry in entries:
                name = f"{inside}/{entry.name}" if inside else entry.name
                reason = _refusal(entry, name, root)
                if reason:
                    problems.append(Problem(name if name.isprintable() else repr(name), f"{reason}: left out"))
                elif entry.is_dir():
                    folders.append(name)
                    waiting.append(name)
                else:
                    files.append(SourceFile(name, f"{root}/{name}", 0, entry.stat().st_size))
        progress("indexing", len(files), None, "files")
    return Source(str(path), False, tuple(sorted(files)), tuple(sorted(folders)), tuple(sorted(problems)))


def _refusal(entry: os.DirEntry[str], name: str, root: str) -> str:
    """Why a folder's entry is no file to import. Links to files are followed, and at the top those to other folders:
    one below, or back into the source, may be a circle."""
    if not entry.name.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in entry.name):
        return "has control characters in its name, or is not UTF-8"
    if entry.is_symlink() and not Path(entry.path).exists():
        return "is a broken link"
    if entry.is_symlink() and entry.is_dir():
        aim = os.path.realpath(entry.path)
        if "/" in name or os.path.commonpath([aim, root]) in (aim, root):
            return "is a link to a folder" if "/" in name else "is a link back into the source"
    if not entry.is_dir() and not entry.is_file():
        return "is no regular file"
    return ""
