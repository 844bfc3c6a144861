"""Headers of tar archives: one by itself (its numbers, its name by every convention, what makes a member refused), or
thousands as an array uint8 [n, 512] as long as they are plain."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.records import BadInput

BLOCK = 512
ZEROS = bytes(BLOCK)
REGULAR = (b"0", b"\0", b"7")
WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
FIX = "Get the archive again and compare its size or checksum with the published one"
LONGEST_NAME = 1 << 20
"""Bytes; a longer extended header is an attack, not a name."""
LARGEST = 1 << 62
"""Bytes; a larger size is an attack, and would not fit a column of numbers."""
_CHECKSUM = slice(148, 156)
_OCTAL_6 = 8 ** np.arange(5, -1, -1, dtype=np.int64)
_COLUMNS = np.arange(100)
_SLASH, _DOT = ord("/"), ord(".")
_REFUSED = {
    b"1": "is a hard link",
    b"2": "is a symbolic link",
    b"3": "is a character device",
    b"4": "is a block device",
    b"6": "is a FIFO",
    b"S": "is a sparse file",
}


@dataclass(frozen=True)
class Place:
    """Where a header was read, for messages: the file, the archive in it (empty for the file itself), the byte."""

    file: str
    inner: str = ""

    def damaged(self, at: int, what: str) -> BadInput:
        """The block at a byte of the file is not what it should be."""
        return BadInput(f"is damaged: the block at byte {at} {what}", where=self.file, row=self.inner or None, fix=FIX)

    def cut_short(self, total: int, why: str) -> BadInput:
        """The archive ends too early."""
        return BadInput(f"is cut short: it has {total} bytes, {why}", where=self.file, row=self.inner or None, fix=FIX)


@dataclass
class Extended:
    """What extended headers say of the next member."""

    name: str | None = None
    size: int | None = None
    sparse: bool = False
    unreadable: bool = False


@dataclass(frozen=True)
class Entry:
    """One member; `refused` says why it is left out, empty where it is not."""

    name: str
    is_folder: bool
    refused: str = field(default="")


def entry(block: bytes, extended: Extended | None) -> Entry:
    """The member that a header and the extended headers before it describe; its name without `.` and empty parts."""
    kind = block[156:157]
    extended = extended or Extended()
    refused = _REFUSED.get(kind, "")
    if kind not in (*REGULAR, b"5") and not refused:
        refused = f"is of an unknown kind ({kind!r})"
    if extended.sparse:
        refused = _REFUSED[b"S"]
    name, wrong = _name(block, extended)
    refused = refused or wrong or _bad_name(name)
    # Before POSIX a folder was a regular file whose name ends in a slash.
    is_folder = kind == b"5" or (kind in REGULAR and name.endswith("/"))
    plain = "/".join(part for part in name.split("/") if part not in ("", "."))
    if not refused and not plain and not is_folder:
        refused = "has no name"
    return Entry(printable(name) if refused else plain, is_folder, refused)


def _name(block: bytes, extended: Extended) -> tuple[str, str]:
    """The name, and why it is none."""
    if extended.name is not None:
        return extended.name, "has a name that is not UTF-8" if extended.unreadable else ""
    raw, _, after = block[:100].partition(b"\0")
    wrong = "has more behind the end of its name" if after.strip(b"\0") else ""
    if block[257:263] == b"ustar\0" and block[345]:
        raw = block[345:500].split(b"\0", 1)[0] + b"/" + raw
    try:
        return raw.decode(), wrong
    except UnicodeDecodeError:
        return raw.decode(errors="backslashreplace"), "has a name that is not UTF-8"


def extend(place: Place, at: int, kind: bytes, data: bytes, extended: Extended) -> None:
    """Take in an extended header: a long name (L), a long link (K), attributes of the next member (x) or of all (g)."""
    if kind == b"L":
        try:
            extended.name = data.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            extended.name = data.rstrip(b"\0").decode(errors="backslashreplace")
            extended.unreadable = True
        return
    if kind == b"K":
        return
    attributes = _attributes(place, at, data)
    if kind == b"g":
        if {"path", "size"} & set(attributes):
            raise place.damaged(at, "gives one name or size to every member")
        return
    extended.name = attributes.get("path", extended.name)
    if "size" in attributes:
        if not (attributes["size"].isascii() and attributes["size"].isdigit() and int(attributes["size"]) < LARGEST):
            raise place.damaged(at, f"has the size {attributes['size'][:40]!r}")
        extended.size = int(attributes["size"])
    extended.sparse = extended.sparse or any(key.startswith("GNU.sparse") for key in attributes)


def _attributes(place: Place, at: int, data: bytes) -> dict[str, str]:
    """Records `<length> <key>=<value>\\n` of a pax header; the length counts the whole record."""
    attributes: dict[str, str] = {}
    start = 0
    while start < len(data):
        digits, space, _ = data[start : start + 20].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record = data[start : start + length]
        key, equals, value = record[len(digits) + 1 :].partition(b"=")
        if length == 0 or len(record) != length or not equals or not record.endswith(b"\n"):
            raise place.damaged(at, "has attributes that cannot be read")
        if key in (b"path", b"size") or key.startswith(b"GNU.sparse"):
            try:
                text = value[:-1].decode()
                name = key.decode()
            except UnicodeDecodeError as error:
                raise place.damaged(at, "has attributes that are not UTF-8") from error
            if name in ("path", "size") and name in attributes:
                raise place.damaged(at, f"gives the {name} twice")
            attributes[name] = text
        start += length
    return attributes


def checksum_fits(block: bytes) -> bool:
    """Whether a header's sum is the one that it states."""
    return octal(block[_CHECKSUM]) == sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ")


