"""JPEG files to top-1 and top-5 as timm's `validate.py` does it: its loader with 2 workers, batches of 50."""

from __future__ import annotations

import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import Timed

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "imagenet-samples.tar"
_BATCH = 50


def samples() -> Path:
    """The archive of 500 real pictures beside the checkout."""
    if not SAMPLES.is_file():
        raise SystemExit(f"{SAMPLES.name} is not beside the checkout: this row needs real pictures")
    return SAMPLES


def validate(
    build: Callable[[], Any], view: Any, *, counted: int, channels_last: bool = False, amp: bool = False
) -> Callable[[], Timed]:
    """A side that runs all pictures the first time, then `counted` of them after a batch that does not count.

    The answer is the first guess by file name.
    """
    held: dict[str, Any] = {}

    def loader(n: int | None) -> tuple[Any, list[str]]:
        from timm.data import create_dataset, create_loader

        if "folder" not in held:
            held["folder"] = tempfile.TemporaryDirectory()
            with tarfile.open(samples()) as archive:
                archive.extractall(held["folder"].name, filter="data")
            held["network"] = build()
        dataset = create_dataset("", held["folder"].name)
        names = [Path(name).stem for name in dataset.filenames(basename=True)]
        made = create_loader(
            _Part(dataset, len(names) if n is None else n),
            input_size=(3, view.crop_px, view.crop_px),
            batch_size=_BATCH,
            use_prefetcher=False,
            interpolation=view.interpolation,
            mean=view.mean,
            std=view.std,
            num_workers=2,
            crop_pct=view.crop_px / view.resize_px,
            pin_memory=False,
        )
        return made, names

    def run() -> Timed:
        import torch
        from timm.utils import AverageMeter, accuracy

        first = "folder" not in held
        made, names = loader(None if first else counted + _BATCH)
        network = held["network"]
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
        top1, guesses, began = AverageMeter(), [], 0.0
        with torch.inference_mode():
            for number, (pixels, target) in enumerate(made):
                if number == 1:
                    began = time.perf_counter()
                if channels_last:
                    pixels = pixels.contiguous(memory_format=torch.channels_last)
                with torch.autocast("cpu", torch.bfloat16, enabled=amp):
                    output = network(pixels)
                top1.update(accuracy(output, target, topk=(1, 5))[0].item(), len(pixels))
                guesses += output.argmax(1).tolist()
        seconds = time.perf_counter() - began
        return Timed(dict(zip(names, guesses, strict=False)), seconds, len(guesses) - _BATCH)

    return run


class _Part:
    """The first n pictures of a dataset of timm's; its loader sets the transform."""

    def __init__(self, dataset: Any, n: int) -> None:
        self._dataset, self._n = dataset, n
        self.transform: Any = None

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, i: int) -> Any:
        self._dataset.transform = self.transform
        return self._dataset[i]


def agreement(a: dict[str, int], b: dict[str, int]) -> float:
    """Share of the pictures of which both say the same."""
    assert a.keys() == b.keys(), "the same pictures"
    return float(np.mean([a[name] == b[name] for name in a]))
