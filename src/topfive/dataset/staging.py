"""A folder written file by file beside its place: it survives being killed, and takes its name when it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topfive.records import growing_folder, replacing


class Staging:
    """The folder in the making. A file that is there whole is kept; all that nobody asked for goes at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._asked: set[str] = set()
        self._digests: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """All files asked for, sorted."""
        return sorted(self._asked)

    def digest(self, name: str) -> str:
        """SHA-256 of a file that is there whole."""
        if name not in self._digests:
            with (self.folder / name).open("rb") as file:
                self._digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[name]

    def has(self, name: str) -> bool:
        """Whether a file written by `file` is there already; asking for it keeps it."""
        self._asked.add(name)
        return (self.folder / name).is_file()

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """Yield a path to write to; on success it is synced and takes its name, so that what is there is whole."""
        self._asked.add(name)
        with replacing(self.folder / name) as part:
            yield part

    def blob(self, name: str, data: bytes) -> None:
        """Write a small file. It is synced at the end only, so one that is there already is compared, not trusted."""
        self._asked.add(name)
        self._digests[name] = hashlib.sha256(data).hexdigest()
        path = self.folder / name
        try:
            if path.stat().st_size == len(data) and path.read_bytes() == data:
                return
        except OSError:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def finish(self) -> None:
        """Remove what was not asked for (pieces of a killed process), and sync the rest."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
                else:
                    _sync(path, os.O_RDONLY)
            elif path.relative_to(self.folder).as_posix() in self._asked:
                _sync(path, os.O_RDWR)
            elif path.parent != self.folder or not path.name.startswith("."):
                path.unlink()
        _sync(self.folder, os.O_RDONLY)


@contextmanager
def staging(target: Path, plan: str) -> Iterator[Staging]:
    """Yield what is there of the folder `target` for this `plan`, a digest of all that decides its bytes.

    What a stopped or killed process left is gone on with; see `growing_folder`, and what it raises.
    """
    with growing_folder(target, plan) as part:
        stage = Staging(part)
        yield stage
        stage.finish()


def _sync(path: Path, how: int) -> None:
    handle = os.open(path, how)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
