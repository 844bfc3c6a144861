"""The trajectory plot: published errors on ImageNet by year on a log scale, and beside them what was measured here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from topfive.records import Board, Published
from topfive.reports.content import SetFacts
from topfive.reports.labels import Box, Name, Scene, Segment, place
from topfive.reports.measured import measured_drawing
from topfive.reports.style import between, percent
from topfive.reports.svg import Drawing, Linear, Log, Point, text_width

Metric = Literal["top1_error", "top5_error"]

WORDS: dict[Metric, str] = {"top5_error": "Top-5 error", "top1_error": "Top-1 error"}

# Class list and test pictures changed in 2011 and 2012 and stayed from then on (ILSVRC2010, 2011, 2012-2017).
_ONE_TEST_SINCE = 2012
_LINE_PX = 18
_CLEAR_PX = 4
_ONE_LINE_PX = 3
_DOT_PX = 4.5


@dataclass(frozen=True)
class Panel:
    """One pair of axes, composed twice; the page shows `wide` or `narrow` (SVG) as the window allows."""

    title: str
    subtitle: str
    wide: str
    narrow: str


@dataclass(frozen=True)
class Size:
    """Width and height in pixels of a drawing, which is shown at most at this size."""

    width: int
    height: int


WIDE, NARROW = Size(640, 400), Size(358, 376)
BESIDE = Size(380, 400)


def trajectory_panels(published: Sequence[Published], board: Board, dataset: SetFacts) -> tuple[Panel, ...]:
    """For top-5 and then top-1 error: the published panel and the measured panel, in this order."""
    beside = measured_panels(board, f"on {dataset.name}" + (", a synthetic twin" if dataset.synthetic else ""))
    panels: list[Panel] = []
    for i, metric in enumerate(WORDS):
        shown = [item for item in published if item.claim.metric == metric]
        if any(item.kind in ("winner", "entry") for item in shown):
            wide, narrow = (published_drawing(shown, metric, size) for size in (WIDE, NARROW))
            title = f"{WORDS[metric]}, published, %"
            panels.append(Panel(title, "on ImageNet, by year", wide.render("wide"), narrow.render("narrow")))
        panels += beside[i : i + 1]
    return tuple(panels)


def measured_panels(board: Board, subtitle: str) -> tuple[Panel, ...]:
    """The measured top-5 and top-1 errors; `subtitle` names the set. None for an empty board."""
    if not board.rows:
        return ()
    return tuple(
        Panel(
            f"{WORDS[metric]}, measured here, %",
            subtitle,
            measured_drawing(board, metric, BESIDE.width, BESIDE.height).render("wide"),
            measured_drawing(board, metric, NARROW.width).render("narrow"),
        )
        for metric in WORDS
    )


def published_drawing(shown: Sequence[Published], metric: Metric, size: Size) -> Drawing:
    """The axes of one metric: winners as a connected line, entries as marks, human and agreement levels across."""
    points = sorted((p for p in shown if p.kind in ("winner", "entry")), key=lambda p: (p.year, -p.claim.value))
    levels = [p for p in shown if p.kind in ("human", "agreement")]
    best_known = min((p for p in levels if p.interval and p.kind == "human"), key=_spread, default=None)
    ends = [value for p in shown for value in (p.claim.value, *(p.interval or ())) if value > 0]
    first, last = min(p.year for p in points), max(p.year for p in points)
    years = Linear(first, max(last, first + 1), 56, size.width - 28)
    errors = Log(min(ends) / 1.6, min(1.0, max(ends) * 1.5), size.height - 32, 8)
    frame = Box(36, 8, size.width, size.height - 32)

    drawing = Drawing(size.width, size.height, f"{WORDS[metric]} by year", _description(points, levels, metric))
    _axes(drawing, years, errors, frame)
    levels = _apart(levels, errors)
    for level in levels:
        y = errors(level.claim.value)
        # Of several people the best measured gets a band; wide bands over each other would hide the plot.
        if level.interval is not None and (level is best_known or level.kind == "agreement"):
            top, bottom = errors(level.interval[1]), errors(level.interval[0])
            drawing.rect(f"band {level.kind}", (frame.left, top), (frame.right - frame.left, bottom - top))
        drawing.line(f"level {level.kind}", (frame.left, y), (frame.right, y))

    at = {id(p): (years(p.year), errors(p.claim.value)) for p in points}
    lines = _winners(drawing, points, at)
    marks = [_around(at[id(p)], _DOT_PX + 1) for p in points]
    faint = [((frame.left, errors(p.claim.value)), (frame.right, errors(p.claim.value))) for p in levels]
    marks += _name_levels(drawing, levels, errors, frame, (marks, lines))
    _name_points(drawing, points, at, Scene(frame, tuple(marks), tuple(lines), tuple(faint)))
    for p in points:
        kind = "winner" if p.kind == "winner" else "entry val" if "val" in p.claim.split.lower() else "entry"
        drawing.dot(f"dot {kind}", at[id(p)], _DOT_PX, _tip(p, metric))
    return drawing


def _spread(level: Published) -> float:
    return level.interval[1] / level.interval[0] if level.interval and level.interval[0] > 0 else math.inf


def _apart(levels: Sequence[Published], errors: Log) -> list[Published]:
    """The levels that the eye can tell apart: of two lines of one kind on the same place the first is drawn."""
    kept: list[Published] = []
    for level in levels:
        y = errors(level.claim.value)
        if not any(other.kind == level.kind and abs(errors(other.claim.value) - y) < _ONE_LINE_PX for other in kept):
            kept.append(level)
    return kept


def _axes(drawing: Drawing, years: Linear, errors: Log, frame: Box) -> None:
    for value in errors.ticks(apart_px=20):
        y = errors(value)
        drawing.line("grid", (frame.left, y), (frame.right, y))
        drawing.text((frame.left - 8, y + 5), ("tick", f"{100 * value:.3g}"), anchor="end")
    step = next(s for s in (1, 2, 5, 10) if (years.end - years.start) / (years.high - years.low) * s >= 50)
    for year in range(int(years.low), int(years.high) + 1):
        if year % step == 0:
            drawing.text((years(year), frame.bottom + 24), ("tick", str(year)), anchor="middle")
    drawing.line("axis", (frame.left, frame.bottom), (frame.right, frame.bottom))


def _winners(drawing: Drawing, points: Sequence[Published], at: dict[int, Point]) -> list[Segment]:
    """The winners' line: broken where two years were not measured on the same classes and pictures."""
    best: dict[int, Published] = {}
    for p in points:
        if p.kind == "winner" and (p.year not in best or p.claim.value < best[p.year].claim.value):
            best[p.year] = p
    chain = [best[year] for year in sorted(best)]
    segments = []
    for one, two in itertools.pairwise(chain):
        kind = "winners" if one.year >= _ONE_TEST_SINCE else "winners apart"
        drawing.line(kind, at[id(one)], at[id(two)])
        segments.append((at[id(one)], at[id(two)]))
    return segments


