"""Containers that are not on this machine: any URL that fsspec reads (https, s3, gs, memory, ...), in ranges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from topfive.records import BadInput


def is_remote(name: str) -> bool:
    """Whether a container or source is named by a URL."""
    return "://" in name


def read_range(url: str, offset: int, size: int) -> bytes:
    """Bytes [offset, offset + size) of a remote file, fewer where it ends before; raises BadInput naming the URL."""
    files, path = _opened(url)
    try:
        return bytes(files.cat_file(path, start=offset, end=offset + size))
    except Exception as error:  # each kind of store raises errors of its own
        raise _unread(url, error) from error


@contextmanager
def open_stream(url: str) -> Iterator[Stream]:
    """A remote file to read from front to back; raises BadInput naming the URL, midway too."""
    files, path = _opened(url)
    try:
        file = files.open(path, "rb")
    except Exception as error:
        raise _unread(url, error) from error
    with file:
        yield Stream(url, file)


class Stream:
    """An open remote file."""

    def __init__(self, url: str, file: Any) -> None:
        self._url, self._file = url, file

    def read(self, size: int) -> bytes:
        """The next bytes, up to `size`, none at the end; raises BadInput naming the URL."""
        try:
            return bytes(self._file.read(size))
        except Exception as error:
            raise _unread(self._url, error) from error


def list_files(url: str) -> list[tuple[str, str, int]]:
    """Name relative to `url`, URL and size of each file at or below it, sorted; raises BadInput naming the URL."""
    files, path = _opened(url)
    try:
        found = files.find(path, detail=True)
    except Exception as error:
        reason = f"cannot be listed ({type(error).__name__}: {error})"
        raise BadInput(reason, where=url, fix="Look whether the URL is right") from error
    top = path.rstrip("/")
    rows = []
    for name, known in found.items():
        size = known.get("size")
        if size is None:
            where = str(files.unstrip_protocol(name))
            raise BadInput("does not say how large it is", where=where, fix="Copy it to a disk and import that")
        below = name.removeprefix(top).lstrip("/") or name.rpartition("/")[2]
        rows.append((below, str(files.unstrip_protocol(name)), int(size)))
    return sorted(rows)


def _unread(url: str, error: Exception) -> BadInput:
    reason = f"cannot be read ({type(error).__name__}: {error})"
    return BadInput(reason, where=url, fix="Try again, or look whether the URL is right")


@lru_cache(maxsize=64)
def _opened(url: str) -> tuple[Any, str]:
    """The store of a URL, and the path in it."""
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url)
    except ImportError as error:
        raise BadInput(f"cannot be opened ({error})", where=url, fix="Install the package that fsspec names") from error
    except Exception as error:
        raise BadInput(f"cannot be opened ({error})", where=url, fix="Name a URL that fsspec reads") from error
    return files, str(path)
