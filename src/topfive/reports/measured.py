"""Measured results on axes of their own: a row a system, the point with its interval, and the chance line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from topfive.records import Board, BoardRow, Interval
from topfive.reports.style import between, count, percent
from topfive.reports.svg import Drawing, Log, text_width

_TOP, _BOTTOM = 28, 32
_LEAST_ROW_PX, _MOST_ROW_PX = 40, 72


def measured_drawing(board: Board, metric: Literal["top1_error", "top5_error"], width: int, height: int = 0) -> Drawing:
    """Rows in the order of the systems' years, errors on a log scale; at least as high as its rows need."""
    rows = sorted(board.rows, key=lambda row: (row.year, row.rank, row.system))
    pitch = min(max((height - _TOP - _BOTTOM) / len(rows), _LEAST_ROW_PX), _MOST_ROW_PX)
    height = max(height, round(_TOP + pitch * len(rows) + _BOTTOM))
    chance = chance_level(board, metric)
    names = [_short(row.system, width * 0.4) for row in rows]
    left = max(text_width(name) for name in names) + 16
    errors = Log(_least(rows, metric), 1.0, left, width - 60)
    base = height - _BOTTOM

    words = "Top-5 error" if metric == "top5_error" else "Top-1 error"
    drawing = Drawing(width, height, f"{words} measured here", _description(rows, metric, chance))
    for value in errors.ticks(apart_px=30):
        drawing.line("grid", (errors(value), _TOP), (errors(value), base))
        drawing.text((errors(value), base + 24), ("tick", f"{100 * value:.3g}"), anchor="middle")
    drawing.line("axis", (left, base), (errors.end, base))
    if chance is not None:
        x = errors(chance)
        drawing.line("level chance", (x, _TOP - 4), (x, base))
        drawing.text((min(x + 24, width), 16), ("quiet", "chance"), ("number", percent(chance)), anchor="end")
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = _TOP + pitch * (i + 0.5)
        drawing.text((0, y - 2), ("name", name))
        drawing.text((0, y + 15), ("quiet", str(row.year)))
        _point(drawing, errors, row, metric, y)
    return drawing


def chance_level(board: Board, metric: str) -> float | None:
    """The error of guessing, where the board's reference states it."""
    chance = board.reference.get("chance")
    value = chance.get(metric) if isinstance(chance, dict) else None
    return float(value) if isinstance(value, int | float) else None


def _point(drawing: Drawing, errors: Log, row: BoardRow, metric: str, y: float) -> None:
    """The point with its interval and number; zero error stands at its upper bound, open, with an arrow downwards."""
    value, interval = _value(row, metric)
    low, high = errors(max(interval[0], errors.low)), errors(max(interval[1], errors.low))
    if value == 0:
        drawing.line("whisker", (errors.start, y), (high, y))
        drawing.path("whisker", [(errors.start + 6, y - 4), (errors.start, y), (errors.start + 6, y + 4)])
        tip = f"{row.system}: no error in {count(row.n)}; drawn at the upper bound of its 95 % interval"
        drawing.dot("dot zero", (high, y), 5, tip)
        shown = f"<\u202f{percent(interval[1])}"
    else:
        drawing.line("whisker", (low, y), (high, y))
        tip = f"{row.system}: {percent(value)} % ({between(interval)}), n = {count(row.n)}"
        drawing.dot("dot measured", (errors(value), y), 5, tip)
        shown = percent(value)
    drawing.text((drawing.width, y + 5), ("number", shown), anchor="end")


def _value(row: BoardRow, metric: str) -> tuple[float, Interval]:
    if metric == "top5_error":
        return row.top5_error, row.top5_error_interval
    return row.top1_error, row.top1_error_interval


def _least(rows: Sequence[BoardRow], metric: str) -> float:
    """The lower end of the axis: a little below the smallest mark, never below one in two thousand."""
    marks = []
    for row in rows:
        value, (low, high) = _value(row, metric)
        marks.append(high / 2 if value == 0 else max(low, value / 3))
    return max(min(0.5, min(marks) * 0.8), 0.0005)


def _short(name: str, room: float) -> str:
    if text_width(name) <= room:
        return name
    return next(f"{name[:n]}…" for n in range(len(name), -1, -1) if text_width(f"{name[:n]}…") <= room)


def _description(rows: Sequence[BoardRow], metric: str, chance: float | None) -> str:
    said = []
    for row in rows:
        value, interval = _value(row, metric)
        said.append(f"{row.system}: {percent(value)} %, 95 % interval {between(interval)}.")
    if chance is not None:
        said.append(f"Chance: {percent(chance)} %.")
    return " ".join(said)
