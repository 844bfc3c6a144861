"""The report in a real browser: nothing scrolls sideways, no names collide, nothing is refused by its own policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from topfive.reports import ReportContent, write_report
from toy.looks import COLLISIONS, OUTSIDE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 820, 390])
def test_the_report_opens_offline_at_every_width(
    chromium: Browser, content: ReportContent, tmp_path: Path, width: int, scheme: str
) -> None:
    write_report(content, tmp_path / "report.html")
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    page.goto((tmp_path / "report.html").as_uri())
    page.locator("details").evaluate("found => found.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(COLLISIONS) == []
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert page.title() == "Test challenge on a synthetic twin · topfive"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 24, 27)")
    visible = page.evaluate("[...document.querySelectorAll('svg')].filter(svg => svg.checkVisibility()).length")
    assert visible == 4
    assert said == []
    context.close()
