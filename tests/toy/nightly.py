"""Full counts under TOPFIVE_NIGHTLY, and the page that tells the last of them: docs/results/nightly.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

NIGHTLY = bool(os.environ.get("TOPFIVE_NIGHTLY"))
COUNTED = "counted"
"""The property of a test that says what it counted; it may have several."""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "nightly.md"
_HEAD = """# What `make nightly` counts

Kills, flips and drawn cases at full count; `make test` does a few of each. Each line is of the last run of that test,
written by [the tests themselves](../../tests/toy/nightly.py): what was counted, seconds, how it ended, and on what.

| test | counted | seconds | ended | machine |
| --- | --- | --- | --- | --- |
"""
_ROW = re.compile(r"\| `(?P<test>[^`]+)` \| .* \|")


class Count(Protocol):
    """How often a test does what it is about."""

    def __call__(self, what: str, few: int, full: int) -> int:
        """`few`, or `full` under TOPFIVE_NIGHTLY, where the page then tells `full` and `what`."""


class Outcome(NamedTuple):
    """One run of one test: what it counted, and how it ended."""

    test: str
    counted: tuple[str, ...]
    seconds: float
    ended: str


def write_page(outcomes: Iterable[Outcome], page: Path = PAGE) -> None:
    """Put the outcomes into the page in place of those of the same tests; all others stay."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    rows = {match["test"]: line for line in lines if (match := _ROW.fullmatch(line))}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    for one in outcomes:
        counted = ", ".join(one.counted)
        rows[one.test] = f"| `{one.test}` | {counted} | {one.seconds:.0f} | {one.ended} | {machine} |"
    page.write_text(_HEAD + "".join(f"{rows[test]}\n" for test in sorted(rows)), encoding="utf-8")


class Teller:
    """A plugin that notes what tests count, and writes the page at the end."""

    def __init__(self) -> None:
        self._outcomes: list[Outcome] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that has counted something."""
        counted = tuple(str(value) for name, value in report.user_properties if name == COUNTED)
        if report.when == "call" and counted:
            self._outcomes.append(Outcome(report.nodeid, counted, report.duration, report.outcome))

    def pytest_sessionfinish(self) -> None:
        """Write what was noted."""
        if self._outcomes:
            write_page(self._outcomes)
