from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.reports.labels import Box, Name, Scene, place

FRAME = Box(0, 0, 400, 300)


def around(at: tuple[float, float], radius: float = 6) -> Box:
    return Box(at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)


def test_a_name_alone_stands_to_the_right_of_its_point() -> None:
    (found,) = place([Name((100, 100), 50, 18)], Scene(FRAME, marks=(around((100, 100)),)))
    assert found is not None
    assert found.leader is None
    assert found.box.left > 100
    assert found.box.top + 9 == pytest.approx(100)


def test_a_name_at_the_right_edge_turns_inwards() -> None:
    (found,) = place([Name((395, 100), 50, 18)], Scene(FRAME, marks=(around((395, 100)),)))
    assert found is not None
    assert found.box.right <= 400
    assert found.leader is None


def test_no_room_means_no_name() -> None:
    assert place([Name((100, 100), 500, 18)], Scene(FRAME)) == (None,)
    assert place([], Scene(FRAME)) == ()


def test_a_name_that_others_shut_out_is_served_first_in_the_next_round() -> None:
    # Only the right side is free for the second point; the first would take it, though it could go left.
    frame = Box(0, 0, 260, 30)
    names = [Name((120, 15), 100, 18), Name((140, 15), 80, 18)]
    found = place(names, Scene(frame, marks=(around((120, 15)), around((140, 15)))))
    assert all(item is not None for item in found)


@pytest.mark.parametrize("segment", [((0, 50), (100, 50)), ((50, 0), (50, 100)), ((0, 0), (100, 100))])
def test_a_line_through_a_box_cuts_it(segment: tuple[tuple[float, float], tuple[float, float]]) -> None:
    assert Box(40, 40, 60, 60).cut_by(segment)
    assert not Box(140, 40, 160, 60).cut_by(segment)


@given(
    st.tuples(*[st.floats(-50, 150)] * 4),
    st.tuples(st.floats(0, 60), st.floats(0, 60), st.floats(1, 40), st.floats(1, 40)),
)
def test_cut_by_is_what_walking_along_the_line_finds(
    ends: tuple[float, float, float, float], size: tuple[float, float, float, float]
) -> None:
    box = Box(size[0], size[1], size[0] + size[2], size[1] + size[3])
    x = np.linspace(ends[0], ends[2], 2001)
    y = np.linspace(ends[1], ends[3], 2001)
    # Inside by more than rounding: a line that ends 4e-137 within the edge touches it.
    clear = 1e-9
    inside = (x > box.left + clear) & (x < box.right - clear) & (y > box.top + clear) & (y < box.bottom - clear)
    if inside.any():
        assert box.cut_by(((ends[0], ends[1]), (ends[2], ends[3])))
    # Walking in steps may miss a corner that is cut by less than a step; a box grown by that step must then be met.
    elif box.cut_by(((ends[0], ends[1]), (ends[2], ends[3]))):
        step = max(math.hypot(ends[2] - ends[0], ends[3] - ends[1]) / 2000, 1e-9)
        grown = (x > box.left - step) & (x < box.right + step) & (y > box.top - step) & (y < box.bottom + step)
        assert grown.any()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 390), st.integers(0, 290), st.integers(20, 140)), max_size=14))
def test_names_touch_nothing(points: list[tuple[int, int, int]]) -> None:
    marks = tuple(around((x, y)) for x, y, _ in points)
    lines = (((0.0, 0.0), (400.0, 300.0)),)
    found = place([Name((x, y), width, 18) for x, y, width in points], Scene(FRAME, marks, lines))
    placed = [item for item in found if item is not None]
    for i, item in enumerate(placed):
        assert FRAME.holds(item.box)
        assert not any(item.box.meets(mark) for mark in marks)
        assert not item.box.cut_by(lines[0])
        for other in placed[i + 1 :]:
            assert not item.box.meets(other.box)
            assert other.leader is None or not item.box.cut_by(other.leader)
            assert item.leader is None or not other.box.cut_by(item.leader)
