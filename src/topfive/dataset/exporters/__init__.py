"""Export formats, one file each, found by its name: TITLE, NEEDS_LABELS, and `write(contents, stage)`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

from topfive.dataset.contents import Contents
from topfive.dataset.staging import Staging
from topfive.records import BadInput


class Exporter(Protocol):
    """A module of this folder. NEEDS_LABELS says that an image without a label has no place in the format."""

    TITLE: str
    NEEDS_LABELS: bool

    def write(self, contents: Contents, stage: Staging) -> None:
        """Write all images and their index; the same contents give the same bytes, and what is there whole is kept."""


def formats() -> tuple[str, ...]:
    """The names of all formats."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__)))


def exporter(name: str) -> Exporter:
    """The exporter of a format; raises BadInput naming those there are."""
    if name not in formats():
        raise BadInput(f"is no format: {name!r}", where="format", fix=f"Formats: {', '.join(formats())}")
    return cast(Exporter, importlib.import_module(f"{__name__}.{name}"))
