"""`make bench`: topfive beside its peers, side by side; writes docs/results/bench.md. Rows may be named as arguments.

`python -m benchmarks score_top5,wordnet` measures these rows and replaces them in the table. `row.py` says what a row
is. Each side runs in a process of its own with the default allocator; after one run of each that is not counted, the
sides take turns for PAIRS rounds. A ratio under 1.2 is a tie.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import statistics
import sys
from pathlib import Path

from benchmarks.row import Sides
from benchmarks.side import Side, sides_of

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs" / "results" / "bench.md"
PAIRS = 5
COLUMNS = ("row", "what", "peer", "topfive", "peer's median", "topfive's median", "ratio (of the pairs)", "goal")


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("__init__", "__main__", "row", "side"))


def measure(row: str, sides: Sides) -> dict[str, list[float]]:
    """Seconds for one thing (or one run) of each side, PAIRS times."""
    ways = list(sides.ways())
    peers = ways[: 1 + len(sides.more)]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(Side(row, name)) for name in ways]
        first = {side.name: side.run(answer=True).answer for side in running}
        for name in ways[len(peers) :]:
            same = sides.same if name == "topfive" or sides.same_more is None else sides.same_more
            for peer in peers:
                if not same(first[peer], first[name]):
                    raise SystemExit(f"{row}: {name} and {peer} give different answers")
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(PAIRS):
            for side in running:
                found = side.run()
                times[side.name].append(found.seconds / found.n)
    return times


def lines(row: str) -> list[str]:
    """The table's lines of one row: one a peer and way of topfive."""
    sides = sides_of(row)
    module = importlib.import_module(f"benchmarks.{row}")
    times = measure(row, sides)
    peers = (sides.peer_name, *sides.more)
    made = []
    for way in (name for name in times if name not in peers):
        for peer in peers:
            ratios = sorted(a / b for a, b in zip(times[peer], times[way], strict=True))
            theirs, ours = statistics.median(times[peer]), statistics.median(times[way])
            ratio = f"{theirs / ours:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            shown = (_shown(theirs, sides.unit), _shown(ours, sides.unit))
            made.append("| " + " | ".join((row, module.TITLE, peer, way, *shown, ratio, module.GOAL)) + " |")
            print(made[-1], file=sys.stderr, flush=True)
    return made


def _shown(seconds: float, unit: str) -> str:
    return f"{1 / seconds:,.1f} {unit}/s" if unit else f"{1000 * seconds:,.1f} ms"


def table(measured: dict[str, list[str]]) -> str:
    """The page with these rows, and those of the last time that were not measured now."""
    kept: dict[str, list[str]] = {}
    for line in RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.is_file() else []:
        kept.setdefault(line.split("|")[1].strip() if line.startswith("| ") else "", []).append(line)
    rows = [line for name in names() for line in measured.get(name, kept.get(name, []))]
    head = (
        f"# Benchmarks\n\n`make bench` on {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}: medians of {PAIRS} rounds, each side in a process of its own with the default "
        "allocator, after one run that is not counted. Both sides gave the same answer, as the row's file defines it. "
        "A ratio under 1.2 is a tie; in brackets the smallest and largest of the rounds.\n\n"
    )
    ruled = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    return head + "\n".join([*ruled, *rows]) + "\n"


def main() -> None:
    chosen = sys.argv[1].split(",") if len(sys.argv) > 1 and sys.argv[1] else names()
    if unknown := set(chosen) - set(names()):
        raise SystemExit(f"no row is called {', '.join(sorted(unknown))}; rows: {', '.join(names())}")
    for name in chosen:
        page = table({name: lines(name)})  # written row by row: a run that is stopped keeps what it has measured
        RESULTS.write_text(page, encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
