from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from topfive.cli.progress import Bars

NO_BREAK = "\u00a0"


def told(*calls: tuple[float, str, float, float | None, str]) -> list[str]:
    """The lines of calls, each with its time, where standard error is no terminal."""
    times: Iterator[float] = iter([call[0] for call in calls])
    console = Console(file=io.StringIO(), force_terminal=False)
    with Bars(clock=lambda: next(times), console=console) as bars:
        for _, *call in calls:
            bars(*call)  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().replace(NO_BREAK, " ").splitlines()


def test_a_line_every_five_seconds_with_rate_and_time_left() -> None:
    calls = [(float(second), "predicting", 240.0 * second, 86_400.0, "images") for second in range(12)]
    assert told(*calls) == [
        "predicting: 1,200 of 86,400 images, 240 images/s, 5 min 55 s left",
        "predicting: 2,400 of 86,400 images, 240 images/s, 5 min 50 s left",
    ]


def test_what_an_earlier_run_did_says_nothing_of_the_rate() -> None:
    lines = told((0, "verifying", 90_000, 100_000, "images"), (10, "verifying", 91_000, 100_000, "images"))
    assert lines == ["verifying: 91,000 of 100,000 images, 100 images/s, 1 min 30 s left"]


def test_each_stage_has_a_time_of_its_own() -> None:
    lines = told(
        (0, "a", 0, 10, "parts"), (4, "a", 4, 10, "parts"), (6, "b", 0, 10, "parts"), (12, "b", 6, 10, "parts")
    )
    assert lines == ["b: 6 of 10 parts, 1 parts/s, 4.0 s left"]


def test_slow_units_are_told_by_their_time() -> None:
    assert told((0, "trying", 0, 4, "runtimes"), (8, "trying", 2, 4, "runtimes")) == [
        "trying: 2 of 4 runtimes, 4.0 s each, 8.0 s left"
    ]


@pytest.mark.parametrize(
    ("done", "total", "unit", "shown"),
    [
        (0.0, 10.0, "images", "reading: 0 of 10 images"),
        (10.0, 10.0, "images", "reading: 10 of 10 images, 2 images/s"),
        (5.0, None, "images", "reading: 5 images, 1 images/s"),
        (5.0, 10.0, "", "reading: 5 of 10, 5.0 s left"),
    ],
)
def test_what_is_not_known_is_not_said(done: float, total: float | None, unit: str, shown: str) -> None:
    assert told((0, "reading", 0, total, unit), (5, "reading", done, total, unit)) == [shown]


def test_a_terminal_gets_one_bar() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Bars(console=console) as bars:
        bars("decoding", 0, 4, "images")
        bars("decoding", 1, 4, "images")
        bars("scoring", 1, 2, "")
        bars._bars.refresh()
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "scoring" in shown and "50%" in shown
