"""`make bench`: topfive beside its peers, in one run; writes docs/results/bench.md. Rows may be named as arguments.

A row is a file here with `TITLE`, `GOAL` and `sides(rng) -> Sides`. Each side runs PAIRS times in turn, after
one run that is not counted, in this process, with the same input; `same` must hold of both answers. A ratio under 1.2
is a tie.
"""

from __future__ import annotations

import importlib
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.row import Sides

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs" / "results" / "bench.md"
PAIRS = 5


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("__init__", "__main__", "row"))


def measure(sides: Sides) -> tuple[float, float]:
    first = sides.peer(), sides.ours()
    if not sides.same(*first):
        raise SystemExit("the two sides give different answers")
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(PAIRS):
        for side, taken in zip((sides.peer, sides.ours), times, strict=True):
            began = time.perf_counter()
            side()
            taken.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    chosen = sys.argv[1].split(",") if len(sys.argv) > 1 and sys.argv[1] else names()
    lines = ["| what | peer | peer ms | topfive ms | ratio | goal |", "| --- | --- | --- | --- | --- | --- |"]
    for name in chosen:
        row = importlib.import_module(f"benchmarks.{name}")
        sides = row.sides(np.random.default_rng(0))
        peer, ours = measure(sides)
        figures = f"{1000 * peer:.1f} | {1000 * ours:.1f} | {peer / ours:.1f}"
        lines.append(f"| {row.TITLE} | {sides.peer_name} | {figures} | {row.GOAL} |")
        print(lines[-1], file=sys.stderr, flush=True)
    if chosen == names():
        when = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}"
        head = f"# Benchmarks\n\n`make bench`, {when}; medians of {PAIRS} pairs in one process.\n\n"
        RESULTS.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
