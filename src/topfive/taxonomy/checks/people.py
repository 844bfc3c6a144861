"""Classes that are kinds of person: pictures of people, labelled by what they look like."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.table import wordnet

WHAT = "kinds of person: consent, privacy and offensive labels"

PERSON = "n00007846"


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding with all classes at or below `person`, the subtree that ImageNet cut back (Yang et al. 2020)."""
    tree = listed.tree
    if PERSON not in tree.index:
        return
    wnids = tuple(tree.wnids[leaf] for leaf in tree.leaves_of(tree.index[PERSON]))
    names = ", ".join(wordnet().name(wnid) for wnid in wnids[:5]) + (", ..." if len(wnids) > 5 else "")
    reason = f"kinds of person, {len(wnids)} of {len(tree.classes)} classes: {names}. Ask whether people agreed to it, "
    reason += "whether the word offends and whether it can be seen at all"
    yield finding("people", 0.6, wnids, reason, n=len(wnids))
