"""Ways down the tree of the classes that never fork: levels that group nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.table import wordnet

WHAT = "chains of synsets with one child each, which group nothing"

_LEAST = 2
"""Fewest synsets with one child in a row: a single one is every other class's parent."""


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a chain, from its top to the class or fork at its foot; the longer, the worse, up to 0.2."""
    tree, graph = listed.tree, wordnet()
    n_children = np.bincount(tree.parents, minlength=len(tree.wnids))
    children = np.repeat(np.arange(len(tree.wnids)), np.diff(tree.parent_start))
    only = {int(p): int(c) for p, c in zip(tree.parents, children, strict=True) if n_children[p] == 1}
    tops = [node for node in only if not any(int(parent) in only for parent in tree.parents_of(node))]
    for top in tops:
        chain = [top]
        while chain[-1] in only:
            chain.append(only[chain[-1]])
        if len(chain) > _LEAST:
            wnids = tuple(tree.wnids[node] for node in chain)
            names = " > ".join(graph.name(wnid) for wnid in wnids)
            severity = min(0.2, 0.02 * (len(chain) - 1))
            yield finding("single_child", severity, wnids, f"no level of {names} forks", n=len(chain) - 1)
