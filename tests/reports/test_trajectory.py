from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

import pytest

from topfive.records import Board, Claim, Published
from topfive.reports import ReportContent, measured_panels, trajectory_panels
from topfive.reports.measured import chance_level
from topfive.reports.trajectory import NARROW, WIDE, published_drawing


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(svg).iter("text")]


def marks(svg: str, kind: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(svg).iter() if kind in element.attrib.get("class", "").split()]


def claimed(name: str, year: int, kind: str, value: float, split: str = "test") -> Published:
    return Published(name, year, kind, Claim("top5_error", value, "ILSVRC", split, "one network", "test"))  # type: ignore[arg-type]


def test_four_panels_published_beside_measured(content: ReportContent) -> None:
    panels = trajectory_panels(content.published, content.board, content.dataset)
    assert [panel.title for panel in panels] == [
        "Top-5 error, published, %",
        "Top-5 error, measured here, %",
        "Top-1 error, published, %",
        "Top-1 error, measured here, %",
    ]
    assert panels[1].subtitle == "on twin-20-0, a synthetic twin"
    for panel in panels:
        for svg in (panel.wide, panel.narrow):
            root = ET.fromstring(svg)
            assert root.attrib["aria-label"]
            assert all("style" not in element.attrib for element in root.iter())


def test_nothing_published_and_nothing_measured(make_content: Callable[..., ReportContent]) -> None:
    content = make_content()
    assert len(trajectory_panels((), content.board, content.dataset)) == 2
    empty = Board("none yet", (), {})
    assert len(trajectory_panels(content.published, empty, content.dataset)) == 2
    assert trajectory_panels((), empty, content.dataset) == ()
    assert measured_panels(empty, "a set") == ()


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_winners_are_named_and_joined_and_dotted_where_the_test_changed(content: ReportContent, size: object) -> None:
    shown = [item for item in content.published if item.claim.metric == "top5_error"]
    svg = published_drawing(shown, "top5_error", size).render("wide")  # type: ignore[arg-type]
    winners = sorted((p for p in shown if p.kind == "winner"), key=lambda p: p.year)
    for winner in winners:
        assert f"{winner.name} {100 * winner.claim.value:.1f}" in texts(svg)
    lines = [element for element in ET.fromstring(svg).iter("line") if "winners" in element.attrib["class"]]
    assert len(lines) == len(winners) - 1
    assert [("apart" in line.attrib["class"]) for line in lines] == [True, True] + [False] * (len(lines) - 2)


def test_marks_say_test_or_validation(content: ReportContent) -> None:
    shown = [item for item in content.published if item.claim.metric == "top5_error"]
    svg = published_drawing(shown, "top5_error", WIDE).render("wide")
    assert len(marks(svg, "winner")) == 8
    assert len(marks(svg, "val")) == sum(p.claim.split == "val" and p.kind == "entry" for p in shown)


def test_the_human_level_has_its_band_and_its_n(content: ReportContent) -> None:
    svg = trajectory_panels(content.published, content.board, content.dataset)[0].wide
    assert "Human 5.1 (4.1–6.3) n = 1,500" in texts(svg)
    (band,) = (mark for mark in marks(svg, "band") if "human" in mark.attrib["class"])
    (line,) = (mark for mark in marks(svg, "level") if "human" in mark.attrib["class"])
    top, height, level = float(band.attrib["y"]), float(band.attrib["height"]), float(line.attrib["y1"])
    assert top < level < top + height


def test_of_two_people_the_best_measured_has_the_band_and_both_have_lines() -> None:
    shown = [claimed("a", 2012, "winner", 0.16), claimed("b", 2015, "winner", 0.04)]
    people = [claimed("few images", 2014, "human", 0.12), claimed("many images", 2014, "human", 0.051)]
    people = [replace(people[0], interval=(0.086, 0.165)), replace(people[1], interval=(0.041, 0.064))]
    svg = published_drawing([*shown, *people], "top5_error", WIDE).render("wide")
    assert len(marks(svg, "band")) == 1
    assert len(marks(svg, "level")) == 2
    assert "few images 12.0 (8.6–16.5)" in texts(svg)


