"""The dress rehearsal: what the commands cost on a twin of ILSVRC2012's classes and counts.

python scripts/measure_rehearsal.py TWIN, a twin as `topfive dataset twin TWIN --ilsvrc --fraction 0.14 --size 64` makes
it. Each command is a process of its own. Writes docs/results/rehearsal.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from topfive.flows.provenance import commit, hardware
from topfive.records import Dataset, write_text

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "rehearsal.md"


def run(*arguments: str) -> tuple[dict[str, Any], float, float]:
    """The JSON of a command, its seconds and its peak memory in GiB."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as shown:
        command = [sys.executable, "-m", "topfive", *arguments, "--json"]
        process = subprocess.Popen(command, stdout=shown, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        shown.seek(0)
        text = shown.read()
    if not text:
        raise SystemExit(f"topfive {' '.join(arguments)} failed with exit status {process.returncode}")
    return json.loads(text), time.perf_counter() - began, used.ru_maxrss / 2**20


def main() -> None:
    place = Path(sys.argv[1])
    dataset = Dataset.read(place)
    recipe, n = dataset.about["recipe"], len(dataset.manifest)
    size = sum(path.stat().st_size for path in (place / "shards").iterdir())
    shutil.rmtree(place / "fingerprints", ignore_errors=True)
    lines = []
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        rows = [
            ("verify: every byte read, every picture decoded", ("verify", str(place))),
            ("describe: the datasheet", ("describe", str(place))),
            ("split: val and test anew by the hash of the group", ("split", str(place), f"{scratch}/split", "--again")),
            ("dedupe: exact and near", ("dedupe", str(place), "--out", f"{scratch}/unique", "--drop")),
            ("subset: 100 classes", ("subset", str(place), f"{scratch}/subset", "--n-classes", "100")),
            (
                "export of that to WebDataset",
                ("export", f"{scratch}/subset", f"{scratch}/out", "--format", "webdataset"),
            ),
        ]
        for title, arguments in rows:
            facts, seconds, peak = run("dataset", *arguments)
            said = {key: facts[key] for key in ("n_images", "n_problems", "n_duplicates") if key in facts}
            told = ", ".join(f"{key.removeprefix('n_')} {value:,}" for key, value in said.items())
            lines.append(f"| {title} | {seconds:.1f} | {peak:.2f} | {told} |")
            print(lines[-1], file=sys.stderr, flush=True)
    whole, *_ = run(
        "dataset", "twin", str(place.parent / "whole"), "--ilsvrc", "--estimate", "--size", str(recipe["size"])
    )
    splits = ", ".join(f"{name} {count:,}" for name, count in dataset.manifest.splits().items())
    head = [
        "# The dress rehearsal",
        "",
        f"A twin of ILSVRC2012's 1,000 classes with {100 * recipe['fraction']:g} % of each class's true count:",
        f"{n:,} pictures of {recipe['size']} px ({splits}), {size / 1e9:.2f} GB in shards. Every command is a process",
        f"of its own; {hardware()}, commit {commit()}, with other work beside.",
        "",
        "| command | seconds | peak, GiB | said |",
        "| --- | ---: | ---: | --- |",
    ]
    foot = [
        "",
        f"The full counts, {whole['n_images']:,} pictures of this size, would take {whole['bytes'] / 1e9:.1f} GB and",
        f"{whole['seconds'] / 60:.0f} minutes to render here (`topfive dataset twin OUT --ilsvrc --estimate`).",
    ]
    write_text(OUT, "\n".join([*head, *lines, *foot]) + "\n")


if __name__ == "__main__":
    main()
