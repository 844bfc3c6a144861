"""Training beside timm: python -m benchmarks.training FOLDER MINUTES SEEDS [WORK].

FOLDER holds `train/` and `val/`, a folder a class (Tiny ImageNet's slice). First both sides train by timm's recipe for
the same number of epochs, in turn: images/s and error after each epoch. Then each has MINUTES for a run of its own, for
each seed: timm's loop by its recipe, topfive by its own. Each side is a process of its own with all cores. Writes
docs/results/training.md; runs that are in WORK already are not repeated.
"""

from __future__ import annotations

import json
import math
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "training.md"
SAME_EPOCHS = 3


def run(side: str, place: Path, seed: int, epochs: int, out: Path, *kind: str) -> dict[str, Any]:
    if not out.is_file():
        command = [sys.executable, "-m", f"benchmarks.training.{side}", str(place), str(seed), str(epochs), str(out)]
        subprocess.run([*command, *kind], check=True)
    value: dict[str, Any] = json.loads(out.read_text())
    return value


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def main() -> None:
    folder, minutes, seeds = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    work = Path(sys.argv[4]) if len(sys.argv) > 4 else Path("runs/training")
    work.mkdir(parents=True, exist_ok=True)
    dataset = work / "dataset"
    if not dataset.is_dir():
        subprocess.run([sys.executable, "-m", "topfive", "dataset", "import", str(folder), str(dataset)], check=True)
    peer = run("timm_loop", folder, 0, SAME_EPOCHS, work / "same-timm.json")
    ours = run("topfive_engine", dataset, 0, SAME_EPOCHS, work / "same-topfive.json", "same")
    rates = [statistics.median(row["images_per_s"] for row in side["rows"]) for side in (peer, ours)]
    lines = ["| after epoch | timm error % | topfive error % |", "| --- | --- | --- |"]
    for a, b in zip(peer["rows"], ours["rows"], strict=True):
        lines.append(f"| {a['epoch']} | {percent(a['val_error'])} | {percent(b['val_error'])} |")
    lines += [
        "",
        f"timm {rates[0]:.0f} images/s, topfive {rates[1]:.0f}: **{rates[1] / rates[0]:.2f} x**.",
        "",
        f"## Whole runs of at most {minutes:g} minutes, each by its own recipe",
        "",
        "| seed | timm epochs | timm error % | topfive epochs | topfive error % |",
        "| --- | --- | --- | --- | --- |",
    ]
    each = [side["rows"][-1]["seconds"] / SAME_EPOCHS for side in (peer, ours)]
    epochs = [max(2, math.floor(60 * minutes / seconds)) for seconds in each]
    for seed in range(1, seeds + 1):
        theirs = run("timm_loop", folder, seed, epochs[0], work / f"{seed}-timm.json")
        own = run("topfive_engine", dataset, seed, epochs[1], work / f"{seed}-topfive.json", "own")
        cells = [(len(side["rows"]), side["rows"][-1]) for side in (theirs, own)]
        shown = " | ".join(f"{n} in {row['seconds'] / 60:.1f} min | {percent(row['val_error'])}" for n, row in cells)
        lines.append(f"| {seed} | {shown} |")
    head = (RESULTS.parent / "training.head.md").read_text(encoding="utf-8")
    RESULTS.write_text(f"{head}\n{platform.machine()}.\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
