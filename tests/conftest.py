"""Fixtures that many rooms use: real data where it lies beside the checkout, a tiny class list, drawn pictures."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from topfive.records import ClassList
from toy.nightly import COUNTED, NIGHTLY, Count, Teller

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_REAL = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def full_count(record_property: Callable[[str, object], None]) -> Count:
    """How often a test does what it is about: a few times, or as often as `make nightly` says."""

    def count(what: str, few: int, full: int) -> int:
        record_property(COUNTED, f"{full:,} {what}")
        return full if NIGHTLY else few

    return count


def pytest_configure(config: pytest.Config) -> None:
    """Tell on a page what a nightly run counts; of several processes the one that gathers their reports does."""
    if NIGHTLY and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Teller())


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; tests that want it skip where it is missing."""
    if not (_REAL / "data").is_dir():
        pytest.skip("no folder `shared/data` beside the checkout: real data is not here")
    return _REAL


@pytest.fixture
def three() -> ClassList:
    """Three real classes in sorted order."""
    return ClassList(("n01440764", "n01443537", "n01484850"), ("tench", "goldfish", "great white shark"))


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    """Encode uint8 RGB pixels as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium without a window; one a module: its event loop must not outlive its tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here: apt-get install -y chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=[*flags, "--disable-component-update"])
        yield browser
        browser.close()
