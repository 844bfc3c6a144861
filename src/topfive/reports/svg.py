"""A drawing as SVG text: marks carry a class and no colour, so that the page's style sheet rules light, dark and print.

Written here rather than drawn by matplotlib: its marks carry style attributes, which a page without `unsafe-inline`
refuses, and colours that cannot follow the reader's setting.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape

Point = tuple[float, float]

TEXT_PX = 14
_WIDEST = 1.17
"""DejaVu Sans, the widest of the usual system fonts, over the font that ships with Pillow (measured: 1.10 to 1.15)."""


@lru_cache(maxsize=1024)
def text_width(text: str, size_px: int = TEXT_PX) -> float:
    """Width in pixels that no usual system font exceeds."""
    from PIL import ImageFont

    return float(ImageFont.load_default(size_px).getlength(text)) * _WIDEST


@dataclass(frozen=True)
class Log:
    """A logarithmic axis from the values [low, high] to the pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; values beyond the axis stick to its ends."""
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, apart_px: float) -> tuple[float, ...]:
        """Round values (1, 2, 3, 5, or fewer of them, times powers of ten) no nearer to each other than `apart_px`.

        An axis too short for two of them gets any whole multiples, or else its ends.
        """
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for steps in ((1, 2, 3, 5), (1, 2, 5), (1, 3), (1,), range(1, 10)):
            values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
            found = [value for value in values if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]
            gaps = (abs(self(two) - self(one)) for one, two in itertools.pairwise(found))
            if len(found) >= 2 and all(gap >= apart_px for gap in gaps):
                return tuple(found)
        return (self.low, self.high)


@dataclass(frozen=True)
class Linear:
    """A linear axis from the values [low, high] to the pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass
class Drawing:
    """Marks in the order they are drawn; `label` is what a screen reader says, `description` what is to be seen."""

    width: float
    height: float
    label: str
    description: str
    marks: list[str] = field(default_factory=list)

    def line(self, kind: str, start: Point, end: Point) -> None:
        """A straight line."""
        self.marks.append(
            f'<line class="{kind}" x1="{_px(start[0])}" y1="{_px(start[1])}" x2="{_px(end[0])}" y2="{_px(end[1])}"/>'
        )

    def path(self, kind: str, points: Sequence[Point]) -> None:
        """An open line through points."""
        steps = " L".join(f"{_px(x)} {_px(y)}" for x, y in points)
        self.marks.append(f'<path class="{kind}" d="M{steps}"/>')

    def rect(self, kind: str, corner: Point, size: Point) -> None:
        """A rectangle by its upper left corner, width and height."""
        self.marks.append(
            f'<rect class="{kind}" x="{_px(corner[0])}" y="{_px(corner[1])}" '
            f'width="{_px(size[0])}" height="{_px(size[1])}"/>'
        )

    def dot(self, kind: str, centre: Point, radius: float, tip: str) -> None:
        """A point; `tip` is what the pointer shows on it."""
        self.marks.append(
            f'<circle class="{kind}" cx="{_px(centre[0])}" cy="{_px(centre[1])}" r="{_px(radius)}">'
            f"<title>{escape(tip)}</title></circle>"
        )

    def text(self, at: Point, *parts: tuple[str, str], anchor: str = "start") -> None:
        """Parts of (class, words) on one base line, as text; `anchor` is start, middle or end."""
        spans = " ".join(f'<tspan class="{kind}">{escape(words)}</tspan>' for kind, words in parts)
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.marks.append(f'<text x="{_px(at[0])}" y="{_px(at[1])}"{where}>{spans}</text>')

    def render(self, kind: str) -> str:
        """The SVG element."""
        return (
            f'<svg class="{kind}" role="img" aria-label="{escape(self.label)}" viewBox="0 0 {_px(self.width)} '
            f'{_px(self.height)}" width="{_px(self.width)}" height="{_px(self.height)}">'
            f"<desc>{escape(self.description)}</desc>{''.join(self.marks)}</svg>"
        )


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
