"""How well duplicates are found in a twin, and how fast: python scripts/measure_dedupe.py TWIN.

TWIN is a twin's folder, such as `topfive dataset twin TWIN --ilsvrc --fraction 0.14 --size 64` makes. Its fingerprints
are made anew. Writes docs/results/dedupe.md.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from topfive.dataset import dedupe, read_planted
from topfive.flows.provenance import commit, hardware
from topfive.records import Dataset, write_text

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "dedupe.md"


def main() -> None:
    twin = Dataset.read(Path(sys.argv[1]))
    shutil.rmtree(twin.root / "fingerprints", ignore_errors=True)
    began = time.perf_counter()
    found = dedupe(twin)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    again = dedupe(twin)
    warm = time.perf_counter() - began
    assert again.group == found.group
    planted = read_planted(twin.root)
    row = {image_id: at for at, image_id in enumerate(twin.manifest.ids)}
    total: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    origin = np.arange(len(row))
    for image_id, partner, detail in zip(planted.image_id, planted.partner, planted.detail, strict=True):
        if partner in row:
            way = str(detail).partition(" from")[0]
            total[way] += 1
            hits[way] += found.group[row[image_id]] == found.group[row[partner]]
            origin[row[image_id]] = origin[row[partner]]
    wrong = sum(origin[row[pair.image_id]] != origin[row[pair.copy_of]] for pair in found.pairs)
    n = len(row)
    side = twin.manifest.column("width")[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = [
        "# Duplicates found in a twin",
        "",
        f"`python scripts/measure_dedupe.py TWIN` on a twin of {n:,} pictures of {side} px, commit {commit()};",
        f"{hardware()}. The threshold was chosen before, on another twin, photographs and Fashion-MNIST.",
        "",
        "| planted copies | of them found |",
        "| --- | --- |",
        *(
            f"| {way} | {hits[way]:,} of {total[way]:,} ({100 * hits[way] / total[way]:.2f} %) |"
            for way in sorted(total)
        ),
        "",
        f"Pairs joined that were not planted: {wrong} ({1000 * wrong / n:.3f} a thousand pictures). Re-rendered copies",
        "show the same scene from a slightly other place.",
        "",
        f"{seconds:.0f} s with everything read and decoded ({n / seconds:,.0f} pictures/s), {warm:.0f} s where the",
        f"fingerprints are there already; peak memory {peak:.1f} GiB. A million such pictures take",
        f"{1e6 * (seconds - warm) / n / 60:.0f} minutes of reading by extrapolation, and comparing, which grows with",
        f"the square, at most {warm * (1e6 / n) ** 2 / 60:.1f} minutes.",
    ]
    write_text(OUT, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
