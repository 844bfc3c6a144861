"""Our side: the landmark `resnet:18` on the engine, by timm's recipe or by its own.

Run as `python -m benchmarks.training.topfive_engine DATASET SEED EPOCHS OUT.json same|own`. The pictures of `val` are
only measured, after each epoch; the fit itself is given none of them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from topfive import systems
from topfive.loading import Pictures
from topfive.records import Dataset, View

SEEN = View(64, 64, "bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
# timm's: what its loader and train.py do by default; the arithmetic is bfloat16 where the processor has it.
SAME = {
    "view": SEEN,
    "train_resize_px": 64,
    "train_crop_px": 64,
    "smallest_scale": 1.0,
    "crop": "area",
    "smallest_area": 0.08,
    "jitter": 0.4,
    "colour_sigma": 0.0,
    "batch_size": 128,
    "lr": 0.1,
    "weight_decay": 2e-5,
    "decay_all": False,
    "schedule": "cosine",
    "precision": "bf16",
}
# Ours, for a short run: larger crops, a triangle of rates, smaller pictures first, smoothing.
OWN = SAME | {
    "smallest_area": 0.35,
    "jitter": 0.0,
    "sizes": (48, 56, 64),
    "batch_size": 128,
    "lr": 0.2,
    "weight_decay": 5e-4,
    "schedule": "linear",
    "label_smoothing": 0.1,
    "nesterov": True,
    "average_decay": 0.998,
}


def main() -> None:
    folder, seed, epochs, out, kind = (
        Path(sys.argv[1]),
        int(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]),
        sys.argv[5],
    )
    dataset = Dataset.read(folder)
    train, val = (Pictures(dataset, dataset.manifest.rows(split)) for split in ("train", "val"))
    system = systems.get("resnet")
    warmup = 1 / epochs if kind == "same" else 0.2
    recipe = replace(system.variants["18"], epochs=epochs, warmup=warmup, **(SAME if kind == "same" else OWN))
    rows: list[dict[str, float]] = []
    began = time.perf_counter()

    def told(values: Mapping[str, float]) -> None:
        rows.append(
            {"epoch": values["epoch"], "images_per_s": values["images_per_s"], "val_error": values["tune_error"]}
        )
        rows[-1]["seconds"] = time.perf_counter() - began
        print(rows[-1], file=sys.stderr, flush=True)

    # The engine measures `tune` after each epoch and chooses nothing by it: here it is handed val to be measured on.
    log = systems.FitLog(metrics=told)
    fitted = system.fit(train, val, recipe, seed=seed, log=log)
    wrong = np.mean(fitted.scores(val).argmax(axis=1) != val.class_index)
    assert abs(wrong - rows[-1]["val_error"]) < 1e-9
    out.write_text(json.dumps({"side": f"topfive, {kind}", "seed": seed, "rows": rows}))


if __name__ == "__main__":
    main()
