"""The page of a comparison: what it says, what it escapes, and how it looks at two widths."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import jpeg
from topfive.records import BadInput
from topfive.reports import (
    ComparedSystem,
    ComparisonContent,
    DifferingPicture,
    Label,
    OnlyRight,
    PairTest,
    TwoSystems,
    render_comparison,
    write_comparison,
)
from topfive.reports.comparison import rank_drawing

HOSTILE = "<script>document.title='owned'</script>"


def picture(seed: int) -> bytes:
    return jpeg(np.random.default_rng(seed).integers(0, 255, (80, 120, 3), dtype=np.uint8))


def shown(i: int) -> DifferingPicture:
    labels = (Label("n02123045", "tabby"), Label("n02123159", HOSTILE), Label("n03642806", "laptop"))
    return DifferingPicture(f"val_{i:08d}", picture(i), (labels[0],), labels[i % 2], labels[1 - i % 2])


SYSTEMS = (
    ComparedSystem("lite1", "efficientnet_lite1", 0.2, (0.17, 0.23), 1, (1, 1)),
    ComparedSystem("lite0", "efficientnet_lite0", 0.25, (0.22, 0.28), 2, (2, 2)),
)
TWO = TwoSystems(
    difference=0.05,
    interval=(0.03, 0.07),
    few_interval=(0.029, 0.071),
    p_value=1e-6,
    both_right=700,
    both_wrong=150,
    only=(
        OnlyRight("lite0", 50, tuple(shown(i) for i in range(4))),
        OnlyRight("lite1", 100, tuple(shown(i) for i in range(4, 10))),
    ),
    same_view=True,
    same_classes=True,
)
CONTENT = ComparisonContent("val", "val", "top-1", 1000, SYSTEMS, "topfive compare a b val", TWO)


def many(m: int) -> ComparisonContent:
    systems = tuple(
        ComparedSystem(f"a-system-with-quite-a-long-name-{i}", "", (i + 1) / (m + 1), (0.1, 0.9), i + 1, (max(1, i), m))
        for i in range(m)
    )
    pairs = (
        PairTest("a", "b", -0.01, (-0.03, 0.01), 0.3, 40, False),
        PairTest("a", "c", -0.2, (-0.3, -0.1), 1e-9, 99, True),
    )
    return replace(CONTENT, systems=systems, two=None, pairs=pairs)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_what_the_page_of_two_says() -> None:
    page = render_comparison(CONTENT)
    text = words(page)
    assert "lite1 errs less: 20.0 % top-1 error against 25.0 %. They differ on 150 of 1,000 images." in text
    assert "4 of 50 images, those first where lite1 was surest of its mistake." in text
    assert "6 of 100 images, those first where lite0 was surest of its mistake." in text
    assert "both 700" in text
    assert "neither 150" in text
    assert "+5.0 ( +3.0 to +7.0)" in text.replace("(+", "( +")
    assert "n02123045, said lite0" in text
    assert page.count("<img ") == 10
    assert "preprocessed differently" not in text
    assert "The two choose among different classes" not in text


def test_what_it_says_of_ties_views_and_classes() -> None:
    two = replace(TWO, p_value=0.4, same_view=False, same_classes=False)
    text = words(render_comparison(replace(CONTENT, two=two)))
    assert "These images do not tell the two apart" in text
    assert "The two were preprocessed differently" in text
    assert "The two choose among different classes; they are joined by wnid." in text
    unknown = words(render_comparison(replace(CONTENT, two=replace(TWO, same_view=None))))
    assert "The preprocessing of one of the two is unknown." in unknown


def test_names_are_escaped_and_nothing_is_loaded() -> None:
    page = render_comparison(replace(CONTENT, set_name=HOSTILE))
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page


def test_a_picture_that_does_not_decode_is_named_and_nothing_written(tmp_path: Path) -> None:
    broken = DifferingPicture("val_1", b"no picture", shown(0).given, shown(0).first, shown(0).second)
    two = replace(TWO, only=(OnlyRight("lite0", 1, (broken,)), TWO.only[1]))
    with pytest.raises(BadInput, match=r"^val_1: does not decode"):
        write_comparison(replace(CONTENT, two=two), tmp_path / "p.html")
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_many() -> None:
    text = words(render_comparison(many(4)))
    assert "4 systems on the same images" in text
    assert "a less b a tie" in text
    assert "a less c apart" in text
    assert "Ranks that the tests allow" in text


def test_ranks_are_drawn_where_they_are() -> None:
    drawing = rank_drawing(many(3).systems, 640)
    dots = [float(x) for x in re.findall(r'class="dot measured" cx="([\d.]+)"', drawing.render("wide"))]
    assert len(dots) == 3
    assert dots[1] - dots[0] == pytest.approx(dots[2] - dots[1], abs=0.2)
    whiskers = re.findall(r'class="whisker" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"', drawing.render("wide"))
    assert [float(end) for _, end in whiskers] == [dots[2]] * 3, "each may be last"
    assert rank_drawing(many(1).systems, 358).render("narrow").count("<circle") == 1
    crowded = rank_drawing(many(60).systems, 358).render("narrow")
    assert crowded.count('class="tick"') < 30


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("kind", ["two", "many"])
def test_it_fits_the_window(chromium, tmp_path: Path, width: int, scheme: str, kind: str) -> None:  # type: ignore[no-untyped-def]
    write_comparison(CONTENT if kind == "two" else many(7), tmp_path / "p.html")
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "p.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    svgs = page.evaluate("[...document.querySelectorAll('svg')].filter(svg => svg.checkVisibility()).length")
    assert svgs == (0 if kind == "two" else 1)
    assert said == []
    page.close()
