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
from topfive.dataset.tar import looks_like_tar, read_tar
from topfive.loading import Containers
from topfive.records import BadInput, Progress, silent


class SourceFile(NamedTuple):
    """A file at `path` (relative, `/` between parts) whose bytes are [offset, offset + size) of `container`."""

    path: str
    container: str
    offset: int
    size: int


@dataclass(frozen=True)
class Source:
    """The files and the folders of a source, both sorted by path; `problems` are its refused entries."""

    root: Path
    is_archive: bool
    files: tuple[SourceFile, ...]
    folders: tuple[str, ...]
    problems: tuple[Problem, ...]

    @cached_property
    def by_path(self) -> dict[str, SourceFile]:
        """The files by path."""
        return {file.path: file for file in self.files}

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


def open_source(path: Path, progress: Progress = silent) -> Source:
    """List a folder or a tar archive; raises BadInput where it is missing, empty, damaged or neither."""
    path = Path(path)
    try:
        if path.is_dir():
            source = _folder(path, progress)
        elif path.is_file():
            source = _archive(path, progress)
        else:
            raise BadInput("is not there", where=path, fix="Name a folder or a tar archive")
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=path) from error
    if not source.files:
        raise BadInput("has no files in it", where=path, fix="Name a folder or a tar archive with pictures")
    return source


def _archive(path: Path, progress: Progress) -> Source:
    if not looks_like_tar(path):
        with path.open("rb") as file:
            start = file.read(6)
        if not start:
            raise BadInput("is empty (0 bytes)", where=path, fix="Get the file again")
        if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK\x03\x04")):
            raise BadInput(
                "is compressed, and its pictures cannot be read in place", where=path, fix="Unpack it, then import that"
            )
        raise BadInput(
            "is no tar archive, or its first header is damaged", where=path, fix="Name a folder or a tar archive"
        )
    index = read_tar(path, progress)
    container = str(path.resolve())
    files = sorted(SourceFile(name, container, offset, size) for name, offset, size in index.members)
    parents = {parent for file in files for parent in _parents(file.path)}
    problems = tuple(Problem(name, f"{reason}: left out") for name, reason in index.refusals)
    return Source(path, True, tuple(files), tuple(sorted(parents | set(index.folders))), problems)


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
                reason = _refusal(entry, name)
                if reason:
                    problems.append(Problem(name if name.isprintable() else repr(name), f"{reason}: left out"))
                elif entry.is_dir():
                    folders.append(name)
                    waiting.append(name)
                else:
                    files.append(SourceFile(name, f"{root}/{name}", 0, entry.stat().st_size))
        progress("indexing", len(files), None, "files")
    return Source(path, False, tuple(sorted(files)), tuple(sorted(folders)), tuple(sorted(problems)))


def _refusal(entry: os.DirEntry[str], name: str) -> str:
    """Why a folder's entry is no file to import. Links to files are followed; a link to a folder may be a circle."""
    if not entry.name.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in entry.name):
        return "has control characters in its name, or is not UTF-8"
    if entry.is_symlink() and entry.is_dir() and "/" in name:
        return "is a link to a folder"
    if not entry.is_dir() and not entry.is_file():
        return "is a broken link" if entry.is_symlink() else "is no regular file"
    return ""
