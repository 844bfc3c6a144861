"""Reading pictures where they lie: bytes [offset, offset + size) of a file, from any number of threads at once."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path

from topfive.loading.remote import is_remote, read_range
from topfive.records import BadInput

_KEPT_OPEN = 128
"""Archives kept open at once; the usual limit of a process is 1,024 files. Nothing is closed while in use."""


class Containers:
    """The files under one dataset folder, and remote ones by URL. `sizes` says how long some were when imported."""

    def __init__(self, root: Path, sizes: Mapping[str, int]) -> None:
        self._root = root
        self._sizes = dict(sizes)
        self._open: dict[str, int] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._open)

    def read(self, container: str, offset: int, size: int, *, keep: bool, row: str) -> bytes:
        """One picture's bytes; raises BadInput naming file and `row` where the container is missing, short or changed.

        `keep` leaves the file open for the next picture: right for archives, wasteful for a file that is the picture.
        """
        try:
            remote = is_remote(container)
            data = read_range(container, offset, size) if remote else self._bytes(container, offset, size, keep, row)
        except OSError as error:
            raise BadInput(
                f"cannot be read ({error.strerror})",
                where=self._root / container,
                row=row,
                fix="Put the file back, or import the source again",
            ) from error
        if len(data) != size:
            raise BadInput(
                f"ends before the picture's {size} bytes at offset {offset}",
                where=container if remote else self._root / container,
                row=row,
                fix="Import the source again",
            )
        return data

    def _bytes(self, container: str, offset: int, size: int, keep: bool, row: str) -> bytes:
        handle = self._open.get(container)
        kept = handle is not None
        if handle is None:
            handle, kept = self._opened(container, keep, row)
        try:
            data = os.pread(handle, size, offset)
            while 0 < len(data) < size and (more := os.pread(handle, size - len(data), offset + len(data))):
                data += more
            return data
        finally:
            if not kept:
                os.close(handle)

    def _opened(self, container: str, keep: bool, row: str) -> tuple[int, bool]:
        """A handle, and whether it stays open after this read."""
        path = self._root / container
        handle = os.open(path, os.O_RDONLY)
        now, then = os.fstat(handle).st_size, self._sizes.get(container)
        if then is not None and now != then:
            os.close(handle)
            raise BadInput(
                f"has {now} bytes and had {then} when it was imported",
                where=path,
                row=row,
                fix="Import the changed source again",
            )
        if not keep:
            return handle, False
        with self._lock:
            if container in self._open:
                os.close(handle)
                return self._open[container], True
            if len(self._open) >= _KEPT_OPEN:
                return handle, False
            self._open[container] = handle
            return handle, True


def _close(handles: dict[str, int]) -> None:
    for handle in handles.values():
        os.close(handle)
