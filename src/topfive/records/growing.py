"""A folder that takes longer to make than a process may live: what is whole in it is kept for the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topfive.records.durable import write_text
from topfive.records.errors import BadInput

_KEY = ".making"


@contextmanager
def growing_folder(target: Path, key: str) -> Iterator[Path]:
    """Yield the folder `.NAME.growing` beside `target`, with what an earlier process of the same `key` left in it.

    On success it takes the name. On an exception or a kill it stays, and the same work goes on in it: each file in it
    must be whole or absent (`replacing`). Work of another key is thrown away. Raises BadInput where `target` is not
    new, and where another process is making it.
    """
    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput("is there already", where=target, fix="Name a new folder, or remove this one first")
    part = target.parent / f".{target.name}.growing"
    try:
        part.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_RDONLY)
    except OSError as error:
        raise BadInput(f"cannot be written ({error.strerror})", where=target, fix="Name another place") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput("is being made by another process", where=target, fix="Wait for it") from error
        _begin(part, key)
        yield part
        (part / _KEY).unlink()
        for folder in (part, *(path for path in part.rglob("*") if path.is_dir())):
            _sync(folder)
        if target.exists():
            target.rmdir()
        part.rename(target)
        _sync(target.parent)
    finally:
        os.close(handle)


def _begin(part: Path, key: str) -> None:
    note = part / _KEY
    if note.is_file() and note.read_text(encoding="utf-8") == key:
        for left in part.rglob(".*.part"):
            left.unlink()
        return
    for path in part.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_text(note, key)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
