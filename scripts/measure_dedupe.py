"""How well duplicates are found in a twin, how fast, and what a set of ILSVRC's size takes.

python scripts/measure_dedupe.py TWIN FULL. TWIN is a twin's folder, such as `topfive dataset twin TWIN --ilsvrc
--fraction 0.14 --size 64` makes; its fingerprints are made anew. FULL is a folder for 1,431,167 made-up fingerprints:
those of the twin, turned and mirrored in eight ways, which are as alike or unlike as the twin's own; made where it is
missing. Writes docs/results/dedupe.md.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from topfive.dataset import dedupe, read_planted
from topfive.dataset.fingerprints import CHROMA_PX, LUMA_PX, SIDE_PX, Fingerprints, describe, fingerprints
from topfive.dataset.fingerprints import keep_fingerprints as keep
from topfive.flows.provenance import commit, hardware
from topfive.records import Dataset, Manifest, new_folder, write_text

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "dedupe.md"
ILSVRC = 1_431_167
WAYS = 8
BLOCK = 8_192


def turned(thumb: np.ndarray, way: int) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails and hashes of pictures [m] seen in one of eight ways: four turns, and their mirror images."""
    planes = []
    start = 0
    for side in (LUMA_PX, CHROMA_PX, CHROMA_PX):
        plane = thumb[:, start : start + side**2].reshape(-1, side, side).astype(np.float32)
        plane = np.rot90(plane, way % 4, axes=(1, 2))
        plane = plane[:, :, ::-1] if way >= 4 else plane
        planes.append(plane.repeat(SIDE_PX // side, axis=1).repeat(SIDE_PX // side, axis=2))
        start += side**2
    luma, blue, red = planes
    r, b = luma + (red - 128) / 0.713, luma + (blue - 128) / 0.564
    g = (luma - 0.299 * r - 0.114 * b) / 0.587
    return describe(np.clip(np.rint(np.stack([r, g, b], axis=-1)), 0, 255).astype(np.uint8))


def make_full(twin: Dataset, folder: Path) -> None:
    """A set of ILSVRC's number of rows without pictures, with fingerprints; copies in the twin are copies here."""
    prints, tables, parts = fingerprints(twin), [], []
    n = len(prints)
    for way in range(WAYS):
        table = twin.manifest.table
        for name in ("image_id", "group"):
            named = pc.binary_join_element_wise(table[name], pa.scalar(f"{way}"), "_")
            table = table.set_column(table.schema.get_field_index(name), name, named)
        other = pc.binary_replace_slice(table["sha256"], 0, 1, f"{way}")
        tables.append(table.set_column(table.schema.get_field_index("sha256"), "sha256", other))
        thumb, low = np.empty_like(prints.thumb), np.empty_like(prints.hash)
        for start in range(0, n, BLOCK):
            thumb[start : start + BLOCK], low[start : start + BLOCK] = turned(prints.thumb[start : start + BLOCK], way)
        pixels = prints.pixels.copy()
        pixels.view(np.uint8).reshape(n, 16)[:, 0] ^= way
        parts.append(Fingerprints(prints.known, pixels, low, thumb))
    manifest = Manifest(pa.concat_tables(tables).slice(0, ILSVRC).combine_chunks(), twin.classes)
    whole = Fingerprints(
        *(np.concatenate([getattr(part, name) for part in parts])[:ILSVRC] for name in Fingerprints.__annotations__)
    )
    with new_folder(folder) as part:
        Dataset(part, manifest).write(part)
        keep(Dataset(part, manifest), whole)


def measure_full(folder: Path) -> None:
    """Print what one process takes: seconds of one core until the fingerprints are there, and in all, and GB."""
    dataset = Dataset.read(folder)
    fingerprints(dataset)
    there = time.process_time()
    found = dedupe(dataset)
    twice = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps([len(dataset.manifest), there, twice - there, peak, found.n_groups, int((~found.keep).sum())]))


def cores() -> float:
    """Seconds of all cores that this process and those it waited for have used."""
    return sum(os.times()[:4])


def measure_twin(twin: Dataset) -> list[str]:
    shutil.rmtree(twin.root / "fingerprints", ignore_errors=True)
    began, used = time.perf_counter(), cores()
    found = dedupe(twin)
    seconds, used = time.perf_counter() - began, cores() - used
    began = time.process_time()
    again = dedupe(twin)
    warm = time.process_time() - began
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
    return [
        "# Duplicates found in a twin",
        "",
        f"`python scripts/measure_dedupe.py TWIN FULL` on a twin of {n:,} pictures of {side} px, commit {commit()};",
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
        f"{seconds:.0f} s with everything read and decoded ({n / seconds:,.0f} pictures/s, {used:.0f} s of one core),",
        f"and {warm:.0f} s of one core where the fingerprints are there already. A million such pictures take",
        f"{1e6 * (used - warm) / n / 60:.1f} minutes of one core to read and decode.",
    ]


def main() -> None:
    twin, full = Dataset.read(Path(sys.argv[1])), Path(sys.argv[2])
    lines = measure_twin(twin)
    if not full.exists():
        make_full(twin, full)
    told = subprocess.run([sys.executable, __file__, "--full", str(full)], check=True, capture_output=True, text=True)
    n, there, rest, peak, n_groups, n_copies = json.loads(told.stdout)
    lines += [
        "",
        "## At ILSVRC's size",
        "",
        "What comes after the decoding, on made-up fingerprints of as many pictures: those of the twin, turned and",
        "mirrored in eight ways, so that they are as alike and unlike as the twin's own; its copies are copies here",
        "too. One process, all of its Python and Arrow counted; seconds are of one core.",
        "",
        "| pictures | fingerprints read and in order, s | all of it again with comparing and grouping, s | peak, GB | "
        "groups | copies |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| {n:,} | {there:.0f} | {rest:.0f} | {peak:.1f} | {n_groups:,} | {n_copies:,} |",
    ]
    write_text(OUT, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    measure_full(Path(sys.argv[2])) if sys.argv[1] == "--full" else main()
