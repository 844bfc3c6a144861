"""Progress on standard error: one bar with rate and time left on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

_EVERY_S = 5.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        unit = task.fields.get("unit") or ""
        if not task.speed:
            return Text("")
        return Text(f"{task.speed:,.0f} {unit}/s" if unit else "", style="dim")


class Bars:
    """A `records.Progress` that people can watch; use as a context manager around the work."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._task: TaskID | None = None
        self._what = ""
        self._began = self._said = 0.0

    def __enter__(self) -> Bars:
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bars.stop()

    def __call__(self, what: str, done: float, total: float | None, unit: str = "") -> None:
        """Show that `done` of `total` units of `what` are done."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._said = what, now, now
            if self._live:
                if self._task is not None:
                    self._bars.remove_task(self._task)
                self._task = self._bars.add_task(what, total=total, unit=unit)
        if self._live and self._task is not None:
            self._bars.update(self._task, completed=done, total=total)
        elif now - self._said >= _EVERY_S:
            self._said = now
            print(_line(what, done, total, unit, now - self._began), file=sys.stderr, flush=True)


def _line(what: str, done: float, total: float | None, unit: str, seconds: float) -> str:
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{what}: {done:,.0f}" + (f" of {total:,.0f}" if total else "") + (f" {unit}" if unit else "")]
    if rate > 0 and unit:
        parts.append(f"{rate:,.0f} {unit}/s")
    if rate > 0 and total and total > done:
        parts.append(f"{(total - done) / rate:,.0f} s left")
    return ", ".join(parts)
