"""Fit landmarks on the first classes of a set and write docs/results/trajectory.md.

    python scripts/measure_trajectory.py fit DATASET WORKSPACE [SYSTEM ...]
    python scripts/measure_trajectory.py write WORKSPACE

`fit` takes the first ten classes of DATASET (in its class list's order), fits each system's `tiny` variant on
`train` and scores `val` once; what is there already is kept. `write` makes the page from the run folders: no figure is
typed in.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from topfive import flows, scoring, systems
from topfive.records import ClassList, Dataset, Predictions, Run, Truth
from topfive.reports.style import percent

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
CLASSES = 10
MEMBERS = ("alexnet", "vgg", "resnet", "sift_fisher")


def first_classes(dataset: Dataset, n: int) -> Dataset:
    classes = ClassList(dataset.classes.wnids[:n], dataset.classes.names[:n])
    kept = dataset.manifest.take((dataset.manifest.class_index >= 0) & (dataset.manifest.class_index < n))
    return replace(dataset, manifest=replace(kept, classes=classes))


def fit(dataset: Dataset, workspace: Path, names: list[str]) -> None:
    for name in names:
        out = workspace / name
        if (out / "scores.json").is_file():
            continue
        members = ",".join(str(workspace / member) for member in MEMBERS)
        options = flows.Options(settings={"members": members} if name == "ensemble" else {})
        run = flows.fit_system(name, dataset, out, options=options, now=datetime.now(UTC).isoformat(timespec="seconds"))
        made, timing = flows.predict(str(out), dataset, "val")
        made.write(out / "predictions-val.parquet")
        rows = dataset.manifest.rows("val")
        score = scoring.score(made, Truth.single(rows.ids, rows.class_index, dataset.classes)).to_json()
        right = {i: dataset.classes.wnids[c] for i, c in zip(rows.ids, rows.class_index.tolist(), strict=True)}
        value = score | {"contaminated": timing["contaminated"], "predict_s": timing["seconds"], "labels": right}
        (out / "scores.json").write_text(json.dumps(value, indent=1))
        errors = f"{percent(score['top1_error'])} / {percent(score['top5_error'])} %"
        print(name, errors, f"{run.seconds:.0f} s", flush=True)


def write(workspace: Path) -> None:
    rows = []
    for landmark in systems.landmarks():
        folder = workspace / landmark.name
        if not (folder / "scores.json").is_file():
            continue
        score, run = json.loads((folder / "scores.json").read_text()), Run.read(folder / "run.json")
        claim = landmark.claim
        metric = claim.metric.removesuffix("_error").replace("top", "top-")
        published = f"{percent(claim.value)} {metric}, {claim.conditions}"
        one = f"{percent(score['top1_error'])} ({'-'.join(percent(x) for x in score['top1_error_interval'])})"
        mark = " *" if score["contaminated"] == "likely" else ""
        rows.append(
            (
                landmark.year,
                f"| {landmark.year} | {landmark.name}{mark} | {one} | {percent(score['top5_error'])} "
                f"| {run.seconds:.0f} | `{run.run_id}` | {published} |",
            )
        )
    first = Run.read(next(workspace.glob("*/run.json")))
    score = json.loads(next(workspace.glob("*/scores.json")).read_text())
    lines = ["| year | system | top-1 error % | top-5 % | fit s | run | published |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    lines += [row for _, row in sorted(rows)]
    versions = ", ".join(f"{name} {number}" for name, number in first.versions.items())
    notes = (
        f"{first.dataset}, its first {CLASSES} classes; n = {score['n']} pictures of val, {first.notes['n_train']} of "
        f"train and {first.notes['n_tune']} of tune; seed {first.seed}; {first.hardware}; {versions}. In brackets 95 % "
        "intervals.\n\\* Frozen features of EfficientNet-Lite0, which has learnt from ImageNet's own labels, these "
        "pictures perhaps among them: contaminated, a check of the pipeline and no accuracy."
    )
    head = (RESULTS / "trajectory.head.md").read_text(encoding="utf-8")
    text = head + "\n".join(lines) + "\n\n" + notes + "\n" + order(workspace)
    (RESULTS / "trajectory.md").write_text(text, encoding="utf-8")


def order(workspace: Path) -> str:
    """The systems from best to worst, with the ranks that paired tests (McNemar, Holm) leave open."""
    names = [name for name in systems.names() if (workspace / name / "scores.json").is_file()]
    made = [Predictions.read(workspace / name / "predictions-val.parquet") for name in names]
    wnid = json.loads((workspace / names[0] / "scores.json").read_text())["labels"]
    correct = np.array(
        [[p.classes.wnids[t[0]] == wnid[i] for i, t in zip(p.ids, p.top_index, strict=True)] for p in made]
    )
    ranks = scoring.rank_intervals(correct)
    ordered = sorted(range(len(names)), key=lambda i: -correct[i].sum())
    shown = [f"{names[i]} ({ranks[i][0]}-{ranks[i][1]})" for i in ordered]
    return "\nFrom best to worst, with the ranks that paired tests leave open: " + ", ".join(shown) + ".\n"


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "fit":
        dataset, workspace, *names = rest
        fit(first_classes(Dataset.read(Path(dataset)), CLASSES), Path(workspace), names or list(systems.names()))
    else:
        write(Path(rest[0]))


if __name__ == "__main__":
    main()
