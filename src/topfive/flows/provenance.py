"""What a Run says of the machine and the code it was made with."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("topfive", "numpy", "scikit-learn", "pillow", "torch", "torchvision", "timm")


def versions() -> dict[str, str]:
    """Releases of Python and of the packages that decide numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """Processor and number of usable cores, in words."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores"


def commit() -> str:
    """The git commit of this checkout, with `+` where files differ from it; empty outside a checkout."""
    here = Path(__file__).parent
    try:
        head = _git(here, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def source_digest(system: str) -> str:
    """SHA-256 over the code of a landmark and of all it imports from `systems` and `loading`: code and number do not
    part. Comments and docstrings do not count."""
    package = Path(__file__).parents[1]
    found: dict[str, str] = {}
    waiting = [package / "systems" / f"{system}.py"]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(package).as_posix()
        if name in found:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            waiting += _imported(node, package)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
                node.body = node.body[1:]
        found[name] = ast.dump(tree)
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _imported(node: ast.AST, package: Path) -> list[Path]:
    """The files of this package that an import statement loads, without the rooms' doors."""
    if isinstance(node, ast.ImportFrom) and node.module:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        return []
    files = []
    for name in names:
        room, *parts = name.removeprefix("topfive.").split(".")
        if room == "loading" or (room == "systems" and parts):
            place = package.joinpath(room, *parts)
            files += [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
    return files


def recipe_json(recipe: Any) -> dict[str, Any]:
    """A recipe as JSON: nested dataclasses as objects, tuples as lists, paths as text."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    return {key: plain(value) for key, value in asdict(recipe).items()}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ("git", "-C", str(folder), *arguments), check=True, capture_output=True, text=True, timeout=10
    )
    return done.stdout.strip()


def twin_digest() -> str:
    """SHA-256 over the files that render the twin: other renderers make other pictures from one recipe."""
    folder = Path(__file__).parents[1] / "dataset"
    return _digest([folder / "twin.py", *folder.glob("_twin_*.py")])


def _digest(files: Sequence[Path]) -> str:
    state = hashlib.sha256()
    for path in sorted(files):
        state.update(path.name.encode() + b"\0" + path.read_bytes())
    return state.hexdigest()
