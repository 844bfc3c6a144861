"""Wnids beside a name that another synset has: lists of another WordNet version, or rows that slipped."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.spelling import fold, meanings
from topfive.taxonomy.table import wordnet

WHAT = "wnids whose name is another synset's: another WordNet version, or rows that slipped"


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a row; a name of one's own, which no synset has, is nobody's mistake."""
    written, graph = listed.written, wordnet()
    for line, key, name, wnid in zip(written.lines, written.keys, written.names, written.synsets, strict=True):
        if wnid != key or not name:
            continue
        own = {fold(lemma) for lemma in graph.lemmas(wnid)}
        if any(fold(part) in own for part in (name, *name.split(","))):
            continue
        others = meanings(name)
        if others:
            reason = (
                f"{wnid} is {graph.name(wnid)!r} in WordNet 3.0, but the list calls it {name!r}, which is {others[0]}"
            )
            yield finding("wrong_name", 0.8, (wnid, others[0]), f"{reason} (row {line})", row=line)
