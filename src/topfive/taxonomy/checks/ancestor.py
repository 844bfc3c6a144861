"""Classes that are above or below another: a picture of the lower is one of the upper too."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.table import wordnet

WHAT = "classes above another, so that a picture has two right labels"


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a class that has classes above it: with the nearest, and the number of all of them."""
    tree, graph = listed.tree, wordnet()
    k = len(tree.classes)
    over = np.repeat(np.arange(k), tree.n_leaves[:k])
    under = tree.leaves[: len(over)]
    above: dict[int, list[int]] = {}
    for upper, lower in zip(over.tolist(), under.tolist(), strict=True):
        if upper != lower:
            above.setdefault(lower, []).append(upper)
    for lower, uppers in sorted(above.items()):
        # The nearest are those that have none of the others at or below them.
        nearest = [u for u in uppers if not any(u in above.get(other, ()) for other in uppers)]
        wnids = tuple(tree.wnids[node] for node in (lower, *nearest))
        names = " and ".join(graph.name(wnid) for wnid in wnids[1:])
        reason = f"{graph.name(wnids[0])} is a kind of {names}: its pictures have both labels"
        yield finding("ancestor", 0.9, wnids, reason, n_above=len(uppers))
