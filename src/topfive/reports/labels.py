"""Where the names of points go: beside their point, off every mark, line and other name; or nowhere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Segment = tuple[Point, Point]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the insides overlap."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Box) -> bool:
        """Whether `other` lies within."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )

    def cut_by(self, segment: Segment) -> bool:
        """Whether a segment runs through the inside (Liang and Barsky's clipping)."""
        (x1, y1), (x2, y2) = segment
        dx, dy = x2 - x1, y2 - y1
        first, last = 0.0, 1.0
        for step, room in ((-dx, x1 - self.left), (dx, self.right - x1), (-dy, y1 - self.top), (dy, self.bottom - y1)):
            if step == 0:
                if room <= 0:
                    return False
            elif step < 0:
                first = max(first, room / step)
            else:
                last = min(last, room / step)
        return first < last


@dataclass(frozen=True)
class Name:
    """A text of this size (its clear space included) that belongs to the mark of `radius` at `at`."""

    at: Point
    width: float
    height: float
    radius: float = 5


@dataclass(frozen=True)
class Place:
    """Where a name stands; `leader` joins it to its point where it could not stand beside it."""

    box: Box
    leader: Segment | None


Offer = tuple[float, Place]
"""What a place costs, and the place."""


# Direction across and down, where along the text the point lies (0 its start, 1 its end), and the cost of reading
# there: the eye reads on to the right, a name above or below comes second, one to the left third.
_SIDES = (
    (1, 0, 0.0, 0),
    (1, -1, 0.0, 2),
    (1, 1, 0.0, 2),
    (0, -1, 0.5, 4),
    (0, 1, 0.5, 4),
    (0, -1, 0.1, 4.5),
    (0, 1, 0.1, 4.5),
    (0, -1, 0.9, 5),
    (0, 1, 0.9, 5),
    (-1, 0, 1.0, 5),
    (-1, -1, 1.0, 6),
    (-1, 1, 1.0, 6),
)
_REACH_PX = (1, 12, 24, 38, 56, 76)
_SWEEPS = 4
_ROUNDS = 12
_DEAREST = 60.0


@dataclass(frozen=True)
class Scene:
    """What names must keep off: `marks` and `lines` always, `faint` lines if they can; all within `frame`."""

    frame: Box
    marks: tuple[Box, ...] = ()
    lines: tuple[Segment, ...] = ()
    faint: tuple[Segment, ...] = ()


def place(names: Sequence[Name], scene: Scene) -> tuple[Place | None, ...]:
    """A place for each name, None where there is none that touches nothing; the first names matter most.

    Names that found no place are served first in the next round; the round that leaves out least wins.
    """
    offers = [_offers(name, scene) for name in names]
    order = list(range(len(names)))
    best: tuple[tuple[int, float], tuple[Place | None, ...]] | None = None
    for _ in range(_ROUNDS):
        chosen, cost = _round(offers, order)
        missing = [i for i, found in enumerate(chosen) if found is None]
        score = (sum(len(names) - i for i in missing), cost)
        if best is None or score < best[0]:
            best = (score, chosen)
        if not missing:
            break
        order = missing + [i for i in order if i not in missing]
    return () if best is None else best[1]


def _round(offers: Sequence[Sequence[Offer]], order: Sequence[int]) -> tuple[tuple[Place | None, ...], float]:
    """Serve the names in order, then sweep until none can do better; the places and what they cost."""
    chosen: list[Offer | None] = [None] * len(offers)
    for _ in range(_SWEEPS):
        before = list(chosen)
        for i in order:
            others = [other[1] for j, other in enumerate(chosen) if other is not None and j != i]
            chosen[i] = next((offer for offer in offers[i] if _free(offer[1], others)), None)
        if chosen == before:
            break
    return tuple(offer and offer[1] for offer in chosen), sum(offer[0] for offer in chosen if offer)


def _offers(name: Name, scene: Scene) -> list[Offer]:
    """The places that a name may take as far as the scene is concerned, cheapest first."""
    offers = ((_cost(candidate, base, scene), candidate) for base, candidate in _candidates(name))
    return sorted((offer for offer in offers if offer[0] <= _DEAREST), key=lambda offer: offer[0])


def _candidates(name: Name) -> Iterator[Offer]:
    x, y = name.at
    for reach, (across, down, along, base) in itertools.product(_REACH_PX, _SIDES):
        away = (name.radius + reach) * (0.75 if across and down else 1.0)
        left = x + across * away - name.width * along
        top = y + down * away + name.height * (down - 1) / 2
        box = Box(left, top, left + name.width, top + name.height)
        leader = None
        if reach > _REACH_PX[0]:
            leader = ((x, y), (min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)))
        yield base + reach * 0.8, Place(box, leader)


def _cost(place: Place, base: float, scene: Scene) -> float:
    """Infinite where the name itself touches what it must not; its leader may cross marks and lines, at a price."""
    box, leader = place.box, place.leader
    if not scene.frame.holds(box) or any(box.meets(mark) for mark in scene.marks):
        return math.inf
    if any(box.cut_by(line) for line in scene.lines):
        return math.inf
    cost = base + 25.0 * sum(box.cut_by(line) for line in scene.faint)
    if leader is not None:
        # A leader starts inside its own mark, hence the one mark that is free of charge.
        cost += 40.0 * max(0, sum(mark.cut_by(leader) for mark in scene.marks) - 1)
        cost += 30.0 * sum(_cross(leader, line) for line in scene.lines)
    return cost


def _free(place: Place, others: Sequence[Place]) -> bool:
    """Whether neither the name nor its leader touches another name or leader."""
    box, leader = place.box, place.leader
    for other in others:
        if box.meets(other.box) or (other.leader is not None and box.cut_by(other.leader)):
            return False
        if leader is not None and other.box.cut_by(leader):
            return False
        if leader is not None and other.leader is not None and _cross(leader, other.leader):
            return False
    return True


def _cross(first: Segment, second: Segment) -> bool:
    def side(segment: Segment, point: Point) -> float:
        (x1, y1), (x2, y2) = segment
        return (x2 - x1) * (point[1] - y1) - (y2 - y1) * (point[0] - x1)

    return side(first, second[0]) * side(first, second[1]) < 0 and side(second, first[0]) * side(second, first[1]) < 0
