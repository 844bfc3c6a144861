"""The one visual language: how numbers are written, the style sheet, and the templates' environment."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from topfive.records import Interval, duration, numbered

if TYPE_CHECKING:
    from jinja2 import Environment

_THIN = "\u202f"


def percent(fraction: float | None, decimals: int = 1) -> str:
    """`12.3` for 0.123, without the sign (the header has it); `–` for None; never `0.0` for what is above zero."""
    if fraction is None:
        return "–"
    least = 10.0**-decimals
    if 0 < 100 * fraction < least / 2:
        return f"<{_THIN}{least:.{decimals}f}"
    return f"{100 * fraction:.{decimals}f}"


def between(interval: Interval | None, decimals: int = 1) -> str:
    """`11.0–13.7` for (0.110, 0.137); empty for None."""
    return "" if interval is None else f"{100 * interval[0]:.{decimals}f}–{100 * interval[1]:.{decimals}f}"


def points(difference: float) -> str:
    """`+1.2` or `−3.4`: a difference of two rates in percentage points."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def p_value(p: float) -> str:
    """`0.03`, `0.46`, `< 0.001`."""
    if p < 0.001:
        return f"<{_THIN}0.001"
    return f"{p:.3f}" if p < 0.01 else f"{p:.2f}"


def count(n: int) -> str:
    """`50,000`."""
    return f"{n:,}"


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """The style sheet of reports and pages alike."""
    return (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def style_hash(css: str) -> str:
    """The source expression by which a content security policy allows exactly this style element."""
    return "sha256-" + base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()


def environment(*packages: str) -> Environment:
    """Jinja2 over the templates of this room and of `packages`: everything escaped, undefined names an error."""
    import jinja2

    loaders = [jinja2.PackageLoader(package) for package in (*packages, "topfive.reports")]
    found = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (percent, between, points, p_value, count, duration, numbered):
        found.filters[write.__name__] = write
    return found
