"""The page of a comparison: which system errs less, on how many images they differ, and those images as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from topfive.records import Interval, write_text
from topfive.reports.content import Label, PairTest
from topfive.reports.report import PICTURES_BYTES, Shown
from topfive.reports.style import between, environment, percent, style_hash, stylesheet
from topfive.reports.svg import Drawing, Linear, text_width
from topfive.reports.trajectory import BESIDE, NARROW, Panel

_TOP, _BOTTOM, _ROW_PX = 8, 36, 40


@dataclass(frozen=True)
class ComparedSystem:
    """One predictions file: its name, its error, its rank and the ranks that the tests allow."""

    name: str
    system: str
    error: float
    error_interval: Interval
    rank: int
    rank_interval: tuple[int, int]


@dataclass(frozen=True)
class DifferingPicture:
    """An image that one system gets right: its allowed labels and both first guesses. `image` is the file as stored."""

    image_id: str
    image: bytes
    given: tuple[Label, ...]
    first: Label
    second: Label


@dataclass(frozen=True)
class OnlyRight:
    """Of `n` images that only `name` gets right, those that are shown."""

    name: str
    n: int
    pictures: tuple[DifferingPicture, ...]


@dataclass(frozen=True)
class TwoSystems:
    """What the page of two systems shows besides: counts of images, the difference, and the differing images.

    `few_interval` is Bonett and Price's. `same_view` is None where a side's preprocessing is unknown.
    """

    difference: float
    interval: Interval
    few_interval: Interval
    p_value: float
    both_right: int
    both_wrong: int
    only: tuple[OnlyRight, OnlyRight]
    same_view: bool | None
    same_classes: bool
    no_pictures: str = ""
    """Why there are no pictures, where there are none."""

    @property
    def n_discordant(self) -> int:
        """Images that exactly one side gets right."""
        return self.only[0].n + self.only[1].n


@dataclass(frozen=True)
class ComparisonContent:
    """Everything on the page: `systems` best first, on `n` images of `set_name`; `pairs` where there are more than two.

    `metric` is `top-1` or `top-5`. `two` is None where there are more.
    """

    set_name: str
    split: str
    metric: str
    n: int
    systems: tuple[ComparedSystem, ...]
    command: str
    two: TwoSystems | None = None
    pairs: tuple[PairTest, ...] = ()


def write_comparison(content: ComparisonContent, path: Path) -> None:
    """Write the page, pictures as in `write_report`; raises BadInput naming an image that cannot be shown."""
    write_text(path, render_comparison(content))


def render_comparison(content: ComparisonContent) -> str:
    """The page as text; every name in it is escaped, its security policy allows its own style element and no more."""
    css = stylesheet()
    return (
        environment()
        .get_template("comparison.html")
        .render(
            content=content,
            ranks=rank_panels(content.systems, content.metric, content.n) if content.two is None else (),
            shown=Shown(PICTURES_BYTES),
            style=css,
            style_source=style_hash(css),
        )
    )


def rank_panels(systems: Sequence[ComparedSystem], metric: str, n: int) -> tuple[Panel, ...]:
    """One panel: a row a system, its rank as a point and the ranks it may hold as a whisker."""
    subtitle = f"{metric} error on {n:,} images in %"
    wide, narrow = (
        rank_drawing(systems, width).render(kind)
        for width, kind in ((BESIDE.width + 260, "wide"), (NARROW.width, "narrow"))
    )
    return (Panel("Ranks that the tests allow", subtitle, wide, narrow),)


def rank_drawing(systems: Sequence[ComparedSystem], width: int) -> Drawing:
    """Ranks run across, systems down in their order; the error stands at the end of each row."""
    m = len(systems)
    room = width * 0.42
    names = [_short(system.name, room) for system in systems]
    left = max(text_width(name) for name in names) + 20
    right = width - max(text_width(percent(system.error)) for system in systems) - 20
    height = _TOP + _ROW_PX * m + _BOTTOM
    told = "; ".join(f"{s.name} {s.rank_interval[0]} to {s.rank_interval[1]}" for s in systems)
    drawing = Drawing(width, height, "Ranks that the tests allow", f"Best and worst rank of each system: {told}.")
    ranks = Linear(1, max(m, 2), left, right)
    base = height - _BOTTOM
    step = max(1, -(-m // max(1, int((right - left) // 28))))
    for rank in range(1, m + 1, step):
        drawing.line("grid", (ranks(rank), _TOP), (ranks(rank), base))
        drawing.text((ranks(rank), base + 24), ("tick", str(rank)), anchor="middle")
    drawing.line("axis", (left, base), (right, base))
    for place, (system, name) in enumerate(zip(systems, names, strict=True)):
        y = _TOP + _ROW_PX * (place + 0.5)
        drawing.text((0, y + 5), ("name", name))
        low, high = system.rank_interval
        drawing.line("whisker", (ranks(low), y), (ranks(high), y))
        error = f"{percent(system.error)} % ({between(system.error_interval)})"
        tip = f"{system.name}: rank {system.rank}, {low} to {high}; {error}"
        drawing.dot("dot measured", (ranks(system.rank), y), 5, tip)
        drawing.text((width, y + 5), ("number", percent(system.error)), anchor="end")
    return drawing


def _short(name: str, room_px: float) -> str:
    """The name, or its beginning with an ellipsis."""
    shown = name
    while len(shown) > 1 and text_width(shown) > room_px:
        shown = shown.removesuffix("…")[:-1] + "…"
    return shown
