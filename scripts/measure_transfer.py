"""Pretrained against from scratch, on real pictures and on the twin; writes docs/results/transfer.md.

    python scripts/measure_transfer.py SLICE TWIN WORKSPACE

SLICE and TWIN are dataset folders. The first ten classes of each are the small task, all the others what a network is
pretrained on; no picture and no class is in both. `resnet` (tiny) learns the small task from nothing, as a linear layer
on the frozen pretrained network, and fine-tuned with layer-wise rates; the three see the same pictures and seeds.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from topfive import flows, scoring
from topfive.records import ClassList, Dataset, Run, Truth
from topfive.reports.style import percent

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "transfer.md"
SMALL = 10
SYSTEM = "resnet"
WAYS: dict[str, dict[str, str]] = {
    "from nothing": {},
    "frozen, linear layer": {"freeze": "true", "epochs": "20", "lr": "0.05", "weight_decay": "0.0005"},
    "fine-tuned": {"lr": "0.02", "layer_decay": "0.8"},
}


def part(dataset: Dataset, first: int, last: int) -> Dataset:
    """The classes first .. last - 1, numbered anew."""
    classes = ClassList(dataset.classes.wnids[first:last], dataset.classes.names[first:last])
    index = dataset.manifest.class_index
    kept = dataset.manifest.take((index >= first) & (index < last))
    kept = replace(kept, classes=classes).with_column("class_index", kept.class_index - first)
    return replace(dataset, manifest=replace(kept, classes=classes))


def fit(dataset: Dataset, out: Path, settings: dict[str, str], seed: int, init: Path | None = None) -> Run:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    options = flows.Options(settings=settings, seed=seed, init=init)
    if (out / "run.json").is_file():
        return Run.read(out / "run.json")
    return flows.fit_system(SYSTEM, dataset, out, options=options, now=now)


def error(dataset: Dataset, out: Path) -> dict[str, Any]:
    path = out / "scores.json"
    if not path.is_file():
        made, _ = flows.predict(str(out), dataset, "val")
        made.write(out / "predictions-val.parquet")
        rows = dataset.manifest.rows("val")
        score = scoring.score(made, Truth.single(rows.ids, rows.class_index, dataset.classes))
        path.write_text(json.dumps(score.to_json()))
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def main() -> None:
    places, workspace = [Path(text) for text in sys.argv[1:3]], Path(sys.argv[3])
    lines = []
    for place in places:
        dataset = Dataset.read(place)
        small, large = part(dataset, 0, SMALL), part(dataset, SMALL, len(dataset.classes))
        source = workspace / f"{dataset.name}-pretrained"
        run = fit(large, source, {"epochs": "10"}, seed=0)
        known = error(large, source)
        lines += [
            f"## {dataset.name}",
            "",
            f"Pretrained on {len(large.classes)} other classes, {run.notes['n_train']:,} pictures, {run.seconds:.0f} "
            f"s: {percent(known['top1_error'])} % top-1 there (`{run.run_id}`). The task: {SMALL} classes.",
            "",
            "| | seed | top-1 error % | n | fit s | run |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for way, settings in WAYS.items():
            for seed in (0, 1, 2):
                out = workspace / f"{dataset.name}-{way.replace(', ', '-').replace(' ', '-')}-{seed}"
                made = fit(small, out, settings, seed, None if way == "from nothing" else source)
                score = error(small, out)
                interval = "-".join(percent(end) for end in score["top1_error_interval"])
                lines.append(
                    f"| {way} | {seed} | {percent(score['top1_error'])} ({interval}) | {score['n']} "
                    f"| {made.seconds:.0f} | `{made.run_id}` |"
                )
        lines.append("")
    head = (RESULTS.parent / "transfer.head.md").read_text(encoding="utf-8")
    RESULTS.write_text(head + "\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