def test_levels_in_one_place_are_drawn_once() -> None:
    shown = [claimed("a", 2012, "winner", 0.16), claimed("b", 2015, "winner", 0.04)]
    levels = [claimed("one", 2020, "agreement", 0.0998), claimed("same", 2020, "agreement", 0.1004)]
    svg = published_drawing([*shown, *levels], "top5_error", WIDE).render("wide")
    assert len(marks(svg, "level")) == 1
    assert "one 10.0" in texts(svg)


def test_agreement_levels_stand_in_the_panel_of_their_metric(content: ReportContent) -> None:
    top5, _, top1, _ = trajectory_panels(content.published, content.board, content.dataset)
    assert any("votes" in text for text in texts(top5.wide))
    assert not any("ReaL" in text for text in texts(top5.wide))
    assert any("ReaL" in text for text in texts(top1.wide))


def test_errors_lie_on_a_log_scale() -> None:
    shown = [claimed("a", 2012, "winner", 0.16), claimed("b", 2013, "winner", 0.08), claimed("c", 2014, "winner", 0.04)]
    dots = marks(published_drawing(shown, "top5_error", WIDE).render("wide"), "winner")
    y = [float(dot.attrib["cy"]) for dot in dots]
    assert y[1] - y[0] == pytest.approx(y[2] - y[1], abs=0.2)
    assert y[0] < y[1], "a smaller error lies lower"


def test_one_point_alone_is_a_plot() -> None:
    assert "only 5.0" in texts(
        published_drawing([claimed("only", 2015, "entry", 0.05)], "top5_error", NARROW).render("n")
    )


def test_of_two_winners_in_a_year_the_line_takes_the_better() -> None:
    shown = [claimed("a", 2012, "winner", 0.16), claimed("b", 2012, "winner", 0.15), claimed("c", 2013, "winner", 0.11)]
    svg = published_drawing(shown, "top5_error", WIDE).render("wide")
    (line,) = (element for element in ET.fromstring(svg).iter("line") if element.attrib["class"] == "winners")
    better = max(
        marks(svg, "winner"), key=lambda dot: float(dot.attrib["cy"]) if dot.attrib["cx"] == line.attrib["x1"] else 0
    )
    assert line.attrib["y1"] == better.attrib["cy"]


def test_hostile_names_stay_text(hostile: str) -> None:
    drawing = published_drawing([claimed(hostile, 2012, "winner", 0.1)], "top5_error", WIDE)
    assert "<script" not in drawing.render("wide")


def test_zero_error_is_drawn_at_its_upper_bound_and_said(content: ReportContent) -> None:
    panel = measured_panels(content.board, "a set")[0]
    (dot,) = marks(panel.wide, "zero")
    assert "no error in 1,000" in "".join(dot.itertext())
    assert "<\u202f0.4" in texts(panel.wide)
    others = [float(mark.attrib["cx"]) for mark in marks(panel.wide, "measured")]
    assert float(dot.attrib["cx"]) < min(others)


def test_measured_points_have_intervals_and_the_chance_line(content: ReportContent) -> None:
    panel = measured_panels(content.board, "a set")[1]
    assert "chance 95.0" in texts(panel.wide)
    assert len(marks(panel.wide, "whisker")) == 5
    for dot, whisker in zip(marks(panel.wide, "measured"), marks(panel.wide, "whisker"), strict=True):
        assert float(whisker.attrib["x1"]) < float(dot.attrib["cx"]) < float(whisker.attrib["x2"])
    years = [text for text in texts(panel.narrow) if re.fullmatch(r"20\d\d", text)]
    assert years == sorted(years), "rows in the order of the papers"


def test_a_board_that_states_no_chance_gets_no_line(content: ReportContent) -> None:
    silent = replace(content.board, reference={})
    assert chance_level(silent, "top1_error") is None
    assert not marks(measured_panels(silent, "a set")[1].wide, "chance")


def test_many_systems_and_long_names_still_fit(content: ReportContent) -> None:
    long = replace(content.board.rows[0], system="linear_probe:" + "efficientnet_" * 5)
    board = replace(content.board, rows=(long,) * 40)
    root = ET.fromstring(measured_panels(board, "a set")[0].narrow)
    assert float(root.attrib["height"]) >= 40 * 40
    assert any(text.endswith("…") for text in texts(ET.tostring(root, encoding="unicode")))
