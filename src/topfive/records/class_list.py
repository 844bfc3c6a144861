"""ClassList: the classes of a set or a model in their written order; `class_index` is a position in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.records.digests import digest_parts
from topfive.records.durable import write_text
from topfive.records.errors import BadInput, unreadable

UNKNOWN = -1
"""The `class_index` of an image whose label is hidden or missing; only this module defines it."""


@dataclass(frozen=True)
class ClassList:
    """`wnids[i]` is the key of class i and `names[i]` its display name (not a key: names repeat).

    A set without WordNet ids has its own class names as keys. The digest covers the keys in order, not the names.
    """

    wnids: tuple[str, ...]
    names: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """Content digest of the keys in order."""
        return digest_parts(self.wnids)

    @cached_property
    def index(self) -> dict[str, int]:
        """Key to class_index."""
        return {wnid: position for position, wnid in enumerate(self.wnids)}

    def __len__(self) -> int:
        return len(self.wnids)

    def check(self, where: str | Path | None = None) -> None:
        """Raise BadInput naming the first bad row."""
        if len(self.wnids) != len(self.names):
            raise BadInput(f"{len(self.wnids)} keys but {len(self.names)} names", where=where)
        seen: dict[str, int] = {}
        for row, (wnid, name) in enumerate(zip(self.wnids, self.names, strict=True)):
            if not wnid or any(c in wnid + name for c in "\t\r\n"):
                raise BadInput(
                    f"bad class key or name {wnid!r}", where=where, row=row, fix="Use no tabs or line breaks"
                )
            if wnid in seen:
                raise BadInput(f"class {wnid} stands twice (first in row {seen[wnid]})", where=where, row=row)
            seen[wnid] = row

    def positions_in(self, other: ClassList) -> NDArray[np.int32]:
        """The class_index in `other` of each of these classes, int32 [n]; UNKNOWN where `other` lacks it."""
        return np.array([other.index.get(wnid, UNKNOWN) for wnid in self.wnids], dtype=np.int32)

    def write(self, path: Path) -> None:
        """Write `classes.tsv` (index, wnid, name; with a header line)."""
        self.check(path)
        rows = (f"{i}\t{w}\t{n}" for i, (w, n) in enumerate(zip(self.wnids, self.names, strict=True)))
        write_text(path, "\n".join(["index\twnid\tname", *rows]) + "\n")

    def to_json(self) -> str:
        """Keys and names as JSON text, for the metadata of files that carry their class list."""
        return json.dumps([self.wnids, self.names], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, where: str | Path) -> ClassList:
        """The inverse of `to_json`; raises BadInput naming `where`."""
        try:
            wnids, names = json.loads(text)
            classes = cls(tuple(map(str, wnids)), tuple(map(str, names)))
        except (ValueError, TypeError) as error:
            raise BadInput("carries no class list in its metadata", where=where, fix="Write it with topfive") from error
        classes.check(where)
        return classes

    @classmethod
    def read(cls, path: Path) -> ClassList:
        """Read `classes.tsv`; raises BadInput naming file and row."""
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise unreadable("a class list", path, error) from error
        if not lines or lines[0].split("\t")[:2] != ["index", "wnid"]:
            raise BadInput("has no header line 'index<TAB>wnid<TAB>name'", where=path, row=1)
        wnids, names = [], []
        for row, line in enumerate(lines[1:]):
            fields = line.split("\t")
            if len(fields) != 3 or fields[0] != str(row):
                raise BadInput(f"expected index {row}, a wnid and a name, got {line!r}", where=path, row=row + 2)
            wnids.append(fields[1])
            names.append(fields[2])
        classes = cls(tuple(wnids), tuple(names))
        classes.check(path)
        return classes
