"""The one durable write: aside in the same folder, sync, rename, sync the folder (POSIX promises no less ordering)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topfive.records.errors import BadInput


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _place(target: Path) -> Iterator[None]:
    """A place that cannot be written to is a mistake in its name; what fails later is not."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"cannot be written ({error.strerror})", where=target, fix="Name another place") from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write to; on success it is synced and renamed over `target`.

    On any exception the part file is removed and `target` is as it was. A sync that fails is fatal:
    it is never retried, since the kernel may have dropped the pages.
    """
    target = Path(target)
    if target.is_dir():
        raise BadInput("is a folder", where=target, fix="Name a file")
    with _place(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(target)
        _sync_folder(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` to fill; on success its files are synced and it takes the name.

    Raises BadInput where `target` exists and is not an empty folder. Nothing half-written is left behind.
    """
    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput("is there already", where=target, fix="Name a new folder, or remove this one first")
    with _place(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    part = Path(made)
    try:
        yield part
        for path in part.rglob("*"):
            if path.is_file():
                with path.open("rb+") as written:
                    os.fsync(written.fileno())
            else:
                _sync_folder(path)
        _sync_folder(part)
        part.chmod(0o777 & ~_umask())
        if target.exists():
            target.rmdir()
        part.rename(target)
        _sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 durably: readers see the old file or the new one, never a part."""
    with replacing(target) as part:
        part.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
