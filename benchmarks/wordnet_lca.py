"""Lowest common ancestors of the 1,000 classes: all 499,500 pairs here, 2,000 of them by NLTK; time for one pair."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.row import Sides, Timed
from benchmarks.wordnet import NltkWordNet
from topfive.taxonomy import class_tree, ilsvrc_classes, wordnet

TITLE = "WordNet: lowest common ancestors of the 1,000 classes, all 499,500 pairs (NLTK: 2,000 of them)"
GOAL = "all pairs <= 0.2 s: 2,500,000 pairs/s"
N_PAIRS = 1000 * 999 // 2


def sides(rng: np.random.Generator) -> Sides:
    classes = ilsvrc_classes()
    pairs = [(a, b) for a, b in rng.integers(0, 1000, (2000, 2)).tolist() if a != b]
    kept: list[Any] = []

    def peer() -> Timed:
        if not kept:
            copy = NltkWordNet()
            kept[:] = [copy.open(), copy]  # the copy goes when nothing holds it
        synsets = [kept[0].synset_from_pos_and_offset("n", int(wnid[1:])) for wnid in classes.wnids]
        began = time.perf_counter()
        found = [synsets[a].lowest_common_hypernyms(synsets[b]) for a, b in pairs]
        taken = time.perf_counter() - began
        return Timed([sorted(f"n{s.offset():08d}" for s in row) for row in found], taken, len(pairs))

    def ours() -> Timed:
        began = time.perf_counter()
        tree = class_tree(classes)
        nearest = tree.nearest_common
        taken = time.perf_counter() - began
        return Timed([tree.wnids[nearest[a, b]] for a, b in pairs], taken, N_PAIRS)

    def same(theirs: list[list[str]], ours: list[str]) -> bool:
        """NLTK gives the deepest common ancestors, topfive the one of least height: both are among the lowest."""
        graph = wordnet()
        for (a, b), deepest, nearest in zip(pairs, theirs, ours, strict=True):
            lowest = graph.lowest_common(classes.wnids[a], classes.wnids[b])
            depth = max(graph.depth(wnid) for wnid in lowest)
            if nearest not in lowest or deepest != [wnid for wnid in lowest if graph.depth(wnid) == depth]:
                return False
        return True

    return Sides("NLTK 3.10", peer, ours, same, unit="pairs")
