"""Opening WordNet 3.0's nouns: NLTK's index, a parse of `data.noun`, and the table that the package carries."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np

from benchmarks.row import Sides, Timed
from benchmarks.wordnet import NltkWordNet
from topfive.taxonomy import DATA_NOUN
from topfive.taxonomy.table import TABLE, read_table

TITLE = "WordNet: load"
GOAL = "<= 10 ms"
DOG = "n02084071"


def sides(rng: np.random.Generator) -> Sides:
    kept: list[Any] = []

    def peer() -> Timed:
        kept[:] = kept or [NltkWordNet()]
        began = time.perf_counter()
        reader = kept[0].open()
        taken = time.perf_counter() - began
        found = reader.synset_from_pos_and_offset("n", int(DOG[1:]))
        return Timed(sorted(f"n{parent.offset():08d}" for parent in found.hypernyms()), taken)

    def parse() -> list[str]:
        parents: dict[bytes, list[bytes]] = {}
        with DATA_NOUN.open("rb") as file:
            for line in file:
                if not line.startswith(b"  "):
                    parents[line[:8]] = re.findall(rb" @i? (\d{8}) n", line.partition(b" | ")[0])
        return sorted(f"n{parent.decode()}" for parent in parents[DOG[1:].encode()])

    def ours() -> Timed:
        began = time.perf_counter()
        graph = read_table(TABLE)
        taken = time.perf_counter() - began
        return Timed(list(graph.parents(DOG)), taken)

    return Sides("NLTK 3.10 (all parts of speech)", peer, ours, lambda a, b: a == b, more={"a parse by lines": parse})
