"""The page of one result: what it says, what it refuses to show, and how it stands in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from topfive.flows.judge import hierarchy_over
from topfive.records import ClassList, Predictions, Truth
from topfive.reports import Confusion, Label, Picture, ResultRecord, render_result_page, write_result_page
from topfive.scoring import Details, details
from topfive.taxonomy import ilsvrc_classes
from toy.looks import COLLISIONS, OUTSIDE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "<script>document.title='owned'</script>"


def view(n_classes: int, n: int = 300, *, logits: bool = True, name: str = "original", sure: float = 2.0) -> Details:
    """Details over the first classes of ILSVRC, one of them with a hostile name."""
    classes = ilsvrc_classes()
    names = (HOSTILE, *classes.names[1:n_classes])
    some = ClassList(classes.wnids[:n_classes], names)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, n).astype(np.int32)
    scores = (rng.normal(0, 1, (n, n_classes)) + sure * np.eye(n_classes)[labels]).astype(np.float32)
    ids = tuple(f"i{i}" for i in range(n))
    made = Predictions.from_logits(ids, scores, some, keep_logits=logits)
    truth = Truth.single(ids, labels, some, name)
    hierarchy = hierarchy_over(some) if logits else None
    return details(made, truth, hierarchy=hierarchy, n_resamples=50)


@pytest.fixture(scope="module")
def few() -> Details:
    return view(12)


@pytest.fixture(scope="module")
def many() -> Details:
    return view(120, 900)


def record(found: Details, **changes: object) -> ResultRecord:
    parts: dict[str, object] = {
        "title": "resnet",
        "dataset": "a set, val",
        "views": (found,),
        "rules": {"original": "the labels as given"},
        "facts": {"System": HOSTILE, "View": "f" * 64},
        "command": "topfive score p.parquet set --report page.html",
    }
    return ResultRecord(**(parts | changes))  # type: ignore[arg-type]


def test_it_says_every_number_and_escapes_every_name(few: Details) -> None:
    page = render_result_page(record(few))
    assert HOSTILE not in page and "&lt;script&gt;" in page
    for words in ("the labels as given", "Guessing at random", "temperature of", "meet at height", "p.parquet set"):
        assert words in page
    assert f"{100 * few.scores.top1_error:.1f} % top-1 error" in page
    assert f"{100 * few.calibration.ece:.2f}" in page  # type: ignore[union-attr]
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page and " style=" not in page


def test_a_caution_stands_with_the_headline(few: Details) -> None:
    page = render_result_page(record(few, caution=f"seen {HOSTILE}"))
    assert page.index("Guessing at random") < page.index("seen &lt;script&gt;") < page.index("Images right at once")
    assert 'role="note"' not in render_result_page(record(few))


def test_several_truths_are_side_by_side_and_say_what_they_lack(few: Details) -> None:
    page = render_result_page(record(few, views=(few, view(12, logits=False, name="strict"))))
    assert "several sets of labels" in page and ">strict" in page
    assert "calibration, truth strict" in page and "no logits" in page


def test_without_logits_the_page_says_so(few: Details) -> None:
    page = render_result_page(record(view(12, logits=False)))
    assert "How sure it is" not in page and "How bad the mistakes are" not in page
    assert "predict with them kept" in page and "key them by wnid" in page


def test_no_mistake_is_said(few: Details) -> None:
    page = render_result_page(record(view(12, sure=50.0)))
    assert "No first guess is wrong." in page and "no first guess is wrong" in page


def test_pictures_are_encoded_anew(few: Details, picture: Callable[..., bytes], tmp_path: Path) -> None:
    pair = Label("n1", HOSTILE), Label("n2", "goldfish")
    shown = Confusion("resnet", *pair, 3, 9, (Picture("i1", picture(1), *pair),))
    write_result_page(record(few, confusions=(shown,)), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 1 and "3 of 9" in page and HOSTILE not in page
    assert "Everything that topfive measures" in page


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 820, 390])
def test_the_page_opens_offline_at_every_width(
    chromium: Browser, few: Details, many: Details, tmp_path: Path, width: int, scheme: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    for name, found in (("few", few), ("many", many)):
        write_result_page(record(found), tmp_path / f"{name}.html")
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.goto((tmp_path / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(COLLISIONS) == []
        assert page.evaluate(OUTSIDE) == []
        assert page.title() == "resnet on a set, val · topfive"
        assert said == []
    context.close()


@pytest.mark.browser
def test_wide_tables_scroll_in_boxes_that_show_it_and_numbers_stay_whole(
    chromium: Browser, many: Details, tmp_path: Path
) -> None:
    write_result_page(record(many), tmp_path / "page.html")
    context = chromium.new_context(viewport={"width": 390, "height": 844}, offline=True)
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    wide = page.evaluate(
        """[...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth).map(box => {
            const style = getComputedStyle(box);
            box.focus();
            return [document.activeElement === box, style.overflowX, style.backgroundAttachment, style.scrollbarWidth];
        })"""
    )
    assert len(wide) >= 3
    assert all(found == [True, "auto", "local, local, scroll, scroll", "thin"] for found in wide)
    outside = "[...document.querySelectorAll('table')].filter(table => !table.closest('.scroll')).length"
    assert page.evaluate(outside) == 0
    lines = "[...document.querySelectorAll('.nowrap, td.number .beside')].map(part => part.getClientRects().length)"
    assert set(page.evaluate(lines)) <= {0, 1}
    assert "n = 900" in page.evaluate("[...document.querySelectorAll('.nowrap')].map(part => part.textContent)")
    context.close()
