"""find: synsets by words, wnid, class_index or ILSVRC2012_ID, forgiving case, hyphens, plurals and typing errors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from topfive.records import BadInput
from topfive.taxonomy.data_noun import DATA_NOUN
from topfive.taxonomy.devkit import Devkit
from topfive.taxonomy.ilsvrc import ilsvrc_classes, ilsvrc_leaf_counts
from topfive.taxonomy.lookup import SynsetCard, show
from topfive.taxonomy.spelling import class_marks, fold, folded_lemmas, singulars
from topfive.taxonomy.table import wordnet

_LIKENESS = 0.75
"""Least `difflib` ratio of a typing error: a swapped pair of letters in a word of eight gives 0.875, of four 0.75."""


def find(
    words: str,
    limit: int = 10,
    *,
    data_noun: Path = DATA_NOUN,
    definitions: Path | None = None,
    devkit: Devkit | None = None,
) -> tuple[SynsetCard, ...]:
    """The synsets that `words` may mean, best first; none where nothing comes near.

    In this order: a whole lemma, a wnid, an ILSVRC class_index, the kit's ILSVRC2012_ID, a lemma's singular, the
    beginning of a lemma, a part of one (whole words first) and, where all these find nothing, a lemma with a typing
    error. Within each the ILSVRC classes come first, then synsets with more of them below. Raises BadInput for no words
    or a limit below 1.
    """
    query = fold(words.split(",", maxsplit=1)[0])
    if not query:
        raise BadInput("no words to look for", where="find", fix="Give a name, a wnid or a class index, as `dog`")
    if limit < 1:
        raise BadInput(f"limit {limit} is below 1", where="find")
    found: dict[int, None] = {}
    for tier in _tiers(words.strip(), query, devkit):
        found.update(dict.fromkeys(tier))
        if len(found) >= limit:
            break
    if not found:
        found.update(dict.fromkeys(_misspelt(query, limit)))
    graph = wordnet()
    wnids = [graph.wnid(position) for position in list(found)[:limit]]
    return tuple(show(wnid, data_noun=data_noun, definitions=definitions, devkit=devkit) for wnid in wnids)


def _tiers(words: str, query: bytes, devkit: Devkit | None) -> Iterator[list[int]]:
    yield _matching(b"\t" + query + b"\t")
    yield _by_key(words, devkit)
    for singular in singulars(query):
        yield _matching(b"\t" + singular + b"\t")
    yield _matching(b"\t" + query)
    yield _matching(query)


def _matching(needle: bytes) -> list[int]:
    """Positions of the synsets with the needle in their folded lemmas, best first."""
    text, ends = folded_lemmas()
    places = np.array([match.start() for match in re.finditer(re.escape(needle), text)], dtype=np.int64)
    synsets = np.searchsorted(ends, places)
    starts = np.concatenate([[0], ends + 1])[synsets]
    letters = np.frombuffer(text, dtype=np.uint8)
    inside_word = ~np.isin(letters[np.maximum(places - 1, 0)], np.frombuffer(b"\t_", dtype=np.uint8))
    if needle.startswith(b"\t"):
        inside_word[:] = False
    classes = class_marks()
    not_first_lemma = places > starts + 1
    order = np.lexsort((synsets, not_first_lemma, -ilsvrc_leaf_counts()[synsets], ~classes[synsets], inside_word))
    return list(dict.fromkeys(synsets[order].tolist()))


def _by_key(words: str, devkit: Devkit | None) -> list[int]:
    """The synsets whose wnid (the `n` may be missing), ILSVRC class_index or ILSVRC2012_ID this is."""
    graph = wordnet()
    wnid = re.fullmatch(r"[nN]?([0-9]{8})", words)
    if wnid and f"n{wnid[1]}" in graph:
        return [graph.position(f"n{wnid[1]}")]
    if not re.fullmatch(r"[0-9]{1,4}", words):
        return []
    classes, kit = ilsvrc_classes().wnids, () if devkit is None else devkit.wnids
    found = [classes[int(words)]] if int(words) < len(classes) else []
    found += [kit[int(words) - 1]] if 1 <= int(words) <= len(kit) else []
    return [graph.position(wnid) for wnid in found]


def _misspelt(query: bytes, limit: int) -> list[int]:
    """Positions of synsets with a lemma like the query, most alike first.

    Compared are the lemmas of all ILSVRC classes, and of all others those that have the same first letter and at most
    two letters more or less: comparing all 117,000 would take seconds.
    """
    text, _ = folded_lemmas()
    graph = wordnet()
    pool = {fold(lemma).decode() for wnid in ilsvrc_classes().wnids for lemma in graph.lemmas(wnid)}
    near = {lemma for lemma in text.split() if lemma[0] == query[0] and abs(len(lemma) - len(query)) <= 2}
    pool.update(lemma.decode() for lemma in near)
    alike = difflib.get_close_matches(query.decode(), sorted(pool), n=5 * limit, cutoff=_LIKENESS)
    likeness = {lemma: difflib.SequenceMatcher(None, lemma, query.decode()).ratio() for lemma in alike}
    found = [(-likeness[lemma], position) for lemma in alike for position in _matching(b"\t" + lemma.encode() + b"\t")]
    return [position for _, position in sorted(found, key=lambda hit: (hit[0], not class_marks()[hit[1]]))]
