"""The pages in a real browser: no error, no refusal by the policy, nothing scrolls sideways, every picture is shown."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(workspace: Path) -> Iterator[str]:
    """The application on a free port."""
    uvicorn = pytest.importorskip("uvicorn")
    from topfive.web import create_app

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(workspace), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_whole(chromium: Browser, address: str, width: int) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 844})
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    page.goto(address)
    seen, waiting = set(), {"/", "/report"}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
        assert "owned" not in page.title() or "<script>" in page.title()
        page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
        links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
        # Synsets above the classes lead through all of WordNet; one step is enough.
        found = {link for link in links if link.startswith("/") and not link.endswith(".json")}
        waiting |= {link for link in found if not path.startswith("/classes/")} - seen
    assert len(seen) >= 4 + 6 + 1, "the board, the classes, the systems, the report, six classes, a run"
    assert said == []
    page.close()


def test_a_class_is_found_by_keyboard(chromium: Browser, address: str) -> None:
    page = chromium.new_page()
    page.goto(address + "/classes")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label("Find a class").fill("tiger")
    page.keyboard.press("Enter")
    page.wait_for_url("**/classes?q=tiger")
    assert page.locator(".card").count() == 1
    page.locator(".card").click()
    assert page.locator("h1").inner_text() == "tiger cat"
    page.close()
