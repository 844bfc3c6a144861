"""From JPEG files to random crops for training, on real pictures: threads beside timm's loader."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.loaders import decode_only, timm_loader, topfive_loader
from benchmarks.row import Sides

TITLE = "load for training: 500 real JPEGs, random box of 8 to 100 %, resized to 224, mirrored, batches of 50"
GOAL = "3x timm's loader"


def sides(rng: np.random.Generator) -> Sides:
    del rng

    def same(a: Any, b: Any) -> bool:
        # Chance differs, so of the same pictures only their grey level on the whole is compared (timm drops the rest).
        return a is None or abs(np.mean(list(a.values())) - np.mean(list(b.values()))) < 5.0

    return Sides(
        "timm's loader, 2 workers",
        timm_loader(training=True),
        topfive_loader(training=True),
        same,
        more={
            "the same, batches of uint8": timm_loader(training=True, uint8=True),
            "floor: decoding alone, 2 threads": decode_only(),
        },
        unit="images",
    )
