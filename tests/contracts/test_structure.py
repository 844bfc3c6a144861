"""The shape holds: import contracts, sizes, names, docs, and no torch where none is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "topfive"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__")
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "core", "manager", "handler", "legacy", "v2"}


def test_import_contracts() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["topfive", "topfive.flows", "topfive.cli", "topfive.web", "topfive.systems"])
def test_import_loads_no_torch(module: str) -> None:
    code = f"import {module}, sys; sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'sklearn')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or f"{module} loads torch, timm or scikit-learn"


def _long_functions(tree: ast.Module) -> list[tuple[str, int, int]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            lines = (node.end_lineno or 0) - first.lineno + 1
            parameters = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            n = len([p for p in parameters if p.arg not in ("self", "cls")])
            found.append((node.name, lines, n))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_sizes_and_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stem not in FORBIDDEN_NAMES
    assert text.count("\n") <= 400, "a file has one subject and at most 400 lines"
    door = path.parent.name == "cli"  # a command has as many parameters as options
    for name, lines, n in _long_functions(ast.parse(text)):
        assert lines <= 60, f"{name} has {lines} lines"
        assert door or n <= 8, f"{name} takes {n} parameters"


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("cli",)])
def test_each_room_has_a_page(room: str) -> None:
    page = REPOSITORY / "docs" / f"{room}.md"
    assert page.is_file(), f"docs/{room}.md is missing"
    assert len(page.read_text(encoding="utf-8")) > 400


def test_each_decision_is_numbered_once() -> None:
    numbers = [path.name[:3] for path in (REPOSITORY / "docs" / "decisions").glob("*.md")]
    assert numbers, "docs/decisions is empty"
    assert sorted(numbers) == [f"{i:03d}" for i in range(1, len(numbers) + 1)]


def test_links_in_docs_lead_somewhere() -> None:
    broken = []
    for page in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(REPOSITORY)}: {target}")
    assert not broken


def test_environment_is_read_at_doors_only() -> None:
    readers = [
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        if re.search(r"os\.environ|getenv", path.read_text(encoding="utf-8"))
    ]
    assert not [path for path in readers if not path.startswith(("cli/", "web/", "systems/_torchrun"))]
