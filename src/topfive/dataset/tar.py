"""A strict reader of tar archives: where each file's bytes lie, and a refusal of whatever is not whole or not plain.

Python's `tarfile` takes a damaged header, a zeroed one or a cut between two members for the end of the archive and
says nothing. Here an archive must have right checksums and the end marker, and nothing but zeros after it; so an index
that is returned is of the whole archive. Nothing is ever extracted.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from topfive.records import BadInput, Progress, silent

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_LONGEST_NAME = 1 << 20
"""A longer extended header is an attack, not a name."""
_CHECKSUM = slice(148, 156)
_REFUSED = {
    b"1": "is a hard link",
    b"2": "is a symbolic link",
    b"3": "is a character device",
    b"4": "is a block device",
    b"6": "is a FIFO",
    b"S": "is a sparse file",
}
_REGULAR = (b"0", b"\0", b"7")
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
_FIX = "Get the archive again and compare its size or checksum with the published one"


class Member(NamedTuple):
    """One file in an archive: its name (no `.` or empty parts), and its bytes [offset, offset + size)."""

    name: str
    offset: int
    size: int


class Refusal(NamedTuple):
    """A member that is left out, and why."""

    name: str
    reason: str


class TarIndex(NamedTuple):
    """Everything in an archive, in its order; `folders` without a trailing slash."""

    members: tuple[Member, ...]
    folders: tuple[str, ...]
    refusals: tuple[Refusal, ...]


def looks_like_tar(path: Path) -> bool:
    """Whether the first block is a tar header (or an empty archive's end marker)."""
    with path.open("rb") as file:
        block = file.read(_BLOCK)
    return len(block) == _BLOCK and (block == _ZEROS or _checksum_fits(block))


def read_tar(path: Path, progress: Progress = silent) -> TarIndex:
    """Index an archive; raises BadInput naming the byte where it is damaged, cut short, or holds one name twice.

    Links, devices, sparse files and names that lead out of the archive or hold control characters are refusals.
    """
    members: list[Member] = []
    folders: list[str] = []
    refusals: list[Refusal] = []
    seen: dict[str, int] = {}
    for entry in _entries(path, progress):
        reason = entry.refused or _bad_name(entry.name)
        name = "/".join(part for part in entry.name.split("/") if part not in ("", "."))
        if not reason and not name and entry.kind != b"5":
            reason = "has no name"
        if reason:
            refusals.append(Refusal(_printable(entry.name), reason))
            continue
        if entry.kind == b"5":
            folders.append(name)
            continue
        first = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), len(members))
        if first != len(members):
            other = members[first]
            raise BadInput(
                f"holds {_printable(other.name)} twice (at bytes {other.offset} and {entry.offset}; "
                "case and Unicode form make no difference)",
                where=path,
                fix="Pack the archive again with one file a name",
            )
        members.append(Member(name, entry.offset, entry.size))
    return TarIndex(tuple(members), tuple(filter(None, folders)), tuple(refusals))


@dataclass
class _Entry:
    name: str
    kind: bytes
    offset: int
    size: int
    refused: str = ""


@dataclass
class _Extended:
    """What extended headers say of the next member."""

    name: str | None = None
    size: int | None = None
    sparse: bool = False
    unreadable: bool = False
    whole_archive: dict[str, str] = field(default_factory=dict)


def _entries(path: Path, progress: Progress) -> Iterator[_Entry]:
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        if total == 0:
            raise BadInput("is empty (0 bytes)", where=path, fix=_FIX)
        at, count, extended = 0, 0, _Extended()
        while True:
            block = _read(path, file.fileno(), at, _BLOCK, total)
            if block == _ZEROS:
                _require_end(path, file.fileno(), at, total)
                if extended != _Extended():
                    raise _damaged(path, at, "has a long name or attributes and no member for them")
                progress("indexing", total, total, "bytes")
                return
            if not _checksum_fits(block):
                raise _damaged(path, at, "has no right header")
            kind = block[156:157]
            size = _number(path, at, block[124:136])
            if kind in b"LKxg":
                data = _read(path, file.fileno(), at + _BLOCK, _name_size(path, at, size), total)
                _extend(path, at, kind, data, extended)
                at += _BLOCK + _padded(size)
                continue
            start = at + _BLOCK
            if kind == b"S":
                start = _after_sparse_map(path, file.fileno(), block, start, total)
            entry = _entry(block, kind, start, size, extended)
            extended = _Extended()
            end = entry.offset + (0 if kind in _WITHOUT_DATA else _padded(entry.size))
            if end > total:
                raise _cut_short(path, total, f"{_printable(entry.name)} needs {end}")
            yield entry
            at = end
            count += 1
            if count % 1024 == 0:
                progress("indexing", at, total, "bytes")


