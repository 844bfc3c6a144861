"""1,000 ancestor closures of the ILSVRC classes, by readers that have looked nothing up before."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import Sides, Timed
from topfive.taxonomy import DATA_NOUN, ilsvrc_classes, read_wordnet, wordnet
from topfive.taxonomy.table import TABLE, read_table

TITLE = "WordNet: 1,000 ancestor closures, cold"
GOAL = "<= 2 ms"


class NltkWordNet:
    """NLTK's reader on a copy of Debian's WordNet 3.0, which lacks `lexnames`; NLTK reads only below its own path."""

    def __init__(self) -> None:
        import nltk

        self._folder = tempfile.TemporaryDirectory()
        self.root = Path(self._folder.name) / "wordnet"
        self.root.mkdir()
        for file in DATA_NOUN.parent.iterdir():
            if file.is_file():
                shutil.copy(file, self.root / file.name)
        (self.root / "lexnames").write_text("".join(f"{number:02d}\tname{number}\t1\n" for number in range(45)))
        nltk.data.path.insert(0, self._folder.name)

    def open(self) -> Any:
        from nltk.corpus.reader.wordnet import WordNetCorpusReader

        class Reader(WordNetCorpusReader):
            def map_wn(self, version: str = "wordnet") -> None:
                """No mapping to the multilingual WordNets, which would want a download."""

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The multilingual functions")
            return Reader(str(self.root), None)


def above(synset: Any) -> list[Any]:
    found: list[Any] = synset.hypernyms() + synset.instance_hypernyms()
    return found


def sides(rng: np.random.Generator) -> Sides:
    """Each side answers with the wnids at or above each class, in order."""
    wnids = ilsvrc_classes().wnids
    kept: list[Any] = []

    def peer() -> Timed:
        kept[:] = kept or [NltkWordNet()]
        reader = kept[0].open()
        began = time.perf_counter()
        synsets = [reader.synset_from_pos_and_offset("n", int(wnid[1:])) for wnid in wnids]
        found = [{synset, *synset.closure(above)} for synset in synsets]
        taken = time.perf_counter() - began
        return Timed([sorted(f"n{synset.offset():08d}" for synset in row) for row in found], taken)

    def dicts() -> Timed:
        kept[:] = kept or [{w: g.parents(w) for g in (read_wordnet(DATA_NOUN),) for w in g}]
        parents = kept[0]
        began = time.perf_counter()
        found = []
        for wnid in wnids:
            seen, left = {wnid}, [wnid]
            while left:
                for parent in parents[left.pop()]:
                    if parent not in seen:
                        seen.add(parent)
                        left.append(parent)
            found.append(seen)
        taken = time.perf_counter() - began
        return Timed(list(map(sorted, found)), taken)

    def ours() -> Timed:
        graph = read_table(TABLE)
        began = time.perf_counter()
        start, positions = graph.closures(wnids)
        taken = time.perf_counter() - began
        rows = np.split(positions, start[1:-1])
        return Timed([[graph.wnid(position) for position in row] for row in rows], taken)

    def sets() -> Timed:
        graph = read_table(TABLE)
        began = time.perf_counter()
        found = [graph.ancestors(wnid) for wnid in wnids]
        taken = time.perf_counter() - began
        return Timed(list(map(sorted, found)), taken)

    wordnet()
    more = {"a walk over dicts": dicts}
    return Sides("NLTK 3.10", peer, ours, lambda a, b: a == b, more=more, ours_more={"topfive, a set for each": sets})
