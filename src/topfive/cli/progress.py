"""Progress on standard error: one bar with rate and time left on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from topfive.records import duration

_EVERY_S = 5.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_rate(task.speed or 0.0, task.fields.get("unit") or ""), style="dim")


class Bars:
    """A `records.Progress` that people can watch; use as a context manager around the work.

    `clock` tells seconds, and `console` is where it is shown: standard error.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = clock
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
        self._began = self._said = self._from = 0.0

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
        """Show that `done` of `total` units of `what` are done; what the first call names was done before."""
        now = self._clock()
        if what != self._what:
            self._what, self._began, self._said, self._from = what, now, now, done
            if self._live:
                if self._task is not None:
                    self._bars.remove_task(self._task)
                self._task = self._bars.add_task(what, total=total, unit=unit)
        if self._live and self._task is not None:
            self._bars.update(self._task, completed=done, total=total)
        elif now - self._said >= _EVERY_S:
            self._said = now
            rate = (done - self._from) / (now - self._began)
            print(_line(what, done, total, unit, rate), file=self._console.file, flush=True)


def _line(what: str, done: float, total: float | None, unit: str, rate: float) -> str:
    parts = [f"{what}: {done:,.0f}" + (f" of {total:,.0f}" if total else "") + (f" {unit}" if unit else "")]
    parts.append(_rate(rate, unit))
    if rate > 0 and total and total > done:
        parts.append(f"{duration((total - done) / rate)} left")
    return ", ".join(part for part in parts if part)


def _rate(rate: float, unit: str) -> str:
    """`240 images/s`; below one a second the time that one takes."""
    if rate <= 0 or not unit:
        return ""
    return f"{rate:,.0f} {unit}/s" if rate >= 1 else f"{duration(1 / rate)} each"
