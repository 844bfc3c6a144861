"""A list of class keys as people write it: `classes.tsv`, or text with one wnid or name a line."""

from __future__ import annotations

import re
from pathlib import Path

from topfive.records import BadInput, ClassList

_FIX = "Write one wnid or class name a line, or name a classes.tsv"
_REMARK = re.compile(r"\t|(?:^|\s)#")
_WNID_FIRST = re.compile(r"(n\d{8})[\s,;:]")


def read_class_keys(path: Path) -> tuple[str, ...]:
    """The keys in the file's order, repeated ones too; what follows a wnid, a tab or ` #` is a remark.

    Raises BadInput for a file that is missing, no text, or without a key.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInput(f"cannot be read as a list of classes ({error.strerror})", where=path, fix=_FIX) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"is no text (byte {error.start})", where=path, fix=_FIX) from error
    if lines and lines[0].startswith("index\twnid"):
        return ClassList.read(path).wnids
    keys = [_REMARK.split(line, maxsplit=1)[0].strip() for line in lines]
    found = tuple(match[1] if (match := _WNID_FIRST.match(key)) else key for key in keys if key)
    if not found:
        raise BadInput("names no class", where=path, fix=_FIX)
    return found
