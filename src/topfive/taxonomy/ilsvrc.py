"""The 1000 classes of ILSVRC2012 (unchanged to 2017), in the order that every framework uses: by wnid."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.records import ClassList
from topfive.taxonomy.table import wordnet

LIST = Path(__file__).parent / "data" / "ilsvrc2012.txt"
"""One wnid a line."""


@cache
def ilsvrc_classes() -> ClassList:
    """The 1000 classes; the name is the first lemma (not a key: crane, cardigan and maillot stand twice).

    The class_index here is not `ILSVRC2012_ID - 1`: no class has the same number in both orders.
    """
    graph = wordnet()
    wnids = tuple(LIST.read_text(encoding="ascii").split())
    return ClassList(wnids, tuple(graph.name(wnid) for wnid in wnids))


@cache
def ilsvrc_leaf_counts() -> NDArray[np.int32]:
    """Number of ILSVRC classes at or below each position of `wordnet()`, int32 [82115]."""
    graph = wordnet()
    _, above = graph.closures(ilsvrc_classes().wnids)
    return np.bincount(above, minlength=len(graph)).astype(np.int32)
