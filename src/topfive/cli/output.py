"""What commands print: aligned tables for people, one JSON object under `--json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from topfive.records import numbered


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output, nothing else."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def percent(fraction: float, interval: Sequence[float] | None = None) -> str:
    """`12.3` or `12.3 (11.0-13.7)`: percent with one decimal."""
    text = f"{100 * fraction:.1f}"
    return text if interval is None else f"{text} ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """A plain aligned table; columns whose cells are all numbers are set flush right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", show_edge=False)
    for i, name in enumerate(columns):
        cells = [str(row[i]) for row in rows]
        right = bool(cells) and all(not cell or cell[0].isdigit() or cell[0] in "-+." for cell in cells)
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(highlight=False, markup=False).print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Names and values in two columns."""
    table = Table(box=None, pad_edge=False, show_header=False, show_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, _shown(value))
    Console(highlight=False, markup=False).print(table)


def _shown(value: object) -> str:
    """Large counts as `50,000` (a year is none), the entries of a mapping as `train 1200, val 400`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)


def print_problems(report: Mapping[str, Any]) -> None:
    """The problems of an import or a verification: how many, and the first ten by name."""
    if report["n_problems"]:
        rows = [(problem["image_id"], problem["reason"]) for problem in report["problems"][:10]]
        print_table(("image", "problem"), rows, title=numbered(report["n_problems"], "problem"))
