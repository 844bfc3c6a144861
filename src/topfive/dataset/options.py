"""What a person may choose about an import; each importer takes what concerns it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from topfive.records import SPLITS, BadInput

READ_UP_TO = 2 << 30
"""Bytes of pictures that are read while they are imported, unless told otherwise: seconds of work, not hours."""


@dataclass(frozen=True)
class ImportOptions:
    """`split` is for a source without splits; `devkit` and `classes` are files that a source may need beside it.

    `classes` also names what a source has as numbers. `wnids` keys classes that are words by their synsets where
    there is no doubt; `mapping` is a file that says which (as an import writes it, completed by hand). `labels` is the
    file of labels of a flat folder: its path in there, or any other.
    `read` hashes every picture and reads its size at once (None: where they are READ_UP_TO bytes or fewer together);
    `unpack` allows a compressed archive to be written out into the dataset folder.
    """

    split: str = "val"
    read: bool | None = None
    devkit: Path | None = None
    classes: Path | None = None
    unpack: bool = False
    wnids: bool = False
    mapping: Path | None = None
    labels: Path | None = None

    def check(self) -> None:
        """Raise BadInput for a split that is none, and for a file that is named and not there."""
        if self.split not in SPLITS:
            raise BadInput(f"is no split: {self.split!r}", where="split", fix=f"Splits: {', '.join(SPLITS)}")
        for path in (self.devkit, self.classes, self.mapping):
            if path is not None and not path.exists():
                raise BadInput("is not there", where=path, fix="Mend its path, or leave the option out")


DEFAULTS = ImportOptions()
