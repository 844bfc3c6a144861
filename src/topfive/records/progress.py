"""Progress as a value: rooms report counts to it; a door decides how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Called as work goes on; `total` may be None where it is unknown. Implementations must be cheap."""

    def __call__(self, what: str, done: float, total: float | None, unit: str = "") -> None:
        """Say that `done` of `total` units of `what` are done."""


def silent(what: str, done: float, total: float | None, unit: str = "") -> None:
    """Show nothing."""


def counted(items: Iterable[Item], what: str, total: int, progress: Progress, unit: str = "") -> Iterator[Item]:
    """Pass the items on and report each."""
    progress(what, 0, total, unit)
    for done, item in enumerate(items, start=1):
        yield item
        progress(what, done, total, unit)