Words = tuple[tuple[str, str], ...]
"""One line of text: parts of (class, words)."""


def _name_levels(
    drawing: Drawing, levels: Sequence[Published], errors: Log, frame: Box, taken: tuple[list[Box], list[Segment]]
) -> list[Box]:
    """Write each level's name at an end of its line, else where it touches least; shorter or broken if need be."""
    marks, lines = taken
    written: list[Box] = []
    for level in levels:
        y = errors(level.claim.value)
        others = [errors(other.claim.value) for other in levels if other is not level]
        tried = []
        for n, text in enumerate(_level_words(level)):
            for far, m, box in _along(y, text, frame):
                leader = ((box.left + 16, y), (box.left + 16, box.top if y < box.top else box.bottom))
                touched = sum(box.meets(mark) for mark in (*marks, *written))
                touched += sum(box.cut_by(line) for line in lines) + sum(box.top < o < box.bottom for o in others)
                touched += sum(mark.cut_by(leader) for mark in (*marks, *written)) if far else 0
                tried.append(((touched, far, n, m), box, text, leader))
        (_, far, _, _), box, text, leader = min(tried, key=lambda attempt: attempt[0])
        if far:
            drawing.line("leader", *leader)
        for i, words in enumerate(text):
            drawing.text((box.left + _CLEAR_PX, box.top + _LINE_PX * (i + 1) - 5), *words)
        written.append(box)
    return written


