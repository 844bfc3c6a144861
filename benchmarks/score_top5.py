"""Top-1 and top-5 of 50,000 x 1,000 float32 logits."""

from __future__ import annotations

import numpy as np

from benchmarks.row import Sides
from topfive.scoring import rank_of_label

TITLE = "top-1 and top-5, 50,000 x 1,000 float32"
GOAL = "<= 10 ms"


def sides(rng: np.random.Generator) -> Sides:
    logits = rng.standard_normal((50_000, 1000), dtype=np.float32)
    labels = rng.integers(0, 1000, 50_000).astype(np.int32)

    def peer() -> tuple[int, int]:
        rank = (logits > logits[np.arange(len(labels)), labels][:, None]).sum(axis=1)
        return int((rank < 1).sum()), int((rank < 5).sum())

    def ours() -> tuple[int, int]:
        rank = rank_of_label(logits, labels)
        return int((rank < 1).sum()), int((rank < 5).sum())

    return Sides("NumPy, counting logits above the label's", peer, ours, lambda a, b: a == b)
