"""Classes that are often right for one picture together, as people reviewed the ILSVRC2012 validation images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.table import wordnet

WHAT = "classes often right together, by the ReaL labels of ILSVRC2012's validation images"

TABLE = Path(__file__).parents[1] / "data" / "together.tsv"
"""Made by `scripts/make_wordnet_table.py` from the ReaL labels (Beyer et al. 2020, arXiv 2006.07159)."""

_LEAST = 0.1
"""Least share of the rarer class's pictures: below a tenth a pair is company (a desk and a pen), not confusion."""


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a pair of ILSVRC classes in the list; its severity is the share of the rarer one's pictures."""
    graph, known = wordnet(), listed.tree.index
    k = len(listed.tree.classes)
    for a, b, both, n_a, n_b in together():
        share = both / min(n_a, n_b)
        if share < _LEAST or known.get(a, k) >= k or known.get(b, k) >= k:
            continue
        rarer, other = (a, b) if n_a <= n_b else (b, a)
        alike = graph.name(a) == graph.name(b)
        names = [f"{graph.name(wnid)} ({wnid})" if alike else graph.name(wnid) for wnid in (other, rarer)]
        said = f"{names[0]} is right for {both} of the {min(n_a, n_b)} pictures where {names[1]} is"
        yield finding("co_occurrence", round(share, 4), (a, b), said, n_both=both, n_a=n_a, n_b=n_b)


@cache
def together() -> tuple[tuple[str, str, int, int, int], ...]:
    """Two wnids, the validation images for which both are right, and those for which each is, most together first."""
    rows = []
    for line in TABLE.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            a, b, *counts = line.split("\t")
            both, n_a, n_b = map(int, counts)
            rows.append((a, b, both, n_a, n_b))
    return tuple(rows)