def octal(raw: bytes) -> int | None:
    """An octal number padded with spaces or NULs; None where it is none."""
    text = raw.strip(b" \0")
    return int(text, 8) if text and all(digit in b"01234567" for digit in text) else None


def number(place: Place, at: int, raw: bytes) -> int:
    """A size: an octal number, or the 256-base form that GNU tar has for 8 GiB and more."""
    value = int.from_bytes(raw[1:], "big") if raw[0] == 0x80 else octal(raw)
    if value is None or value >= LARGEST:
        raise place.damaged(at, f"has the size {raw!r}")
    return value


def padded(size: int) -> int:
    """A size rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def printable(name: str) -> str:
    """A name as it may be shown."""
    return name if name.isprintable() else repr(name)


def folded(names: pa.StringArray) -> pa.StringArray:
    """What is equal for two names that are one on some file system: case and Unicode form make no difference."""
    if pc.all(pc.string_is_ascii(names)).as_py() is not False:
        return pc.ascii_lower(names)
    return pa.array([unicodedata.normalize("NFC", name).casefold() for name in names.to_pylist()], pa.string())


def _bad_name(name: str) -> str:
    if name.startswith("/"):
        return "has an absolute name"
    if ".." in name.split("/"):
        return "has a name that leads out of the archive (..)"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "has control characters in its name"
    return ""


def suspects(heads: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Headers whose checksum is wrong, or whose checksum or size is not written as nearly everybody does."""
    digits = heads[:, 148:154] - ord("0")
    stated = digits @ _OCTAL_6
    own = heads[:, 148:156].sum(axis=1, dtype=np.int64)
    right = heads.sum(axis=1, dtype=np.int64) - own + 8 * ord(" ") == stated
    usual = (digits < 8).all(axis=1) & (heads[:, 154] == 0) & (heads[:, 155] == ord(" "))
    sizes = heads[:, 124:135] - ord("0")
    usual_size = (sizes < 8).all(axis=1) & ((heads[:, 135] == 0) | (heads[:, 135] == ord(" ")))
    return np.asarray(~(right & usual & usual_size))


def plain_names(heads: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Names of printable ASCII without a prefix, and without parts that are empty or begin with a dot."""
    name = heads[:, :100]
    length = _lengths(name)
    inside = length[:, None] > _COLUMNS
    slash = name == _SLASH
    part_begins = np.concatenate([np.ones((len(name), 1), bool), slash[:, :-1]], axis=1)
    usual = (name >= ord(" ")) & (name < 127)
    usual &= ~(part_begins & (slash | (name == _DOT)))
    last = name[np.arange(len(name)), np.maximum(length - 1, 0)]
    whole = np.where(inside, usual, name == 0).all(axis=1)
    return np.asarray(whole & (length > 0) & (last != _SLASH) & (heads[:, 345] == 0))


def _lengths(name: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Bytes before the first NUL."""
    ends = name == 0
    return np.asarray(np.where(ends.any(axis=1), ends.argmax(axis=1), name.shape[1]))


def ascii_names(heads: NDArray[np.uint8]) -> pa.StringArray:
    """The names of headers that are all plain."""
    name = heads[:, :100]
    length = _lengths(name)
    ends = np.concatenate([[0], np.cumsum(length)]).astype(np.int32)
    letters = name[length[:, None] > _COLUMNS]
    return pa.StringArray.from_buffers(len(name), pa.py_buffer(ends), pa.py_buffer(letters))
