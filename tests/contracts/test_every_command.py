"""Every command has help with an example, refuses nonsense with exit status 2, and prints only JSON under --json."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMANDS = [
    ("run",), ("systems",), ("train",), ("predict",), ("evaluate",), ("score",), ("compare",), ("sibling",), ("serve",),
    ("taxonomy", "find"), ("taxonomy", "show"), ("taxonomy", "path"),
    ("taxonomy", "tree"), ("taxonomy", "leaves"), ("taxonomy", "check"), ("probe",),
    ("dataset", "twin"), ("dataset", "import"), ("dataset", "verify"), ("dataset", "dedupe"),
    ("dataset", "build"), ("dataset", "split"), ("dataset", "describe"), ("dataset", "subset"), ("dataset", "export"),
    ("audit", "label-errors"), ("audit", "imagenet-validation"), ("label", "consensus"), ("challenge", "board"),
]  # fmt: skip


def topfive(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "topfive", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    done = topfive(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout
    assert f"topfive {' '.join(command)}" in done.stdout


def test_help_names_every_command() -> None:
    shown = topfive("--help").stdout
    assert {command[0] for command in COMMANDS} <= {word for line in shown.splitlines() for word in line.split()}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dataset", "twin", "x", "--clases", "3"), "--classes"),
        (("taxonomy", "show", "n99999999"), "n99999999"),
        (("systems", "alexnett"), "alexnet"),
        (("evaluate", "efficientnet_lite0", "missing-folder"), "missing-folder"),
        (("score", "missing.parquet", "missing-folder"), "missing"),
        (("compare", "a.parquet", "b.parquet", "c"), "a.parquet"),
        (("label", "consensus", "missing.csv", "--out", "x.csv"), "missing.csv"),
        (("audit", "label-errors", "--labels", "y.npy", "--probs", "p.npy"), "y.npy"),
        (("challenge", "board", "missing-folder"), "missing-folder"),
        (("run", "--systems", "alexnett"), "alexnet"),
        (("dataset", "import", "missing.tar", "out"), "missing.tar"),
        (("dataset", "build", "missing.csv", "agreed.csv", "out"), "missing.csv"),
        (("dataset", "split", "missing-folder", "out"), "missing-folder"),
        (("dataset", "describe", "missing-folder", "--out", "page.html"), "missing-folder"),
        (("dataset", "export", "missing-folder", "out", "--format", "folder"), "missing-folder"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "topfive", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == [], "nothing half-written is left"


@pytest.mark.parametrize(
    "arguments",
    [("systems",), ("systems", "alexnet"), ("taxonomy", "show", "n02084071"), ("taxonomy", "find", "crane")],
)
def test_json_is_all_there_is(arguments: tuple[str, ...]) -> None:
    done = topfive(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.parametrize("arguments", [("--help",), ("taxonomy", "show", "n02084071"), ("systems",)])
def test_look_ups_answer_within_half_a_second(arguments: tuple[str, ...]) -> None:
    topfive(*arguments)  # the first may compile byte code
    times = []
    for _ in range(5):
        began = time.perf_counter()
        topfive(*arguments)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.5
