"""From JPEG files to crops for evaluation, on real pictures: threads beside timm's loader and beside decoding alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.loaders import decode_only, timm_loader, topfive_loader
from benchmarks.row import Sides

TITLE = "load for evaluation: 500 real JPEGs, short side 256, crop 224, batches of 50"
GOAL = "3.5x timm's loader, 80 % of decoding alone"


def sides(rng: np.random.Generator) -> Sides:
    del rng

    def same(a: Any, b: Any) -> bool:
        # Mean grey levels of each picture: the same crops, by Pillow's pixels. Decoding alone has no crops.
        return a is None or (a.keys() == b.keys() and max(abs(a[name] - b[name]) for name in a) < 0.05)

    return Sides(
        "timm's loader, 2 workers",
        timm_loader(training=False),
        topfive_loader(training=False),
        same,
        more={
            "the same, batches of uint8": timm_loader(training=False, uint8=True),
            "floor: decoding alone, 2 threads": decode_only(),
        },
        unit="images",
    )
