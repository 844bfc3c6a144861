"""find: synsets by words, wnid or class_index, forgiving case, spaces, hyphens, plurals and typing errors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput
from topfive.taxonomy.data_noun import DATA_NOUN
from topfive.taxonomy.ilsvrc import ilsvrc_classes, ilsvrc_leaf_counts
from topfive.taxonomy.lookup import SynsetCard, show
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

_LIKENESS = 0.75
"""Least `difflib` ratio of a typing error: a swapped pair of letters in a word of eight gives 0.875, of four 0.75."""


def find(words: str, limit: int = 10, *, data_noun: Path = DATA_NOUN) -> tuple[SynsetCard, ...]:
    """The synsets that `words` may mean, best first; none where nothing comes near.

    In this order: a whole lemma, a wnid, an ILSVRC class_index, a lemma's singular, the beginning of a lemma, a part of
    one (whole words first) and, where all these find nothing, a lemma with a typing error. Within each the ILSVRC
    classes come first, then synsets with more of them below. Raises BadInput for no words or a limit below 1.
    """
    query = _fold(words.split(",", maxsplit=1)[0])
    if not query:
        raise BadInput("no words to look for", where="find", fix="Give a name, a wnid or a class index, as `dog`")
    if limit < 1:
        raise BadInput(f"limit {limit} is below 1", where="find")
    found: dict[int, None] = {}
    for tier in _tiers(words.strip(), query):
        found.update(dict.fromkeys(tier))
        if len(found) >= limit:
            break
    if not found:
        found.update(dict.fromkeys(_misspelt(query, limit)))
    graph = wordnet()
    return tuple(show(graph.wnid(position), data_noun=data_noun) for position in list(found)[:limit])


def _tiers(words: str, query: bytes) -> Iterator[list[int]]:
    yield _matching(b"\t" + query + b"\t")
    yield _by_key(words)
    for singular in _singulars(query):
        yield _matching(b"\t" + singular + b"\t")
    yield _matching(b"\t" + query)
    yield _matching(query)


def _fold(words: str) -> bytes:
    joined = " ".join(words.replace("_", " ").split()).lower()
    return joined.encode("utf-8").translate(_FOLD, _DROPPED).strip(b"_")


@cache
def _folded() -> tuple[bytes, NDArray[np.int64]]:
    r"""All lemmas, folded: `\t` before and after each lemma, `\n` after each synset; and the places of the `\n`."""
    text = b"\t" + wordnet().lemma_text.lower().replace(b" ", b"\t").replace(b"\n", b"\t\n\t")
    text = text.translate(bytes.maketrans(b"-/", b"__"), _DROPPED)
    return text, np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))


def _matching(needle: bytes) -> list[int]:
    """Positions of the synsets with the needle in their folded lemmas, best first."""
    text, ends = _folded()
    places = np.array([match.start() for match in re.finditer(re.escape(needle), text)], dtype=np.int64)
    synsets = np.searchsorted(ends, places)
    starts = np.concatenate([[0], ends + 1])[synsets]
    letters = np.frombuffer(text, dtype=np.uint8)
    inside_word = ~np.isin(letters[np.maximum(places - 1, 0)], np.frombuffer(b"\t_", dtype=np.uint8))
    if needle.startswith(b"\t"):
        inside_word[:] = False
    classes = _class_positions()
    not_first_lemma = places > starts + 1
    order = np.lexsort((synsets, not_first_lemma, -ilsvrc_leaf_counts()[synsets], ~classes[synsets], inside_word))
    return list(dict.fromkeys(synsets[order].tolist()))


@cache
def _class_positions() -> NDArray[np.bool_]:
    graph = wordnet()
    marks = np.zeros(len(graph), dtype=np.bool_)
    marks[graph.positions(ilsvrc_classes().wnids)] = True
    return marks


def _by_key(words: str) -> list[int]:
    """The synset whose wnid (the `n` may be missing) or ILSVRC class_index this is."""
    graph = wordnet()
    wnid = re.fullmatch(r"[nN]?([0-9]{8})", words)
    if wnid and f"n{wnid[1]}" in graph:
        return [graph.position(f"n{wnid[1]}")]
    classes = ilsvrc_classes()
    if re.fullmatch(r"[0-9]{1,4}", words) and int(words) < len(classes):
        return [graph.position(classes.wnids[int(words)])]
    return []


def _singulars(query: bytes) -> Iterator[bytes]:
    for plural, singular in _PLURALS:
        if query.endswith(plural.encode()) and len(query) > len(plural) + 1:
            yield query[: -len(plural)] + singular.encode()


def _misspelt(query: bytes, limit: int) -> list[int]:
    """Positions of synsets with a lemma like the query, most alike first.

    Compared are the lemmas of all ILSVRC classes, and of all others those that have the same first letter and at most
    two letters more or less: comparing all 117,000 would take seconds.
    """
    text, _ = _folded()
    graph = wordnet()
    pool = {_fold(lemma).decode() for wnid in ilsvrc_classes().wnids for lemma in graph.lemmas(wnid)}
    near = {lemma for lemma in text.split() if lemma[0] == query[0] and abs(len(lemma) - len(query)) <= 2}
    pool.update(lemma.decode() for lemma in near)
    alike = difflib.get_close_matches(query.decode(), sorted(pool), n=5 * limit, cutoff=_LIKENESS)
    likeness = {lemma: difflib.SequenceMatcher(None, lemma, query.decode()).ratio() for lemma in alike}
    found = [(-likeness[lemma], position) for lemma in alike for position in _matching(b"\t" + lemma.encode() + b"\t")]
    return [position for _, position in sorted(found, key=lambda hit: (hit[0], not _class_positions()[hit[1]]))]
