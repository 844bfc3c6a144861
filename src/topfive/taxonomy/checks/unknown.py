"""Entries that are no noun synset of WordNet 3.0: wnids of other versions, names that no lemma has."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.spelling import meanings
from topfive.taxonomy.written import WNID

WHAT = "wnids that are not WordNet 3.0's and names that it does not know"


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding an entry, with the synset that its name has, where it has one."""
    written = listed.written
    for line, key, name, wnid in zip(written.lines, written.keys, written.names, written.synsets, strict=True):
        if wnid is not None:
            continue
        if WNID.fullmatch(key):
            said = f"{key} is no noun synset of WordNet 3.0: mistyped, or the offset of another WordNet version"
        else:
            said = f"{key!r} is no lemma of WordNet 3.0's nouns"
        meant = meanings(name)[:1] if name else ()
        if meant:
            said += f"; its name {name!r} is {meant[0]} there"
        elif not WNID.fullmatch(key):
            said += f"; `topfive taxonomy find {key}` shows what comes near"
        yield finding("unknown", 1.0, (key,), f"{said} (row {line})", row=line, meant=list(meant))
