"""One importer a file, found by name. Each offers `TITLE`, `ORDER` (lower is asked first), `recognises` and `read`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

from topfive.dataset.found import Found
from topfive.dataset.source import Source
from topfive.records import Progress


class Importer(Protocol):
    """A module of this folder."""

    TITLE: str
    ORDER: int

    def recognises(self, source: Source) -> bool:
        """Whether the source has this importer's layout, from its paths alone."""

    def read(self, source: Source, split: str, progress: Progress) -> Found:
        """The pictures, classes and left-out files; `split` is for a source that has no splits."""


def importers() -> tuple[Importer, ...]:
    """All importers in the order in which they are asked."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    found = [cast(Importer, importlib.import_module(f"{__name__}.{name}")) for name in names]
    return tuple(sorted(found, key=lambda importer: importer.ORDER))
