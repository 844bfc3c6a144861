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
"""Least `difflib` ratio of a typing error: a letter too many in a word of eight gives 0.94, another letter in one of
four 0.75. Two letters that changed places (0.67 in `dgo`) are tried besides."""

_LONGEST = 200
"""Bytes of what is looked for: the longest lemma has 71, and comparing megabytes takes seconds."""


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
    beginning of a lemma, words in one; where all these find nothing, a wnid or a lemma with a typing error, and at
    last letters within a word. Within each the ILSVRC classes come first, then synsets with more of them below. Raises
    BadInput for no words, more than 200 bytes or a limit below 1.
    """
    query = fold(words.split(",", maxsplit=1)[0])
    if not query:
        raise BadInput("no words to look for", where="find", fix="Give a name, a wnid or a class index, as `dog`")
    if len(query) > _LONGEST:
        raise BadInput(f"{len(query):,} bytes are no name", where="find", fix=f"Give at most {_LONGEST}")
    if limit < 1:
        raise BadInput(f"limit {limit} is below 1", where="find", fix="Ask for one answer or more")
    graph = wordnet()
    wnids = [graph.wnid(position) for position in _found(words.strip(), query, limit, devkit)[:limit]]
    return tuple(show(wnid, data_noun=data_noun, definitions=definitions, devkit=devkit) for wnid in wnids)


def meant(wnid: str) -> str:
    """The wnid itself; raises BadInput for what is no noun synset, with the one that `find` would give for it."""
    if wnid in wordnet():
        return wnid
    nearest = find(wnid, limit=1) if 0 < len(fold(wnid)) <= _LONGEST else ()
    if not nearest:
        wordnet().position(wnid)
    said = f"{nearest[0].wnid} ({nearest[0].words}) comes nearest; `topfive taxonomy find WORDS` lists others"
    raise BadInput(f"{wnid!r} is no wnid of WordNet 3.0's nouns", fix=said)


def _found(words: str, query: bytes, limit: int, devkit: Devkit | None) -> list[int]:
    found: dict[int, None] = {}
    for tier in _tiers(words, query, devkit):
        found.update(dict.fromkeys(tier))
        if len(found) >= limit:
            return list(found)
    if not found:
        found.update(dict.fromkeys(_mistyped_wnid(words) or _misspelt(query, limit)))
    found.update(dict.fromkeys(_matching(query, inside=True)))
    return list(found)


def _tiers(words: str, query: bytes, devkit: Devkit | None) -> Iterator[list[int]]:
    yield _matching(b"\t" + query + b"\t")
    yield _by_key(words, devkit)
    for singular in singulars(query):
        yield _matching(b"\t" + singular + b"\t")
    yield _matching(b"\t" + query)
    yield _matching(query)


def _matching(needle: bytes, *, inside: bool = False) -> list[int]:
    """Positions of the synsets with the needle at the beginning of a word of their folded lemmas, best first.

    With `inside` anywhere in a word.
    """
    text, ends = folded_lemmas()
    places = np.array([match.start() for match in re.finditer(re.escape(needle), text)], dtype=np.int64)
    if not inside and not needle.startswith(b"\t"):
        letters = np.frombuffer(text, dtype=np.uint8)
        places = places[np.isin(letters[np.maximum(places - 1, 0)], np.frombuffer(b"\t_", dtype=np.uint8))]
    synsets = np.searchsorted(ends, places)
    starts = np.concatenate([[0], ends + 1])[synsets]
    not_first_lemma = places > starts + 1
    order = np.lexsort((synsets, not_first_lemma, -ilsvrc_leaf_counts()[synsets], ~class_marks()[synsets]))
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


def _mistyped_wnid(words: str) -> list[int]:
    """Positions of the synsets whose wnid this is but for one digit: missing, too many, another, two changed places."""
    written = re.fullmatch(r"[nN]([0-9]{7,9})", words)
    if written is None:
        return []
    typed = written[1]
    cuts = [(typed[:i], typed[i:]) for i in range(len(typed) + 1)]
    near = {head + digit + tail[skip:] for head, tail in cuts for digit in "0123456789" for skip in (0, 1)}
    near |= {head + tail[1:] for head, tail in cuts} | set(_swapped(typed))
    graph, marks = wordnet(), class_marks()
    found = [graph.position(f"n{digits}") for digits in sorted(near) if f"n{digits}" in graph]
    return sorted(found, key=lambda position: not marks[position])


def _swapped(word: str) -> list[str]:
    return [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)]


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
    typed = query.decode()
    alike = difflib.get_close_matches(typed, sorted(pool), n=5 * limit, cutoff=_LIKENESS)
    likeness = {lemma: difflib.SequenceMatcher(None, lemma, typed).ratio() for lemma in alike}
    likeness |= {lemma: 1.0 for lemma in _swapped(typed) if lemma in pool}
    lemmas = [(-ratio, lemma.encode()) for lemma, ratio in likeness.items()]
    found = [(worse, position) for worse, lemma in lemmas for position in _matching(b"\t" + lemma + b"\t")]
    return [position for _, position in sorted(found, key=lambda hit: (hit[0], not class_marks()[hit[1]]))]
