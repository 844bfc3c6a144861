from __future__ import annotations

import base64
import hashlib
import re

import pytest

from topfive.reports import environment, style_hash, stylesheet
from topfive.reports.style import between, count, p_value, percent, points


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [
        (0.123, "12.3"),
        (0.0, "0.0"),
        (1.0, "100.0"),
        (0.0004, "<\u202f0.1"),
        (0.0005, "0.1"),
        (0.28191, "28.2"),
        (None, "–"),
    ],
)
def test_percent(fraction: float | None, shown: str) -> None:
    assert percent(fraction) == shown


def test_percent_with_two_decimals() -> None:
    assert percent(0.900228, 2) == "90.02"
    assert between((0.8975, 0.9029), 2) == "89.75–90.29"


def test_numbers_as_they_are_written() -> None:
    assert between((0.11, 0.137)) == "11.0–13.7"
    assert between(None) == ""
    assert points(0.012) == "+1.2"
    assert points(-0.034) == "−3.4"
    assert p_value(0.0009) == "<\u202f0.001"
    assert p_value(0.0042) == "0.004"
    assert p_value(0.46) == "0.46"
    assert count(50000) == "50,000"


def test_style_hash_is_that_of_the_security_policy() -> None:
    digest = hashlib.sha256(b"body{}").digest()
    assert style_hash("body{}") == "sha256-" + base64.b64encode(digest).decode()


def test_templates_escape_and_know_no_undefined_names() -> None:
    jinja2 = pytest.importorskip("jinja2")
    found = environment().from_string("{{ name }}")
    assert found.render(name="<b>&\"'") == "&lt;b&gt;&amp;&#34;&#39;"
    with pytest.raises(jinja2.UndefinedError):
        found.render()


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_colour_has_the_contrast_of_wcag_aa(scheme: int) -> None:
    block = re.findall(r":root \{([^}]*)\}", stylesheet())[scheme]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
    for ground in ("paper", "soft"):
        for text in ("ink", "quiet", "accent", "human", "agreement"):
            bright, dim = sorted((_luminance(colours[ground]), _luminance(colours[text])), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ground, text)


def test_the_style_sheet_loads_nothing() -> None:
    assert "url(" not in stylesheet()
    assert "@import" not in stylesheet()
