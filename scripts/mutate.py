"""How well tests bite: every small change of a file's code, and which of them its own tests let pass.

    python scripts/mutate.py scoring/ranks.py scoring/topk.py
    python scripts/mutate.py scoring

`src/topfive/ROOM/FILE.py` is held against `tests/ROOM/test_FILE.py` alone. `mutants.py` says what a mutant is; it is
killed where a test fails or ten times the time runs out.

One process a mutant, forked with everything but topfive imported; no file is changed. Random tests draw the same
examples each time, so that counts can be had again. Prints a line for each file, and the survivors to stderr. POSIX.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from time import perf_counter
from types import CodeType
from typing import Any

from mutants import Mutant, mutants

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES, TESTS = REPOSITORY / "src" / "topfive", REPOSITORY / "tests"
MEMORY = 8 << 30
"""Bytes that a mutant may ask for: a size that grew without bound fails and does not fill the machine."""
_ANEW = ("topfive", "tests", "conftest", "made", "__main__", "_hypothesis_pytestplugin")
"""Modules that each mutant imports anew; pytest wants to load its plugin itself."""


class _Mutated(SourceFileLoader):
    """Finds one module alone, and loads it from code made here instead of from its file."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        super().__init__(name, str(path))
        self._code = code

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class _QuickFirst:
    """Lets the tests that took the least time run first: most mutants are killed by a case computed by hand."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: self.took.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.took[report.nodeid] = self.took.get(report.nodeid, 0.0) + report.duration


def _forked(source: Path, code: CodeType, seconds: int, folder: Path, order: _QuickFirst, told: int = 0) -> int:
    """Start a process that runs the tests of a source with this code in its place and exits as pytest does; its id.

    `folder` is for what the tests write; into the pipe `told` go the modules loaded and the times taken.
    """
    if child := os.fork():
        return child
    import pytest

    signal.alarm(seconds)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for stream in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    folder.mkdir()
    name = ".".join(("topfive", *source.relative_to(SOURCES).with_suffix("").parts))
    sys.meta_path.insert(0, _Mutated(name, source, code))
    if "numba" in source.read_text(encoding="utf-8"):  # its cache knows a function by file and date alone
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "--hypothesis-profile=mutate"]
    places = [f"--rootdir={REPOSITORY}", f"--basetemp={folder / 'made'}", str(_tests_of(source))]
    status = pytest.main([*options, *places], plugins=[order])
    if told:
        os.write(told, json.dumps([list(sys.modules), order.took]).encode())
    os._exit(status)


def _tests_of(source: Path) -> Path:
    return TESTS / source.relative_to(SOURCES).parent / f"test_{source.stem}.py"


def _prepare(source: Path, folder: Path, order: _QuickFirst) -> int:
    """Import what the tests load but topfive itself; the seconds that a mutant may take.

    They are run twice as they are, the second time the way of a mutant: did they fail, all mutants would seem killed.
    """
    same = compile(source.read_bytes(), source, "exec", dont_inherit=True)
    read, write = os.pipe()
    first = _forked(source, same, 3600, folder / "first", order, write)
    os.close(write)
    with os.fdopen(read) as told:
        loaded, order.took = json.loads(told.read() or "[[], {}]")
    os.waitpid(first, 0)
    for name in loaded:
        if name.partition(".")[0] not in _ANEW and name not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    began = perf_counter()
    if os.waitpid(_forked(source, same, 3600, folder / "second", order), 0)[1] != 0:
        raise SystemExit(f"{_tests_of(source).relative_to(REPOSITORY)} fails as it is: run it by pytest first")
    return 5 + int(10 * (perf_counter() - began))


def survivors(source: Path, jobs: int) -> tuple[int, list[Mutant]]:
    """How many mutants a file has and which of them its tests let pass, from top to bottom."""
    n, running, left = 0, dict[int, tuple[int, Mutant]](), list[tuple[int, Mutant]]()

    def wait_for_one() -> None:
        child, status = os.wait()
        (left if status == 0 else []).append(running.pop(child))

    with tempfile.TemporaryDirectory() as folder:
        order = _QuickFirst()
        seconds = _prepare(source, Path(folder), order)
        for n, mutant in enumerate(mutants(source), start=1):
            if len(running) == jobs:
                wait_for_one()
            running[_forked(source, mutant.code, seconds, Path(folder, str(n)), order)] = n, mutant
        while running:
            wait_for_one()
    return n, [mutant for _, mutant in sorted(left, key=lambda found: found[0])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="ROOM or ROOM/FILE.py")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="mutants at a time")
    asked = parser.parse_args()
    sys.path.insert(0, str(SOURCES.parent))
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    from hypothesis import Phase, settings

    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutate", derandomize=True, database=None, deadline=None, phases=phases)
    found = [path for name in asked.names for path in (sorted((SOURCES / name).rglob("*.py")) or [SOURCES / name])]
    total = killed = 0
    print("| file | mutants | killed | % |\n| --- | --- | --- | --- |")
    for source in (path for path in found if path.name != "__init__.py"):
        if not source.is_file():
            raise SystemExit(f"{source} is no file: name a room or one of its files, as scoring/ranks.py")
        n, left = survivors(source, asked.jobs)
        total, killed = total + n, killed + n - len(left)
        share = f"{100 * (n - len(left)) / n:.1f}" if n else ""
        print(f"| {source.relative_to(SOURCES)} | {n} | {n - len(left)} | {share} |", flush=True)
        for mutant in left:
            print(f"{source.name}:{mutant.line}  {mutant.before}  ->  {mutant.after}", file=sys.stderr, flush=True)
    print(f"| all | {total:,} | {killed:,} | {100 * killed / max(total, 1):.1f} |")


if __name__ == "__main__":
    main()
