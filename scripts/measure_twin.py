"""Measure the default twin: rendering speed, and the error of nearest-mean on colour histograms.

python scripts/measure_twin.py; writes docs/results/twin-difficulty.md.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.dataset import TwinRecipe, make_twin
from topfive.flows import provenance
from topfive.loading import Pictures
from topfive.records import Dataset, View
from topfive.scoring import wilson

RESULT = Path(__file__).resolve().parents[1] / "docs" / "results" / "twin-difficulty.md"
SEEDS = (0, 1, 2)

HEAD = """# The twin: speed and difficulty

Nearest mean of 8 x 8 x 8 RGB histograms in Hellinger's distance, fitted on `train` and scored on the labels of `test`
as given. Chance is 95 %. The speed counts everything from the call to the finished folder, two threads; the first seed
may compile.

| seed | pictures | seconds | images/s | top-1 error of colour histograms, % |
| --- | --- | --- | --- | --- |
"""


def histograms(dataset: Dataset, split: str) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    pictures = Pictures(dataset, dataset.manifest.rows(split))
    pixels = pictures.arrays(View(96, 96)).astype(np.int32) >> 5
    cells = (pixels[..., 0] * 64 + pixels[..., 1] * 8 + pixels[..., 2]).reshape(len(pixels), -1)
    counts = np.stack([np.bincount(row, minlength=512) for row in cells])
    assert pictures.class_index is not None
    return np.sqrt(counts / cells.shape[1]), pictures.class_index


def nearest_mean_error(dataset: Dataset) -> tuple[int, int]:
    train, labels = histograms(dataset, "train")
    test, truth = histograms(dataset, "test")
    means = np.stack([train[labels == k].mean(axis=0) for k in range(len(dataset.classes))])
    guesses = ((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    return int((guesses != truth).sum()), len(truth)


def main() -> None:
    lines = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            made = make_twin(Path(folder) / "twin", TwinRecipe(seed=seed))
            seconds = time.perf_counter() - began
            wrong, n = nearest_mean_error(made)
        low, high = wilson(wrong, n)
        error = f"{100 * wrong / n:.1f} ({100 * low:.1f}-{100 * high:.1f})"
        images = len(made.manifest)
        lines.append(f"| {seed} | {images:,} | {seconds:.1f} | {images / seconds:.0f} | {error} |")
    tail = f"\n`python scripts/measure_twin.py`, {datetime.now(UTC):%Y-%m-%d}, {provenance.hardware()}.\n"
    RESULT.write_text(HEAD + "\n".join(lines) + "\n" + tail, encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
