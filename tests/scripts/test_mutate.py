"""Mutants by hand, and a small repository whose tests let known ones pass."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "mutate.py"


@pytest.fixture(scope="module")
def mutate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", SCRIPT.with_name("mutants.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a < b <= c", ["a <= b <= c", "a < b < c"]),
        ("a is not b", ["a is b"]),
        ("a not in b", ["a in b"]),
        ("a and b or c", ["(a and b) and c", "a or b"]),
        ("a + b", ["a - b"]),
        ("a // b", ["a * b"]),
        ("~a & b", ["~a | b", "a"]),
        ("not a", ["a"]),
        ("x = 3", ["4", "2"]),
        ("x = -0.5", ["0.5", "1.5", "-0.5"]),
        ("x = True", ["False"]),
        ("x = 'top1'", ["''"]),
        ("x = ''", ["'~'"]),
        ("x = b'ab'", ["b''"]),
        ("x = 'words for people'", []),
        ("x = f'row {a + b}'", ["a - b"]),
        ("x = f(a, b, k=c)", ["f(a, k=c)", "f(a, b)"]),
        ("f(a)", ["pass"]),
        ("x = min(a, b)", ["max(a, b)", "min(a)"]),
        ("x = a.all()", ["a.any()"]),
        ("x = a[i:]", ["i + 1:", "i:-1"]),
        ("x = a[1:]", ["1:-1", "2", "0"]),
        ("x = b if a else c", ["b if not a else c"]),
        ("x += a", ["x -= a"]),
        ("x: int | None = a", []),
        ("import a", []),
        ("__all__ = ['a']", []),
        ("'Said of x.'", []),
        ("Kind = Literal['a', 'b']", []),
        ("@f(a, k=1)\nclass A(B):\n    x: int = y", []),
        ("def f(a: int = 1) -> int | None:\n    return a", ["return None", "2", "0"]),
        ("def f():\n    return None", []),
        ("for x in a:\n    break", ["continue"]),
    ],
)
def test_every_change_by_hand(mutate: ModuleType, tmp_path: Path, line: str, expected: list[str]) -> None:
    path = tmp_path / "file.py"
    path.write_text(line)
    found = list(mutate.mutants(path))
    assert sorted(mutant.after for mutant in found) == sorted(expected)
    assert all(mutant.before != mutant.after for mutant in found)


def test_a_mutant_is_the_file_with_one_change(mutate: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text("a = 1\nb = a + 2\n")
    made = []
    for mutant in mutate.mutants(path):
        names: dict[str, int] = {}
        exec(mutant.code, names)
        made.append((mutant.line, names["a"], names["b"]))
    assert made == [(1, 2, 4), (1, 0, 2), (2, 1, -1), (2, 1, 4), (2, 1, 2)]


def repository(root: Path, tests: str) -> Path:
    """A package with one file, its tests, and the script."""
    for folder in ("scripts", "src/topfive/room", "tests/room"):
        (root / folder).mkdir(parents=True)
    for script in (SCRIPT, SCRIPT.with_name("mutants.py")):
        shutil.copy(script, root / "scripts")
    for package in ("src/topfive", "src/topfive/room"):
        (root / package / "__init__.py").write_text("")
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n')
    (root / "src/topfive/room/half.py").write_text(
        "def half(n: int) -> int:\n"
        "    if n > 100:\n"
        "        n -= 1\n"
        "    return n // 2 if n >= 0 else 0\n"
    )  # fmt: skip
    (root / "tests/room/test_half.py").write_text(f"from topfive.room.half import half\n\n\ndef test():\n    {tests}\n")
    return root / "scripts" / "mutate.py"


def run(script: Path) -> subprocess.CompletedProcess[str]:
    """The script on its whole room."""
    command = [sys.executable, script, "room", "--jobs", "2"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=script.parents[1])


@pytest.mark.slow
def test_what_tests_let_pass_is_told(tmp_path: Path) -> None:
    done = run(repository(tmp_path, "assert [half(n) for n in (-4, 1, 8, 102, 103)] == [0, 0, 4, 50, 51]"))
    assert done.returncode == 0, done.stderr
    # Nothing asks for the half of 0, of -1 or of 100 and 101, where other rules would give another one.
    assert done.stdout.splitlines()[2] == "| room/half.py | 15 | 9 | 60.0 |"
    assert done.stderr.splitlines() == [
        "half.py:2  n > 100  ->  n >= 100",
        "half.py:2  100  ->  101",
        "half.py:2  100  ->  99",
        "half.py:4  n >= 0  ->  n > 0",
        "half.py:4  0  ->  1",
        "half.py:4  0  ->  -1",
    ]
    source = (tmp_path / "src/topfive/room/half.py").read_text()
    assert "n > 100" in source, "the file is as it was"


@pytest.mark.slow
def test_tests_that_fail_as_they_are_and_files_that_are_none_are_refused(tmp_path: Path) -> None:
    done = run(repository(tmp_path, "assert half(4) == 3"))
    assert done.returncode == 1
    assert "tests/room/test_half.py fails as it is" in done.stderr
    done = subprocess.run(
        [sys.executable, SCRIPT, "scoring/none.py"], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 1 and "is no file: name a room or one of its files" in done.stderr
