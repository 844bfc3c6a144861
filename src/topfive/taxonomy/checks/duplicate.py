"""Synsets that stand in the list more than once."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.table import wordnet

WHAT = "classes that stand twice"


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a synset, with all its rows."""
    rows: dict[str, list[int]] = {}
    for line, wnid in zip(listed.written.lines, listed.written.synsets, strict=True):
        if wnid is not None:
            rows.setdefault(wnid, []).append(line)
    for wnid, lines in rows.items():
        if len(lines) > 1:
            where = ", ".join(map(str, lines))
            yield finding("duplicate", 1.0, (wnid,), f"{wordnet().name(wnid)} stands in rows {where}", rows=lines)
