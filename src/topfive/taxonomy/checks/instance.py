"""Classes that are single things, as Etna is, and no kinds."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.table import wordnet

WHAT = "instances: one thing, no kind of things"


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a class that WordNet links upwards by `@i`."""
    graph = wordnet()
    for wnid in listed.tree.classes.wnids:
        of = set(graph.parents(wnid)) - set(graph.parents(wnid, instances=False))
        if of:
            names = " and ".join(graph.name(parent) for parent in sorted(of))
            reason = f"{graph.name(wnid)} is one {names}, no kind of it: all its pictures show the same thing"
            yield finding("instance", 0.4, (wnid, *sorted(of)), reason)
