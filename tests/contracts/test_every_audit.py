"""The contract of an audit: what every file in `topfive.audit.audits` must have."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

from topfive.audit import AUDITS, audits, findings
from topfive.records import BadInput

FOLDER = Path(audits.__path__[0])


@pytest.fixture(params=AUDITS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_registry_is_the_folder():
    files = sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.py") if path.stem != "__init__")
    assert list(AUDITS) == files
    assert {"label-errors", "imagenet-validation"} <= set(AUDITS)


def test_it_has_a_title_and_findings(name):
    module = import_module(f"{audits.__name__}.{name.replace('-', '_')}")
    assert module.TITLE
    assert module.__doc__
    signature = inspect.signature(module.findings)
    assert "at_most" in signature.parameters
    assert signature.return_annotation == "tuple[Finding, ...]"


def test_it_has_a_page(name):
    page = Path(__file__).resolve().parents[2] / "docs" / "audit.md"
    assert f"`{name}`" in page.read_text(encoding="utf-8")


def test_it_imports_no_other_audit(name):
    tree = ast.parse((FOLDER / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8"))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [module for module in imported if module.startswith(audits.__name__)]


def test_an_unknown_audit_is_refused():
    with pytest.raises(BadInput, match=r"no audit is called 'mood'. Audits: imagenet-validation, label-errors"):
        findings("mood")
