"""Names that several synsets have: which one is meant cannot be told from the list."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.spelling import meanings
from topfive.taxonomy.table import wordnet
from topfive.taxonomy.written import WNID

WHAT = "names with several meanings, where the list has no wnid"


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a name; the first synset is the one that the other checks take it for."""
    written, graph = listed.written, wordnet()
    for line, key, wnid in zip(written.lines, written.keys, written.synsets, strict=True):
        if wnid is None or WNID.fullmatch(key):
            continue
        several = meanings(key)
        if len(several) > 1:
            others = ", ".join(f"{other} ({graph.words(other)})" for other in several[1:4])
            reason = f"{key!r} has {len(several)} meanings: taken for {wnid} ({graph.words(wnid)}), not {others}"
            yield finding("ambiguous", 0.4, several, f"{reason} (row {line})", row=line, n_meanings=len(several))
