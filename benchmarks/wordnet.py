"""1,000 ancestor closures of the ILSVRC classes."""

from __future__ import annotations

import numpy as np

from benchmarks.row import Sides
from topfive.taxonomy import DATA_NOUN, ilsvrc_classes, read_wordnet, wordnet

TITLE = "1,000 ancestor closures"
GOAL = "<= 2 ms"


def sides(rng: np.random.Generator) -> Sides:
    wnids = ilsvrc_classes().wnids
    plain = read_wordnet(DATA_NOUN)
    parents = {wnid: plain.parents(wnid) for wnid in plain}

    def closure(wnid: str) -> frozenset[str]:
        seen, left = {wnid}, [wnid]
        while left:
            for parent in parents[left.pop()]:
                if parent not in seen:
                    seen.add(parent)
                    left.append(parent)
        return frozenset(seen)

    def ours() -> int:
        graph = wordnet.__wrapped__()
        return sum(len(graph.ancestors(wnid)) for wnid in wnids)

    return Sides(
        "a walk over dicts (ours loads the graph too)",
        lambda: sum(len(closure(w)) for w in wnids),
        ours,
        lambda a, b: a == b,
    )
