"""The datasheet of an image set: one HTML file that opens offline, with its plots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.records import Datasheet, Shares, Spread, write_text
from topfive.reports.style import count, environment, percent, style_hash, stylesheet
from topfive.reports.svg import Drawing, Linear, Log, text_width
from topfive.reports.trajectory import Panel

_WIDE, _NARROW = 640, 358
_HEIGHT = 232
_BESIDE = 380
_POINTS = 200
"""Points of a curve at most: more than its pixels can show would only make the page heavy."""
_EXTREMES = 10
_ALL_CLASSES = 1000
"""A table of more classes than this shows the largest and the smallest only."""
_BAR_PX, _ROW_PX = 14, 32


@dataclass(frozen=True)
class ClassRow:
    """One class with its images in each split."""

    wnid: str
    name: str
    counts: tuple[int, ...]


def write_datasheet(sheet: Datasheet, path: Path) -> None:
    """Write the page."""
    write_text(path, render_datasheet(sheet))


def render_datasheet(sheet: Datasheet) -> str:
    """The page as text; every name in it is escaped, its security policy allows its own style element and no more."""
    css = stylesheet()
    shown = [column for column in sheet.columns if isinstance(column, Shares) and column.values]
    numbers = [column for column in (*sheet.sizes, *sheet.columns) if isinstance(column, Spread) and column.n]
    found = environment()
    found.filters["number"] = number
    return found.get_template("datasheet.html").render(
        sheet=sheet,
        n_classes=int((sheet.class_counts.sum(axis=0) > 0).sum()),
        sizes_panel=_class_sizes(sheet),
        spreads=[(spread, _histogram(spread)) for spread in numbers if spread.least < spread.most],
        constants=[spread for spread in numbers if spread.least == spread.most],
        shares=[(one, _bars(one)) for one in (*sheet.origins, *shown)],
        others=[one for one in sheet.columns if isinstance(one, Shares) and not one.values],
        classes=_class_rows(sheet),
        all_classes=len(sheet.classes) <= _ALL_CLASSES,
        style=css,
        style_source=style_hash(css),
    )


def _class_rows(sheet: Datasheet) -> list[ClassRow]:
    """All classes by index, or the largest and the smallest where there are many."""
    rows = [
        ClassRow(wnid, name, tuple(counts))
        for wnid, name, counts in zip(
            sheet.classes.wnids, sheet.classes.names, sheet.class_counts.T.tolist(), strict=True
        )
    ]
    if len(rows) <= _ALL_CLASSES:
        return rows
    order = np.argsort(-sheet.class_counts.sum(axis=0), kind="stable")
    return [rows[at] for at in (*order[:_EXTREMES].tolist(), *order[-_EXTREMES:].tolist())]


def _class_sizes(sheet: Datasheet) -> Panel | None:
    """Images a class, from the largest class to the smallest: a line a split that has labels."""
    lines = [
        (split.name, np.sort(counts)[::-1])
        for split, counts in zip(sheet.splits, sheet.class_counts, strict=True)
        if counts.any()
    ]
    if not lines:
        return None
    wide, narrow = (_curves(lines, width).render(kind) for width, kind in ((_WIDE, "wide"), (_NARROW, "narrow")))
    return Panel("Images a class", "classes from the largest to the smallest, by split", wide, narrow)


def _curves(lines: list[tuple[str, NDArray[np.int64]]], width: int) -> Drawing:
    top = max(int(values.max()) for _, values in lines)
    least = min(int(values[values > 0].min()) for _, values in lines)
    n = len(lines[0][1])
    names = max(text_width(name) for name, _ in lines) + 12
    ranks = Linear(0, max(n - 1, 1), 64, width - names)
    base = _HEIGHT - 40
    # Classes of one split differ by little, splits by a lot: a logarithmic axis shows both.
    images: Log | Linear = Log(least / 1.3, top * 1.3, base, 12) if top > 3 * least else Linear(0, top * 1.1, base, 12)
    ticks = images.ticks(28) if isinstance(images, Log) else _round_ticks(top)
    said = " ".join(f"{name}: from {count(int(v.max()))} to {count(int(v.min()))} images a class." for name, v in lines)
    drawing = Drawing(width, _HEIGHT, "Images a class, by split", said)
    for value in ticks:
        drawing.line("grid", (64, images(value)), (width - names, images(value)))
        drawing.text((56, images(value) + 5), ("tick", count(round(value))), anchor="end")
    drawing.line("axis", (64, base), (width - names, base))
    drawing.text((64, base + 24), ("tick", "1"))
    drawing.text((width - names, base + 24), ("tick", f"{count(n)} classes"), anchor="end")
    ends: list[tuple[float, str]] = []
    for name, values in lines:
        at = np.unique(np.linspace(0, n - 1, min(n, _POINTS)).astype(int))
        points = [(ranks(i), images(max(int(values[i]), least / 1.3))) for i in at.tolist()]
        drawing.path("winners", points if len(points) > 1 else [points[0], (width - names, points[0][1])])
        ends.append((points[-1][1], name))
    for y, name in _apart(ends):
        drawing.text((width - names + 8, y + 5), ("name", name))
    return drawing


def _apart(ends: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """The same labels, pushed down until none covers another."""
    placed: list[tuple[float, str]] = []
    for y, name in sorted(ends):
        placed.append((max(y, placed[-1][0] + 20) if placed else y, name))
    return placed


def _round_ticks(top: float) -> tuple[float, ...]:
    """Zero and two to five round values up to `top`."""
    step = 10.0 ** np.floor(np.log10(max(top, 1)))
    step = next(one for one in (step / 5, step / 2, step, 2 * step) if top / one <= 5)
    return tuple(np.arange(0, top + step / 2, max(step, 1)).tolist())


def _histogram(spread: Spread) -> Panel:
    title, _, unit = spread.name.partition(", ")
    said = f"median {number(spread.median)}, 90 % from {number(spread.low)} to {number(spread.high)}"
    wide, narrow = (_columns(spread, width).render(kind) for width, kind in ((_BESIDE, "wide"), (_NARROW, "narrow")))
    return Panel(title.capitalize() + (f", {unit}" if unit else ""), said, wide, narrow)


def _columns(spread: Spread, width: int) -> Drawing:
    height = 168
    base = height - 32
    edges = spread.edges
    logarithmic = edges[0] > 0 and edges[-1] / edges[0] > 4
    along: Log | Linear = (
        Log(edges[0], edges[-1], 8, width - 8) if logarithmic else Linear(edges[0], edges[-1], 8, width - 8)
    )
    up = Linear(0, max(spread.counts), base, 8)
    words = f"least {number(spread.least)}, median {number(spread.median)}, most {number(spread.most)}"
    drawing = Drawing(width, height, f"How many images have which {spread.name.partition(', ')[0]}", f"{words}.")
    for i, n in enumerate(spread.counts):
        left, right = along(edges[i]), along(edges[i + 1])
        if n:
            gap = 1 if right - left > 3 else 0
            y = min(up(n), base - 1)
            drawing.rect("measured", (left, y), (right - left - gap, base - y))
    drawing.line("axis", (8, base), (width - 8, base))
    drawing.text((8, base + 24), ("tick", number(edges[0])))
    drawing.text((width - 8, base + 24), ("tick", number(spread.most)), anchor="end")
    middle = along(spread.median)
    label = number(spread.median)
    room = text_width(label) / 2 + 4
    if 8 + text_width(number(edges[0])) + room < middle < width - 8 - text_width(number(spread.most)) - room:
        drawing.line("axis", (middle, base), (middle, base + 6))
        drawing.text((middle, base + 24), ("name", label), anchor="middle")
    return drawing


def _bars(one: Shares) -> Panel | None:
    """A bar a value, with its share; None for one value or none: a sentence says that better."""
    if len(one.values) < 2:
        return None
    wide, narrow = (_rows(one, width).render(kind) for width, kind in ((_WIDE, "wide"), (_NARROW, "narrow")))
    return Panel(one.name.capitalize(), "", wide, narrow)


def _rows(one: Shares, width: int) -> Drawing:
    rows = [(value, n, "measured") for value, n in one.values]
    rows += [("other values", one.n_other, "entry")] * (one.n_other > 0)
    rows += [("not said", one.n_missing, "entry")] * (one.n_missing > 0)
    total = sum(n for _, n, _ in rows)
    names = [_short(name, width * 0.4) for name, _, _ in rows]
    left = max(text_width(name) for name in names) + 16
    along = Linear(0, max(n for _, n, _ in rows), left, width - 64)
    said = " ".join(f"{name}: {count(n)}, {percent(n / total)} %." for name, n, _ in rows)
    drawing = Drawing(width, _ROW_PX * len(rows), f"Images by {one.name}, %", said)
    for i, (name, (_, n, kind)) in enumerate(zip(names, rows, strict=True)):
        y = _ROW_PX * (i + 0.5)
        drawing.text((0, y + 5), ("name" if kind == "measured" else "quiet", name))
        drawing.rect(kind, (left, y - _BAR_PX / 2), (max(along(n) - left, 1), _BAR_PX))
        drawing.text((width, y + 5), ("number", percent(n / total)), anchor="end")
    return drawing


def _short(name: str, room: float) -> str:
    if text_width(name) <= room:
        return name
    return next(f"{name[:n]}…" for n in range(len(name), -1, -1) if text_width(f"{name[:n]}…") <= room)


def number(value: float) -> str:
    """`1,431` or `0.25`: whole where it is, else three digits."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"
