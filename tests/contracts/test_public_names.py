"""What `import topfive` offers: every name listed or documented is there, and none is loaded before it is asked for."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path
from types import ModuleType

import pytest

import topfive
from topfive import flows

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", topfive.__all__)
def test_each_name_is_there(name: str) -> None:
    value = getattr(topfive, name)
    assert not isinstance(value, ModuleType)
    assert name in dir(topfive)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="topfive has no 'evalute'"):
        topfive.evalute  # noqa: B018


def test_what_the_pages_write_is_there() -> None:
    """`topfive.NAME` in text or Python, and what they import."""
    modules = {"records", "flows", "loading", "systems", "scoring", "taxonomy", "reports", "audit", "dataset", "cli"}
    said: set[str] = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        said |= set(re.findall(r"\btopfive\.([A-Za-z_]+)\(", text))
        for module, names in re.findall(r"^from (topfive[a-z_.]*) import ([A-Za-z_, ]+)$", text, re.MULTILINE):
            found = __import__(module, fromlist=["x"])
            assert all(hasattr(found, name.strip()) for name in names.split(",")), f"{page.name}: {module}, {names}"
    assert "evaluate" in said
    assert not [name for name in said - modules if not hasattr(topfive, name)]


@pytest.mark.parametrize("name", [name for name in topfive.__all__ if name.islower() and name != "__version__"])
def test_what_a_function_takes_can_be_had_beside_it(name: str) -> None:
    """Each class of `flows` in a public function's signature is a public name too."""
    function = getattr(topfive, name)
    hints = typing.get_type_hints(function, function.__globals__)
    for hint in hints.values():
        for kind in [hint, *typing.get_args(hint)]:
            if inspect.isclass(kind) and kind.__module__.startswith("topfive.flows"):
                assert getattr(topfive, kind.__name__, None) is kind


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    code = "import topfive, sys; sys.exit(any(name.startswith('topfive.') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(flows.__all__) >= {"Against", "Page", "Reading"}
