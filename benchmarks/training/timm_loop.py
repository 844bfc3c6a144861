"""The peer: timm's dataset, loader, optimiser and scheduler factories with the defaults of its train.py.

Run as `python -m benchmarks.training.timm_loop FOLDER SEED EPOCHS OUT.json`. FOLDER holds `train/` and `val/` by class.
Changed from the defaults: input 64 px, epochs, rate 0.1 and one epoch of warm-up (the default five would be half of
the run), two loader workers, no CUDA.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from timm import create_model
from timm.data import create_dataset, create_loader
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import random_seed

WORKERS = 2
BATCH = 128


def main() -> None:
    folder, seed, epochs, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    random_seed(seed)
    device = torch.device("cpu")
    model = create_model("resnet18", num_classes=len(list(Path(folder, "train").iterdir())))
    usual = {
        "input_size": (3, 64, 64),
        "batch_size": BATCH,
        "num_workers": WORKERS,
        "device": device,
        "use_prefetcher": False,
        "crop_pct": 0.875,
        "interpolation": "bicubic",
    }
    train = create_loader(
        create_dataset("", root=folder, split="train", is_training=True),
        is_training=True,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        hflip=0.5,
        color_jitter=0.4,
        **(usual | {"interpolation": "random"}),
    )
    val = create_loader(create_dataset("", root=folder, split="val"), **(usual | {"crop_pct": 1.0}))
    optimiser = create_optimizer_v2(model, opt="sgd", lr=0.1, momentum=0.9, weight_decay=2e-5)
    scheduler, _ = create_scheduler_v2(
        optimiser, sched="cosine", num_epochs=epochs, warmup_epochs=1, warmup_lr=1e-5, updates_per_epoch=len(train)
    )
    loss_of = torch.nn.CrossEntropyLoss()
    rows, began = [], time.perf_counter()
    for epoch in range(epochs):
        model.train()
        first, seen, count = time.perf_counter(), 0, 0
        for step, (images, labels) in enumerate(train):
            optimiser.zero_grad()
            loss_of(model(images), labels).backward()
            optimiser.step()
            if step == 0:
                first, count = time.perf_counter(), 0  # the first batch pays for the workers' start
            else:
                count += len(labels)
            seen += len(labels)
        rate = count / (time.perf_counter() - first)
        scheduler.step(epoch + 1)
        rows.append({"epoch": epoch + 1, "images_per_s": rate, "seconds": time.perf_counter() - began})
        rows[-1]["val_error"] = error(model, val)
        print(rows[-1], file=sys.stderr, flush=True)
    out.write_text(json.dumps({"side": "timm", "seed": seed, "rows": rows}))


@torch.no_grad()
def error(model: torch.nn.Module, val: torch.utils.data.DataLoader) -> float:
    model.eval()
    wrong = total = 0
    for images, labels in val:
        wrong += int((model(images).argmax(1) != labels).sum())
        total += len(labels)
    return wrong / total


if __name__ == "__main__":
    main()
