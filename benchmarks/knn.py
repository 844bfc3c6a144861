"""The 20 nearest of 20,000 rows for 2,000 queries of 1,280 values, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Sides

TITLE = "k-NN, 20 neighbours of 2,000 among 20,000 x 1,280 float32"
GOAL = "<= 300 ms"
K = 20


def sides(rng: np.random.Generator) -> Sides:
    rows, queries = (rng.standard_normal((n, 1_280), dtype=np.float32) for n in (20_000, 2_000))
    rows, queries = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, queries))
    held: dict[str, Any] = {}

    def peer() -> Any:
        import faiss

        if not held:
            held["index"] = faiss.IndexFlatIP(rows.shape[1])
            held["index"].add(rows)
        return held["index"].search(queries, K)[1]

    def ours() -> Any:
        from topfive.systems.features.nearest import nearest

        return nearest(queries, rows, K)[0]

    def same(a: Any, b: Any) -> bool:
        # Its single-precision sums may turn neighbours around that are 1e-7 apart.
        return all(len(np.intersect1d(x, y)) >= K - 1 for x, y in zip(a, b, strict=True)) and np.mean(a == b) > 0.999

    return Sides("faiss-cpu, IndexFlatIP (index built before)", peer, ours, same)
