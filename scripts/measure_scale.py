"""Measure how opening, dividing and describing a set grow with its rows: seconds and peak memory, each in a process.

python scripts/measure_scale.py [ROWS ...]; writes docs/results/scale.md and scale.svg. No picture is made: the manifest
has the columns of ILSVRC's, with random digests and sizes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from topfive.dataset.describe import describe
from topfive.dataset.split import SplitRule, divide
from topfive.records import COLUMNS, ClassList, Dataset, write_text
from topfive.reports.svg import Drawing, Log

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
ILSVRC, WHOLE = (1_431_167, 1000), (14_197_122, 21_841)
ROW_GROUP = 131_072
STYLE = """<style>
text{font:14px system-ui,sans-serif;fill:#1c1e21}.tick{fill:#5c6269}.grid{stroke:#d9dcdf}.axis{stroke:#5c6269}
.line{fill:none;stroke:#0072b2;stroke-width:2}.dot{fill:#0072b2}
@media (prefers-color-scheme:dark){text{fill:#e9eaeb}.tick{fill:#a4a9b0}.grid{stroke:#383c42}.line{stroke:#56b4e9}
.dot{fill:#56b4e9}}
</style>"""
HEAD = """# Full size: what opening, dividing and describing a set cost

Each line is one process on a manifest without pictures: ids, containers, random digests and sizes, groups, paths and a
country a row. `open` reads and checks the manifest, `split` writes a new set by the hash of each group, `describe`
computes the datasheet; peak is the most memory the process had, Python and Arrow with it.

![Seconds by rows](scale.svg)

| rows | classes | manifest, MB | step | seconds | peak, GB |
| ---: | ---: | ---: | --- | ---: | ---: |
"""


def make(folder: Path, n: int, k: int) -> None:
    rng = np.random.default_rng(0)
    wnids = pa.array([f"n{1_000_000 + 7 * i:08d}" for i in range(k)])
    classes = ClassList(tuple(wnids.to_pylist()), tuple(f"class {i}" for i in range(k)))
    folder.mkdir()
    classes.write(folder / "classes.tsv")
    fields = [pa.field(name, kind, nullable=False) for name, kind in COLUMNS.items()] + [
        pa.field("country", pa.string())
    ]
    schema = pa.schema(fields, metadata={"topfive.classes": classes.digest})
    countries = pa.array(["US", "GB", "IT", "CN", "IN", None])
    with pq.ParquetWriter(folder / "manifest.parquet", schema, compression="zstd", write_page_checksum=True) as writer:
        for start in range(0, n, ROW_GROUP):
            rows = np.arange(start, min(n, start + ROW_GROUP))
            m, index = len(rows), rows * k // n
            wnid = wnids.take(pa.array(index))
            ids = pc.binary_join_element_wise(wnid, pa.array(rows).cast(pa.string()), "_")
            ends = pa.py_buffer((64 * np.arange(m + 1)).astype(np.int32).tobytes())
            size = np.maximum(2000, rng.lognormal(11.5, 0.4, m)).astype(np.int64)
            columns = {
                "image_id": ids,
                "container": pc.binary_join_element_wise("/data/imagenet", wnid, "/").cast(pa.string()),
                "offset": np.cumsum(size),
                "size": size,
                "sha256": pa.Array.from_buffers(
                    pa.string(), m, [None, ends, pa.py_buffer(rng.bytes(32 * m).hex().encode())]
                ),
                "width": np.clip(rng.normal(500, 120, m), 40, 4000),
                "height": np.clip(rng.normal(400, 110, m), 40, 4000),
                "class_index": index,
                "split": pa.repeat("train", m),
                "group": ids,
                "source": pc.binary_join_element_wise(wnid, pc.binary_join_element_wise(ids, "JPEG", "."), "/"),
                "licence": pa.repeat("", m),
                "country": countries.take(pa.array(rng.choice(6, m, p=[0.45, 0.08, 0.06, 0.05, 0.06, 0.3]))),
            }
            arrays = [pa.array(columns[entry.name]).cast(entry.type, safe=False) for entry in schema]
            writer.write_table(pa.table(arrays, schema=schema), row_group_size=ROW_GROUP)


def in_a_process(work: Callable[[Path], None], folder: Path) -> tuple[float, float]:
    """Seconds of the work alone, and the peak of the process in GB."""
    mine, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(work, folder, theirs))
    process.start()
    seconds, peak = mine.recv()
    process.join()
    return seconds, peak


def _measured(work: Callable[[Path], None], folder: Path, out: object) -> None:
    began = time.perf_counter()
    work(folder)
    seconds = time.perf_counter() - began
    out.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9))  # type: ignore[attr-defined]


def open_it(folder: Path) -> None:
    Dataset.read(folder)


def divide_it(folder: Path) -> None:
    divide(Dataset.read(folder), folder.with_name("divided"), SplitRule())


def describe_it(folder: Path) -> None:
    json.dumps(describe(Dataset.read(folder)).to_json())


STEPS = {"open": open_it, "split": divide_it, "describe": describe_it}


def draw(measured: dict[str, list[tuple[int, float]]]) -> Drawing:
    width, height, left, base = 640, 360, 56, 320
    every = [point for points in measured.values() for point in points]
    rows = Log(min(n for n, _ in every), max(n for n, _ in every) * 1.01, left, width - 88)
    seconds = Log(min(s for _, s in every) / 1.5, max(s for _, s in every) * 1.5, base, 12)
    said = "; ".join(
        f"{name}: " + ", ".join(f"{n:,} rows {s:.1f} s" for n, s in points) for name, points in measured.items()
    )
    drawing = Drawing(width, height, "Seconds by rows, both logarithmic", said)
    for value in seconds.ticks(28):
        drawing.line("grid", (left, seconds(value)), (width - 88, seconds(value)))
        drawing.text((left - 8, seconds(value) + 5), ("tick", f"{value:g} s"), anchor="end")
    for n in sorted({n for n, _ in every}):
        drawing.text((rows(n), base + 24), ("tick", f"{n / 1e6:.2g} M"), anchor="middle")
    for name, points in measured.items():
        drawing.path("line", [(rows(n), seconds(s)) for n, s in points])
        for n, s in points:
            drawing.dot("dot", (rows(n), seconds(s)), 4, f"{name}, {n:,} rows: {s:.2f} s")
        drawing.text((width - 76, seconds(points[-1][1]) + 5), ("name", name))
    return drawing


def main() -> None:
    asked = [int(text) for text in sys.argv[1:]]
    sizes = [(n, max(10, n * 1000 // ILSVRC[0])) for n in asked] or [(143_117, 1000), ILSVRC, (4_500_000, 5000), WHOLE]
    lines, measured = [], {name: [] for name in STEPS}  # type: ignore[var-annotated]
    for n, k in sizes:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "set"
            make(folder, n, k)
            mb = (folder / "manifest.parquet").stat().st_size / 1e6
            for name, work in STEPS.items():
                seconds, peak = in_a_process(work, folder)
                measured[name].append((n, seconds))
                lines.append(f"| {n:,} | {k:,} | {mb:,.0f} | {name} | {seconds:.2f} | {peak:.2f} |\n")
                print(lines[-1], end="", flush=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    foot = f"\n`python scripts/measure_scale.py`, {datetime.now(UTC):%Y-%m-%d}, {machine}.\n"
    write_text(RESULTS / "scale.md", HEAD + "".join(lines) + foot)
    svg = draw(measured).render("plot").replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    write_text(RESULTS / "scale.svg", svg.replace("<desc>", STYLE + "<desc>", 1) + "\n")


if __name__ == "__main__":
    main()
