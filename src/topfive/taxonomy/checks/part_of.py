"""Classes that are parts, members or substances of another class: a picture of the whole shows the part as well."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.parts import PART_KINDS, part_links
from topfive.taxonomy.table import wordnet

WHAT = "parts of other classes, as a car wheel of a sports car"

_LOW = 2
"""Most height of a part that is no class itself: a wheel may stand for a car wheel; `plant part` says too little."""


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a link of WordNet that leads from a class, or a kind of it, to others: parts, then wholes.

    A whole hands its parts down to its kinds. Worst where the part and the whole are classes themselves.
    """
    tree, graph, links = listed.tree, wordnet(), part_links()
    k = len(tree.classes)
    for whole, part, kind in zip(links.wholes.tolist(), links.parts.tolist(), links.kinds.tolist(), strict=True):
        upper, lower = tree.index.get(graph.wnid(whole)), tree.index.get(graph.wnid(part))
        if upper is None or lower is None or (lower >= k and tree.full_heights[lower] > _LOW):
            continue
        inner = [lower] if lower < k else tree.leaves_of(lower).tolist()
        outer = [leaf for leaf in tree.leaves_of(upper).tolist() if leaf not in inner]
        if not outer:
            continue
        wnids = tuple(tree.wnids[node] for node in (*inner, *outer))
        kinds = "" if lower < k else f" ({', '.join(graph.name(wnid) for wnid in wnids[: len(inner)][:3])})"
        many = "which is a class" if upper < k else f"and so of {len(outer)} of the classes"
        whole_name, part_name = graph.name(tree.wnids[upper]), graph.name(tree.wnids[lower])
        reason = f"{part_name}{kinds} is a {PART_KINDS[kind]} of {whole_name}, {many}"
        severity = 0.3 + 0.2 * (lower < k) + 0.1 * (upper < k)
        yield finding("part_of", severity, wnids, reason, n_parts=len(inner), n_wholes=len(outer))
