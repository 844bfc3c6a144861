from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.reports.svg import Drawing, Linear, Log, text_width


def test_log_axis_by_hand() -> None:
    axis = Log(0.01, 1.0, 0, 200)
    assert axis(0.01) == 0
    assert axis(0.1) == pytest.approx(100)
    assert axis(1.0) == pytest.approx(200)
    assert axis(0.0001) == 0, "values beyond the axis stick to its end"
    assert Log(0.01, 1.0, 200, 0)(0.1) == pytest.approx(100)


def test_linear_axis_by_hand() -> None:
    assert Linear(2010, 2017, 50, 120)(2012) == pytest.approx(70)


def test_ticks_by_hand() -> None:
    axis = Log(0.02, 0.5, 0, 400)
    assert [round(100 * v) for v in axis.ticks(20)] == [2, 3, 5, 10, 20, 30, 50]
    assert [round(100 * v) for v in axis.ticks(60)] == [2, 5, 10, 20, 50]
    assert [round(100 * v) for v in axis.ticks(100)] == [3, 10, 30]
    assert [round(100 * v) for v in Log(0.11, 0.19, 0, 400).ticks(20)] == [11, 19]
    assert [round(100 * v) for v in Log(0.35, 0.75, 0, 400).ticks(20)] == [40, 50, 60, 70]


@given(
    low=st.floats(0.0005, 0.5),
    decades=st.floats(0.2, 3.5),
    length=st.floats(60, 800),
    apart=st.floats(10, 50),
)
def test_ticks_lie_on_the_axis_and_apart(low: float, decades: float, length: float, apart: float) -> None:
    axis = Log(low, low * 10**decades, 0, length)
    ticks = axis.ticks(apart)
    assert len(ticks) >= 2
    assert all(axis.low * (1 - 1e-9) <= tick <= axis.high * (1 + 1e-9) for tick in ticks)
    assert list(ticks) == sorted(set(ticks))
    if ticks != (axis.low, axis.high):
        pixels = [axis(tick) for tick in ticks]
        assert all(two - one >= apart - 1e-6 for one, two in itertools.pairwise(pixels))
        assert all(round(tick / 10 ** math.floor(math.log10(tick) + 1e-9)) in range(1, 11) for tick in ticks), (
            "round numbers only"
        )


def test_a_drawing_is_well_formed_and_escapes_what_people_wrote() -> None:
    drawing = Drawing(100, 50, 'say "<hi>"', "a & b")
    drawing.text((1, 2), ("name", "<script>"), ("number", "1.0"), anchor="end")
    drawing.dot("dot", (3, 4), 2, "</circle><script>")
    drawing.line("grid", (0, 0.123), (1, 1))
    drawing.path("winners", [(0, 0), (1, 2.5)])
    drawing.rect("band", (0, 0), (1, 1))
    root = ET.fromstring(drawing.render("wide"))
    assert root.attrib["aria-label"] == 'say "<hi>"'
    assert root.attrib["role"] == "img"
    assert root[0].text == "a & b"
    assert [child.tag for child in root] == ["desc", "text", "circle", "line", "path", "rect"]
    assert all("style" not in element.attrib for element in root.iter()), "a strict policy refuses style attributes"
    assert root.find("path").attrib["d"] == "M0 0 L1 2.5"  # type: ignore[union-attr]


def test_text_width_grows_with_the_text() -> None:
    assert 0 < text_width("i") < text_width("m") < text_width("mm")
    assert text_width("mm", 28) == pytest.approx(2 * text_width("mm", 14), rel=0.1)
