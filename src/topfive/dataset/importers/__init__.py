"""One importer a file, found by name. Each offers `TITLE`, `ORDER` (lower is asked first), `recognises` and `read`.

`read` returns `Found`, whose pictures are columns (`Images.one_by_one` makes them of records). A picture's bytes are a
range of a container, which is a file by its absolute path; an importer that has to write them out first (a compressed
archive, raw pixels, rows of a table) does so in `into / "shards"`, and names such containers relative to `into`. A
source of several files lists them in `Found.containers`.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Protocol, cast

from topfive.dataset.found import Found
from topfive.dataset.options import ImportOptions
from topfive.dataset.source import Source
from topfive.records import Progress


class Importer(Protocol):
    """A module of this folder."""

    TITLE: str
    ORDER: int

    def recognises(self, source: Source) -> bool:
        """Whether the source has this importer's layout, from its name and its paths alone."""

    def read(self, source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
        """The pictures, classes and left-out files; `into` is the dataset folder while it is made."""


def importer(name: str) -> Importer:
    """The importer of this name."""
    return cast(Importer, importlib.import_module(f"{__name__}.{name}"))


def importers() -> tuple[Importer, ...]:
    """All importers in the order in which they are asked."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return tuple(sorted(map(importer, names), key=lambda one: one.ORDER))
