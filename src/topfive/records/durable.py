"""The one durable write: aside in the same folder, sync, rename, sync the folder (POSIX promises no less ordering)."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topfive.records.errors import BadInput, WorkFailed


def sync_folder(folder: Path) -> None:
    """Make a folder's own entries durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FAILED = _FULL | {errno.EIO, errno.EFBIG, errno.ENXIO, errno.ESTALE}
"""What a disk says that does not hold what it is given: no mistake in a name, and nothing that a person typed."""


class _NoPlace(BadInput):
    def __init__(self, target: Path, number: int | None, words: str) -> None:
        self.number, self.words = number, words
        super().__init__(f"cannot be written ({words})", where=target, fix="Name another place")


class _DiskFailed(WorkFailed):
    def __init__(self, target: Path, number: int | None, words: str) -> None:
        self.number, self.words = number, words
        what, fix = "the disk failed", "See to the disk"
        if number in _FULL:
            what, fix = "the disk is full", "Make room there"
        elif number in (errno.EROFS, errno.EACCES, errno.EPERM):
            what, fix = "the place takes no more writing", "Make it writable again"
        again = "or name another disk, and give the same command again"
        super().__init__(f"{target}: cannot be written: {what} ({words}). {fix}, {again}")


def disk_failed(error: BaseException | None) -> bool:
    """Whether an error is a disk's own: it is full, a quota is used up, or it is worn out."""
    return isinstance(error, OSError) and error.errno in _FAILED


@contextmanager
def place_for(target: Path) -> Iterator[None]:
    """A place that cannot be written to is a mistake in its name; what fails later is not, nor is a full disk."""
    try:
        yield
    except OSError as error:
        if disk_failed(error):
            raise _DiskFailed(target, error.errno, error.strerror or str(error)) from error
        raise _NoPlace(target, error.errno, error.strerror or str(error)) from error


@contextmanager
def room_for(target: Path) -> Iterator[None]:
    """Raise WorkFailed about `target` where the disk fails under work that is begun, whichever file was being written:
    it is full, a quota is used up, it takes no more writing, or is worn out."""
    try:
        yield
    except (_DiskFailed, _NoPlace) as error:
        raise _DiskFailed(target, error.number, error.words) from error
    except OSError as error:
        # NumPy counts bytes where a disk takes no more of them, and gives no number.
        number = errno.ENOSPC if error.errno is None and "requested and" in str(error) else error.errno
        if number not in _FAILED and number != errno.EROFS:
            raise
        raise _DiskFailed(target, number, os.strerror(number)) from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write to; on success it is synced and renamed over `target`.

    On any exception the part file is removed and `target` is as it was. A sync that fails is fatal:
    it is never retried, since the kernel may have dropped the pages. Raises BadInput for a place that cannot be
    written, WorkFailed where the disk is full or fails.
    """
    target = Path(target)
    if target.is_dir():
        raise BadInput("is a folder", where=target, fix="Name a file")
    with place_for(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        with room_for(target):
            yield part
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            part.chmod(0o666 & ~_umask())
            part.replace(target)
            sync_folder(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def require_new(target: Path) -> None:
    """Raise BadInput unless nothing, or an empty folder, is at `target`: to be asked before long work, not after it."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput("is there already", where=target, fix="Name a new folder, or remove this one first")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` to fill; on success its files are synced and it takes the name.

    Raises BadInput where `target` exists and is not an empty folder, WorkFailed where the disk is full or fails.
    Nothing half-written is left behind: not by an exception, and what a killed process left is removed by the next one
    that makes the same folder.
    """
    target = Path(target)
    require_new(target)
    with place_for(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part, held = _part_folder(target)
    try:
        with room_for(target):
            yield part
            for path in part.rglob("*"):
                if path.is_file():
                    with path.open("rb+") as written:
                        os.fsync(written.fileno())
                else:
                    sync_folder(path)
            sync_folder(part)
            part.chmod(0o777 & ~_umask())
            if target.exists():
                target.rmdir()
            part.rename(target)
            sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        os.close(held)


def _part_folder(target: Path) -> tuple[Path, int]:
    """A new folder beside `target`, and a handle that holds it: its lock ends with the process, however that ends.

    Folders for the same target that nobody holds are removed. The parent is held meanwhile, so that none is seen
    between its making and its locking.
    """
    parent = os.open(target.parent, os.O_RDONLY)
    try:
        if not _locked(parent, wait=True):
            return _made(target)
        ours = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}\.part")
        for left in [path for path in target.parent.iterdir() if ours.fullmatch(path.name)]:
            if not left.is_dir() or left.is_symlink():
                continue
            handle = os.open(left, os.O_RDONLY)
            try:
                if _locked(handle):
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)
        part, handle = _made(target)
        _locked(handle)
        return part, handle
    finally:
        os.close(parent)


def _made(target: Path) -> tuple[Path, int]:
    part = tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    return Path(part), os.open(part, os.O_RDONLY)


def _locked(handle: int, *, wait: bool = False) -> bool:
    """Whether a lock on an open file or folder is now ours; False too where the file system has none."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 durably: readers see the old file or the new one, never a part."""
    with replacing(target) as part:
        part.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
