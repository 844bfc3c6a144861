"""Write docs/results from workspaces of `topfive run`: python scripts/write_results.py NAME WORKSPACE...

Every figure is copied from a board.json or a run.json; nothing is typed in.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"


def percent(fraction: float, interval: list[float]) -> str:
    return f"{100 * fraction:.1f} ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"


def run_of(workspace: Path, run_id: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((workspace / "runs" / run_id / "run.json").read_text(encoding="utf-8"))
    return value


def section(workspace: Path) -> list[str]:
    board = json.loads((workspace / "board.json").read_text(encoding="utf-8"))
    lines = [f"## {board['about']['dataset']}, split {board['about']['split']}", ""]
    lines += ["| rank | system | top-1 error % | top-5 error % | n | fit + predict s | run |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for row in board["rows"]:
        low, high = row["rank_interval"]
        ranks = f"{row['rank']}" + (f" ({low}-{high})" if low != high else "")
        one = percent(row["top1_error"], row["top1_error_interval"])
        five = percent(row["top5_error"], row["top5_error_interval"])
        lines.append(
            f"| {ranks} | {row['system']} | {one} | {five} | {row['n']:,} | {row['seconds']:.0f} | `{row['run']}` |"
        )
    chance = board["reference"]["chance"]
    first = run_of(workspace, board["rows"][0]["run"])
    versions = ", ".join(f"{name} {number}" for name, number in first["versions"].items())
    lines += [
        "",
        f"Chance {100 * chance['top1_error']:.1f} / {100 * chance['top5_error']:.1f} %. Seed {first['seed']}, "
        f"{first['hardware']}, {first['started'][:10]}, commit {first['commit'] or 'unknown'}; {versions}.",
        "",
    ]
    return lines


def main() -> None:
    name, *workspaces = sys.argv[1:]
    text = ["In brackets: ranks that a paired test cannot tell apart, and 95 % intervals.", ""]
    for workspace in workspaces:
        text += section(Path(workspace))
    head = RESULTS / f"{name}.head.md"
    intro = head.read_text(encoding="utf-8") if head.is_file() else f"# {name}\n\n"
    (RESULTS / f"{name}.md").write_text(intro + "\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
