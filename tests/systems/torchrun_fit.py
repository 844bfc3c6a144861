"""Run by torchrun in test_processes: one fit shared by its processes; the first one writes what came out."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from topfive.records import Dataset, View
from topfive.systems import FitLog, engine, farewell
from topfive.systems.engine.chance import seeded

sys.path.insert(0, str(Path(__file__).parents[1]))
from toy.drawn import pictures


class _KilledError(Exception):
    pass


def network(n_classes: int) -> nn.Module:
    """No batch normalisation and no dropout: what is left is the same on any number of processes."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, n_classes)
    )


SETTINGS = engine.Training(
    view=View(32, 28, "bilinear"),
    train_resize_px=32,
    train_crop_px=24,
    epochs=3,
    batch_size=14,
    lr=0.05,
    weight_decay=1e-4,
    schedule="cosine",
    colour_sigma=0.1,
    mixup=0.4,
    accumulate=2,
    average_decay=0.9,
    checkpoint_minutes=0.0,
)


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    options = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    dataset = Dataset.read(folder)
    kill = options.pop("kill_after", None)
    first = os.environ.get("RANK", "0") == "0"
    rows: list[dict[str, float]] = []

    def progress(what: str, done: float, total: float | None, unit: str = "") -> None:
        if what == "training" and kill is not None and done >= kill:
            raise _KilledError

    with seeded(1, "initial weights"):
        made = network(6)
    log = FitLog(progress=progress, metrics=lambda values: rows.append(dict(values)), checkpoints=out / "checkpoints")
    out.mkdir(exist_ok=True)
    weights = engine.train(
        made, pictures(dataset, "train"), pictures(dataset, "tune"), replace(SETTINGS, **options), seed=5, log=log
    )
    if first:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, out / "weights.safetensors")
        (out / "rows.json").write_text(json.dumps(rows))
    farewell()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
