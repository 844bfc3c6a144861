"""Lemmas as people type them: folded spelling, regular plurals, and all the synsets of a lemma."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from topfive.taxonomy.ilsvrc import ilsvrc_classes, ilsvrc_leaf_counts
from topfive.taxonomy.table import wordnet

_FOLD = bytes.maketrans(b" -/", b"___")
_DROPPED = b"'.,"
_PLURALS = (
    ("men", "man"),
    ("ies", "y"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("s", ""),
)
"""Endings of regular plurals and of their singulars, as WordNet's own morphology has them for nouns."""


def fold(words: str) -> bytes:
    """Small letters, `_` for spaces, hyphens and slashes, no apostrophes, full stops or commas."""
    joined = " ".join(words.replace("_", " ").split()).lower()
    return joined.encode("utf-8").translate(_FOLD, _DROPPED).strip(b"_")


def singulars(folded: bytes) -> Iterator[bytes]:
    """What a folded word may be the regular plural of."""
    for plural, singular in _PLURALS:
        if folded.endswith(plural.encode()) and len(folded) > len(plural) + 1:
            yield folded[: -len(plural)] + singular.encode()


@cache
def folded_lemmas() -> tuple[bytes, NDArray[np.int64]]:
    r"""All lemmas, folded: `\t` before and after each lemma, `\n` after each synset; and the places of the `\n`."""
    text = b"\t" + wordnet().lemma_text.lower().replace(b" ", b"\t").replace(b"\n", b"\t\n\t")
    text = text.translate(bytes.maketrans(b"-/", b"__"), _DROPPED)
    return text, np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))


@cache
def class_marks() -> NDArray[np.bool_]:
    """Which positions of `wordnet()` are ILSVRC classes, bool [82115]."""
    graph = wordnet()
    marks = np.zeros(len(graph), dtype=np.bool_)
    marks[graph.positions(ilsvrc_classes().wnids)] = True
    return marks


def meanings(name: str) -> tuple[str, ...]:
    """The synsets with this lemma, however it is spelt: ILSVRC classes first, then those with more of them below.

    Of lemmas parted by commas, as `crane, wading bird`, the synsets that have the most of them come first.
    """
    graph, marks, counts = wordnet(), class_marks(), ilsvrc_leaf_counts()
    shared: Counter[int] = Counter()
    earliest: dict[int, int] = {}
    for part in name.split(","):
        for position, place in _by_lemma().get(fold(part), ()):
            shared[position] += 1
            earliest[position] = min(place, earliest.get(position, place))
    ranked = sorted(shared, key=lambda p: (-shared[p], not marks[p], -counts[p], earliest[p], p))
    return tuple(graph.wnid(position) for position in ranked)


@cache
def _by_lemma() -> dict[bytes, list[tuple[int, int]]]:
    """Folded lemma to the positions that have it and its place among their lemmas."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    for position, line in enumerate(folded_lemmas()[0].split(b"\n")):
        for place, lemma in enumerate(dict.fromkeys(line.split())):
            found.setdefault(lemma, []).append((position, place))
    return found
