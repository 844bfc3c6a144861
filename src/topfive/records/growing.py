"""A folder that takes longer to make than a process may live: what is whole in it is kept for the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topfive.records.durable import place_for, require_new, room_for, sync_folder, write_text
from topfive.records.errors import BadInput

_KEY = ".making"


@contextmanager
def growing_folder(target: Path, key: str) -> Iterator[Path]:
    """Yield the folder `.NAME.growing` beside `target`, with what an earlier process of the same `key` left in it.

    On success it takes the name. On an exception or a kill it stays, and the same work goes on in it: each file in it
    must be whole or absent (`replacing`). Work of another key is thrown away. Raises BadInput where `target` is not
    new, and where another process is making it; WorkFailed where the disk is full or fails.
    """
    target = Path(target)
    require_new(target)
    part = _part(target)
    with place_for(target):
        part.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_RDONLY)
    try:
        if not _held(handle) or not part.is_dir() or not os.path.samestat(os.fstat(handle), part.stat()):
            raise BadInput("is being made by another process", where=target, fix="Wait for it")
        if target.exists() and any(target.iterdir()):  # another process ended since
            part.rmdir()
            require_new(target)
        with room_for(target):
            _begin(part, key)
            yield part
            for folder in (part, *(path for path in part.rglob("*") if path.is_dir())):
                sync_folder(folder)
            (part / _KEY).unlink()
            sync_folder(part)
            if target.exists():
                target.rmdir()
            part.rename(target)
            sync_folder(target.parent)
    finally:
        os.close(handle)


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Make a folder where it is missing, hold it against other processes, and remove what a killed one half wrote.

    Raises BadInput where another process holds it, and where it cannot be made; WorkFailed where the disk fails.
    """
    with place_for(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        if not _held(handle):
            raise BadInput("is being written by another process", where=folder, fix="Wait for it")
        with room_for(folder):
            _clear(folder)
            yield
    finally:
        os.close(handle)


def grown_bytes(target: Path) -> int:
    """Bytes that an earlier process left for `target`: room that the next one uses again."""
    return sum(path.stat().st_size for path in _part(Path(target)).rglob("*") if path.is_file())


def _part(target: Path) -> Path:
    return target.parent / f".{target.name}.growing"


def _held(handle: int) -> bool:
    """Whether nobody else holds an open folder; where the file system has no locks, nobody is known to."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _clear(folder: Path) -> None:
    for left in folder.rglob(".*.part"):
        left.unlink()


def _begin(part: Path, key: str) -> None:
    note = part / _KEY
    if note.is_file() and note.read_bytes() == key.encode():
        _clear(part)
        return
    for path in part.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_text(note, key)