def _level_words(level: Published) -> list[tuple[Words, ...]]:
    """What is known of a level on one line, then with less, then the name and number broken over two lines."""
    kind, number = f"of {level.kind}", percent(level.claim.value)
    told: Words = ((kind, f"{level.name} {number}"),)
    versions = [told]
    if level.interval is not None:
        versions.append((*versions[-1], ("quiet", f"({between(level.interval)})")))
    if level.note.startswith("n ="):
        versions.append((*versions[-1], ("quiet", level.note.partition(";")[0])))
    words = [*level.name.split(), number]
    breaks = range(1, len(words))
    half = min(breaks, key=lambda i: abs(len(" ".join(words[:i])) - len(" ".join(words[i:]))))
    broken = (((kind, " ".join(words[:half])),), ((kind, " ".join(words[half:])),))
    return [*((version,) for version in reversed(versions)), broken]


def _along(y: float, text: Sequence[Words], frame: Box) -> list[tuple[int, int, Box]]:
    """Boxes for a text at a line across the frame: how far off it, the order of liking, the box.

    The right end first, then the left, then leftwards; above, then below.
    """
    width = max(text_width(" ".join(words for _, words in line)) for line in text) + 2 * _CLEAR_PX
    height = _LINE_PX * len(text)
    most = frame.right - width
    lefts = [most, frame.left, *(frame.left + (most - frame.left) * share / 12 for share in range(11, 0, -1))]
    found = []
    for far, off in enumerate((2, 26, 50)):
        for m, left in enumerate(lefts):
            for top in (y - off - height, y + off):
                if top >= frame.top and top + height <= frame.bottom:
                    found.append((far, m, Box(left, top, left + width, top + height)))
    return found


def _name_points(drawing: Drawing, points: Sequence[Published], at: dict[int, Point], scene: Scene) -> None:
    """Winners are named first; an entry without room keeps its mark, its tip and its row in the table."""
    order = sorted(points, key=lambda p: (p.kind != "winner", p.claim.value))
    names = []
    for p in order:
        width = text_width(f"{p.name} {percent(p.claim.value)}") + 2 * _CLEAR_PX
        names.append(Name(at[id(p)], width, _LINE_PX, _DOT_PX))
    for p, found in zip(order, place(names, scene), strict=True):
        if found is None:
            continue
        if found.leader is not None:
            drawing.line("leader", *found.leader)
        parts = (("name" if p.kind == "winner" else "quiet", p.name), ("number", percent(p.claim.value)))
        drawing.text((found.box.left + _CLEAR_PX, found.box.bottom - 5), *parts)


def _around(at: Point, radius: float) -> Box:
    return Box(at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)


def _tip(p: Published, metric: Metric) -> str:
    words = f"{p.name}, {p.year}: {percent(p.claim.value)} % {WORDS[metric].lower()}, {p.claim.edition} {p.claim.split}"
    return f"{words}; {p.claim.protocol}"


def _description(points: Sequence[Published], levels: Sequence[Published], metric: Metric) -> str:
    winners = [p for p in points if p.kind == "winner"]
    said = [f"{WORDS[metric]} on a logarithmic scale, {points[0].year} to {points[-1].year}."]
    if winners:
        said.append("Winners: " + ", ".join(f"{p.name} {p.year} {percent(p.claim.value)} %" for p in winners) + ".")
    said += [f"{p.name}: {percent(p.claim.value)} %." for p in levels]
    return " ".join([*said, "Every figure is in the table below the plot."])
