"""The plots of one result: reliability, risk against coverage, the error of every class, the severity of mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from topfive.reports.style import count, percent
from topfive.reports.svg import Drawing, Linear, text_width
from topfive.reports.trajectory import Panel, Size
from topfive.scoring import ByClass, Reliability, Selective

WIDE, HALF, NARROW = Size(1052, 340), Size(494, 380), Size(358, 340)
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 18, 12, 56
_LINE_PX = 18
_FEW = 40
"""Up to so many classes each has a row, a point and an interval; more are a line."""
_ROW_PX = 24
_NAMED = 3


@dataclass(frozen=True)
class _Frame:
    """Axes of a plot: shares across and up."""

    across: Linear
    up: Linear
    size: Size

    @property
    def base(self) -> float:
        return self.up.start


def _frame(size: Size, top: float = 1.0) -> _Frame:
    return _Frame(
        Linear(0, 1, _LEFT, size.width - _RIGHT), Linear(0, top, size.height - _BOTTOM, _TOP), size
    )  # fmt: skip


def _axes(drawing: Drawing, frame: _Frame, across: str, ticks: Sequence[tuple[float, str]]) -> None:
    """Grid lines at fifths of the height in percent, the base line, marks below it and what they count."""
    top = frame.up.high
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if top / step <= 5.01)
    for i in range(int(top / step + 1e-9) + 1):
        y = frame.up(i * step)
        drawing.line("grid", (frame.across.start, y), (frame.across.end, y))
        drawing.text((frame.across.start - 8, y + 5), ("tick", f"{100 * i * step:.0f}"), anchor="end")
    drawing.line("axis", (frame.across.start, frame.base), (frame.across.end, frame.base))
    for value, words in ticks:
        drawing.text((frame.across(value), frame.base + 22), ("tick", words), anchor="middle")
    middle = (frame.across.start + frame.across.end) / 2
    drawing.text((middle, frame.size.height - 8), ("quiet", across), anchor="middle")


_PERCENT_TICKS = [(i / 5, f"{20 * i}") for i in range(6)]


def _panel(title: str, under: str, draw: Callable[[Size], Drawing], wide: Size) -> Panel:
    return Panel(title, under, draw(wide).render("wide"), draw(NARROW).render("narrow"))


def reliability_panel(found: Reliability) -> Panel:
    """Share right against confidence by bin, with intervals; below it how many images each bin holds."""
    return _panel("Share right, %", "by confidence", lambda size: _reliability(found, size), HALF)


def _reliability(found: Reliability, size: Size) -> Drawing:
    frame, rows, total = _frame(size), found.to_json(), int(found.n.sum())
    drawing = Drawing(size.width, size.height, "Share right by confidence", _said(rows))
    _axes(drawing, frame, "confidence, %", _PERCENT_TICKS)
    most = max(row["n"] for row in rows)
    for row in rows:
        left, right = frame.across(row["from"]), frame.across(row["to"])
        height = 40 * row["n"] / most
        drawing.rect("amount", (left + 1, frame.base - height), (right - left - 2, height))
    drawing.line("level chance", (frame.across(0), frame.up(0)), (frame.across(1), frame.up(1)))
    for row in rows:
        if row["n"]:
            x, (low, high) = frame.across(row["confidence"]), row["accuracy_interval"]
            drawing.line("whisker", (x, frame.up(low)), (x, frame.up(high)))
            tip = (
                f"{percent(row['accuracy'])} % of {count(row['n'])} right at {percent(row['confidence'])} % confidence"
            )
            drawing.dot("dot measured", (x, frame.up(row["accuracy"])), 4.5, tip)
    drawing.text((frame.across(0.02), frame.up(0.95)), ("quiet", f"n = {count(total)}"))
    return drawing


def _said(rows: Sequence[Mapping[str, float]]) -> str:
    held = [row for row in rows if row["n"]]
    return " ".join(
        f"Confidence {percent(row['confidence'])} %: {percent(row['accuracy'])} % of {count(int(row['n']))} right."
        for row in held
    )


def risk_panel(found: Selective) -> Panel:
    """Error of the images answered against the share answered, most confident first."""
    return _panel("Error of those answered, %", "by share answered", lambda size: _risk(found, size), HALF)


def _risk(found: Selective, size: Size) -> Drawing:
    n = len(found.risk)
    shown = [max(1, round(n * i / 200)) for i in range(1, 201)]
    top = _ceiling(max(found.risk[i - 1] for i in shown))
    frame = _frame(size, top)
    whole = found.at(1.0)
    drawing = Drawing(
        size.width,
        size.height,
        "Error against share answered",
        f"Answering all: {percent(whole)} % wrong. The surest half: {percent(found.at(0.5))} %. "
        f"The surest tenth: {percent(found.at(0.1))} %.",
    )
    _axes(drawing, frame, "images answered, surest first, %", _PERCENT_TICKS)
    drawing.path("curve", [(frame.across(i / n), frame.up(found.risk[i - 1])) for i in shown])
    for coverage in (0.5, 1.0):
        at = (frame.across(coverage), frame.up(found.at(coverage)))
        drawing.dot("dot measured", at, 4.5, f"{percent(found.at(coverage))} % wrong of the surest {coverage:.0%}")
        anchor = "end" if coverage == 1.0 else "middle"
        drawing.text(
            (at[0] - 4 * (coverage == 1.0), at[1] - 12), ("number", percent(found.at(coverage))), anchor=anchor
        )
    return drawing


def classes_panel(found: ByClass) -> Panel:
    """The top-1 error of every class, sorted; all of few classes are named, of many the worst and the best."""
    few = len(found.with_images) <= _FEW
    return _panel(
        "Top-1 error of each class, %", "sorted", lambda size: (_class_rows if few else _class_curve)(found, size), WIDE
    )


def _class_rows(found: ByClass, size: Size) -> Drawing:
    rows = [found.row(index) for index in found.with_images.tolist()]
    names = [_short(row["name"], size.width * 0.4) for row in rows]
    left = max(map(text_width, names)) + 16
    across = Linear(0, 1, left, size.width - 52)
    base = _TOP + _ROW_PX * len(rows)
    drawing = Drawing(size.width, base + 28, "Top-1 error by class", _worst_and_best(rows[::-1]))
    for i in range(6):
        drawing.line("grid", (across(i / 5), _TOP), (across(i / 5), base))
        drawing.text((across(i / 5), base + 22), ("tick", f"{20 * i}"), anchor="middle")
    drawing.line("level chance", (across(found.balanced_error), _TOP), (across(found.balanced_error), base))
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = _TOP + _ROW_PX * (i + 0.5)
        low, high = row["top1_error_interval"]
        drawing.text((0, y + 5), ("name", name))
        drawing.line("whisker", (across(low), y), (across(high), y))
        tip = f"{row['name']} ({row['wnid']}): {percent(row['top1_error'])} %, n = {row['n']}"
        drawing.dot("dot measured", (across(row["top1_error"]), y), 4.5, tip)
        drawing.text((size.width, y + 5), ("number", percent(row["top1_error"])), anchor="end")
    return drawing


def _worst_and_best(rows: Sequence[Mapping[str, Any]]) -> str:
    worst = ", ".join(f"{row['name']} {percent(row['top1_error'])} %" for row in rows[::-1][:_NAMED])
    return f"Worst: {worst}. Best: {rows[0]['name']} {percent(rows[0]['top1_error'])} %."


def _class_curve(found: ByClass, size: Size) -> Drawing:
    rows = [found.row(index) for index in found.with_images[::-1].tolist()]
    k, frame = len(rows), _frame(size)
    place = Linear(0, k - 1, frame.across.start + 12, frame.across.end - 12)
    drawing = Drawing(size.width, size.height, "Top-1 error by class", _worst_and_best(rows))
    _axes(drawing, frame, f"{count(k)} classes, the least erring first", [])
    mean = frame.up(found.balanced_error)
    drawing.line("level chance", (frame.across.start, mean), (frame.across.end, mean))
    at = [(place(i), frame.up(row["top1_error"])) for i, row in enumerate(rows)]
    drawing.path("curve", at)
    drawing.text((frame.across.end - 4, mean + 18), ("quiet", f"mean {percent(found.balanced_error)}"), anchor="end")
    _name_ends(drawing, frame, at, [f"{row['name']} {percent(row['top1_error'])}" for row in rows])
    return drawing


def _name_ends(drawing: Drawing, frame: _Frame, at: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Names of the worst at the left of their points, which is empty since the curve rises; the best above its own."""
    y = frame.up.end - _LINE_PX
    shown = list(range(len(at) - 1, max(0, len(at) - 1 - _NAMED), -1))
    for i in shown:
        y = max(y + _LINE_PX, at[i][1] + 5)
        clear = at[shown[-1]][0] - 20
        right = min(clear, at[i][0] - 20)
        drawing.line("leader", (right + 2, y - 5), at[i])
        drawing.text((right - 2, y), ("name", _short(names[i], right - frame.across.start - 80)), anchor="end")
    x, foot = at[0]
    top = min(point[1] for point in at[: max(1, len(at) // 5)])
    high = min(foot, top) - 40
    drawing.line("leader", (x, high + 4), (x, foot))
    drawing.text((x - 4, high), ("name", _short(names[0], 240)))


def _short(name: str, room: float) -> str:
    if text_width(name) <= room:
        return name
    return next(f"{name[:n]}…" for n in range(len(name), -1, -1) if n == 0 or text_width(f"{name[:n]}…") <= room)


def severity_panel(histogram: Mapping[int, int], subtitle: str) -> Panel:
    """How many wrong guesses meet the truth at each height."""
    return _panel("Share of mistakes, %", subtitle, lambda size: _severity(histogram, size), HALF)


def _severity(histogram: Mapping[int, int], size: Size) -> Drawing:
    n, highest = sum(histogram.values()), max(histogram)
    frame = _frame(size, _ceiling(max(histogram.values()) / n))
    pitch = (frame.across.end - frame.across.start) / highest
    said = " ".join(f"Height {height}: {percent(m / n)} %." for height, m in sorted(histogram.items()))
    drawing = Drawing(size.width, size.height, "Mistakes by height", said)
    step = next(step for step in (1, 2, 5, 10, 20) if pitch * step >= 24)
    ticks = [((h - 0.5) / highest, str(h)) for h in range(1, highest + 1) if h % step == 0 or h == 1]
    _axes(drawing, frame, "height at which guess and truth meet", ticks)
    for height, m in sorted(histogram.items()):
        y = frame.up(m / n)
        left = frame.across.start + pitch * (height - 1)
        drawing.rect("amount strong", (left + 1, y), (pitch - 2, frame.base - y))
    return drawing


def _ceiling(value: float) -> float:
    """The end of an axis of shares: a round share at or above the largest."""
    return next((top for top in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8) if value * 1.1 <= top), 1.0)