def _after_sparse_map(path: Path, handle: int, block: bytes, at: int, total: int) -> int:
    """Where a sparse member's data begin: its map may go on in blocks, each of which says whether one follows."""
    more = block[482]
    while more:
        more = _read(path, handle, at, _BLOCK, total)[504]
        at += _BLOCK
    return at


def _entry(block: bytes, kind: bytes, offset: int, size: int, extended: _Extended) -> _Entry:
    refused = _REFUSED.get(kind, "")
    if kind not in (*_REGULAR, b"5") and not refused:
        refused = f"is of an unknown kind ({kind!r})"
    if extended.sparse:
        refused = _REFUSED[b"S"]
    raw = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and block[345]:
        raw = block[345:500].split(b"\0", 1)[0] + b"/" + raw
    try:
        name = raw.decode() if extended.name is None else extended.name
    except UnicodeDecodeError:
        name, refused = raw.decode(errors="backslashreplace"), "has a name that is not UTF-8"
    if extended.unreadable:
        refused = "has a name that is not UTF-8"
    # Before POSIX a folder was a regular file whose name ends in a slash.
    if kind in _REGULAR and name.endswith("/"):
        kind = b"5"
    return _Entry(name, kind, offset, size if extended.size is None else extended.size, refused)


def _extend(path: Path, at: int, kind: bytes, data: bytes, extended: _Extended) -> None:
    if kind == b"L":
        try:
            extended.name = data.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            extended.name = data.rstrip(b"\0").decode(errors="backslashreplace")
            extended.unreadable = True
        return
    if kind == b"K":
        return
    attributes = _attributes(path, at, data)
    if kind == b"g":
        if {"path", "size"} & set(attributes):
            raise _damaged(path, at, "gives one name or size to every member")
        return
    extended.name = attributes.get("path", extended.name)
    if "size" in attributes:
        if not (attributes["size"].isascii() and attributes["size"].isdigit()):
            raise _damaged(path, at, f"has the size {attributes['size']!r}")
        extended.size = int(attributes["size"])
    extended.sparse = any(key.startswith("GNU.sparse") for key in attributes)


def _attributes(path: Path, at: int, data: bytes) -> dict[str, str]:
    """Records `<length> <key>=<value>\\n` of a pax header; the length counts the whole record."""
    attributes = {}
    place = 0
    while place < len(data):
        digits, space, _ = data[place : place + 20].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record = data[place : place + length]
        key, equals, value = record[len(digits) + 1 :].partition(b"=")
        if length == 0 or len(record) != length or not equals or not record.endswith(b"\n"):
            raise _damaged(path, at, "has attributes that cannot be read")
        if key in (b"path", b"size") or key.startswith(b"GNU.sparse"):
            try:
                attributes[key.decode()] = value[:-1].decode()
            except UnicodeDecodeError as error:
                raise _damaged(path, at, "has attributes that are not UTF-8") from error
        place += length
    return attributes


def _require_end(path: Path, handle: int, at: int, total: int) -> None:
    if at + 2 * _BLOCK > total:
        raise _cut_short(path, total, "the end marker is two blocks of zeros, and only one is there")
    place = at
    while chunk := os.pread(handle, 1 << 20, place):
        if chunk.count(0) != len(chunk):
            lost = place + next(i for i, byte in enumerate(chunk) if byte)
            raise _damaged(path, at, f"is zeros, as at the end, but data follow at byte {lost}")
        place += len(chunk)


def _read(path: Path, handle: int, at: int, size: int, total: int) -> bytes:
    data = os.pread(handle, size, at)
    if len(data) != size:
        raise _cut_short(path, total, f"byte {at + size} is needed" if at < total else "it has no end marker")
    return data


def _checksum_fits(block: bytes) -> bool:
    return _octal(block[_CHECKSUM]) == sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ")


def _octal(raw: bytes) -> int | None:
    text = raw.strip(b" \0")
    return int(text, 8) if text and all(digit in b"01234567" for digit in text) else None


def _number(path: Path, at: int, raw: bytes) -> int:
    """A size: an octal number, or the 256-base form that GNU tar has for 8 GiB and more."""
    value = int.from_bytes(raw[1:], "big") if raw[0] == 0x80 else _octal(raw)
    if value is None:
        raise _damaged(path, at, f"has the size {raw!r}")
    return value


def _name_size(path: Path, at: int, size: int) -> int:
    if size > _LONGEST_NAME:
        raise _damaged(path, at, f"has a name or attributes of {size} bytes")
    return size


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _bad_name(name: str) -> str:
    if name.startswith("/"):
        return "has an absolute name"
    if ".." in name.split("/"):
        return "has a name that leads out of the archive (..)"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "has control characters in its name"
    return ""


def _printable(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _damaged(path: Path, at: int, what: str) -> BadInput:
    return BadInput(f"is damaged: the block at byte {at} {what}", where=path, fix=_FIX)


def _cut_short(path: Path, total: int, why: str) -> BadInput:
    return BadInput(f"is cut short: it has {total} bytes, {why}", where=path, fix=_FIX)
