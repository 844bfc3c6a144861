"""The report in a real browser: nothing scrolls sideways, no names collide, nothing is refused by its own policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from topfive.reports import ReportContent, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

COLLISIONS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg')) {
    if (!svg.checkVisibility()) continue;
    const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([a, r], i) => texts.slice(i + 1).forEach(([b, s]) => {
      // Line boxes are taller than letters: 3 px of them may overlap unseen.
      const across = Math.min(r.right, s.right) - Math.max(r.left, s.left);
      const down = Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top);
      if (across > 1 && down > 3) found.push([svg.getAttribute('aria-label'), a, b]);
    }));
  }
  return found;
}"""

OUTSIDE = """() => [...document.querySelectorAll('svg')].filter(svg => svg.checkVisibility()).flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(t => {
    const r = t.getBoundingClientRect();
    return r.left < frame.left - 1 || r.right > frame.right + 1;
  }).map(t => t.textContent);
})"""


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
