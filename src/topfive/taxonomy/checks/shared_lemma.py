"""Lemmas that two classes share: names that cannot be keys, and often things that cannot be told apart."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.table import wordnet

WHAT = "lemmas of more than one class, worst where all are called so first"


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a lemma; capitals do not count."""
    graph = wordnet()
    owners: dict[str, dict[str, bool]] = {}
    for wnid in listed.tree.classes.wnids:
        for place, lemma in enumerate(graph.lemmas(wnid)):
            owners.setdefault(lemma.lower().replace("_", " "), {}).setdefault(wnid, place == 0)
    for lemma, firsts in owners.items():
        if len(firsts) < 2:
            continue
        n_first = sum(firsts.values())
        words = ", ".join(f"{wnid} ({graph.words(wnid)})" for wnid in firsts)
        reason = (
            f"{len(firsts)} classes are called {lemma!r}{f', {n_first} of them first' if n_first > 1 else ''}: {words}"
        )
        severity = 0.8 if n_first > 1 else 0.5
        yield finding("shared_lemma", severity, tuple(firsts), reason, lemma=lemma, n_first=n_first)
