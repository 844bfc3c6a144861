"""One synset as a card, and the way between two synsets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topfive.taxonomy.data_noun import DATA_NOUN
from topfive.taxonomy.devkit import Devkit
from topfive.taxonomy.glosses import gloss_of
from topfive.taxonomy.ilsvrc import ilsvrc_classes, ilsvrc_leaf_counts
from topfive.taxonomy.table import wordnet


@dataclass(frozen=True)
class SynsetCard:
    """What there is to say of one synset.

    `words` are the lemmas joined by ', '; `gloss` is None where neither WordNet 3.0 nor timm is installed; `parents`
    and `children` are wnids, instances included; `n_leaves` counts the ILSVRC classes at or below; `height` and `depth`
    are the longest ways down and up; `class_index` is None for what is no ILSVRC class, `ilsvrc_id` (`ILSVRC2012_ID`)
    where no development kit was given or the kit does not number the synset.
    """

    wnid: str
    words: str
    gloss: str | None
    parents: tuple[str, ...]
    children: tuple[str, ...]
    n_leaves: int
    height: int
    depth: int
    class_index: int | None
    ilsvrc_id: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The keys of `topfive taxonomy show --json`."""
        return {
            "wnid": self.wnid,
            "words": self.words,
            "gloss": self.gloss,
            "parents": list(self.parents),
            "children": list(self.children),
            "n_leaves": self.n_leaves,
            "height": self.height,
            "depth": self.depth,
            "class_index": self.class_index,
            "ilsvrc_id": self.ilsvrc_id,
        }


@dataclass(frozen=True)
class SynsetPath:
    """How two synsets hang together.

    `common` are their lowest common ancestors, the one of least height first; `height` is its height; `from_a` and
    `from_b` are the shortest ways up to it, from the synset itself to the ancestor, both included.
    """

    a: str
    b: str
    common: tuple[str, ...]
    height: int
    from_a: tuple[str, ...]
    from_b: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `topfive taxonomy path --json`."""
        return {
            "a": self.a,
            "b": self.b,
            "common": list(self.common),
            "height": self.height,
            "from_a": list(self.from_a),
            "from_b": list(self.from_b),
        }


def show(
    wnid: str, *, data_noun: Path = DATA_NOUN, definitions: Path | None = None, devkit: Devkit | None = None
) -> SynsetCard:
    """The card of a synset; its gloss is that of `gloss_of`, its `ilsvrc_id` that of the kit.

    Raises BadInput for what is no noun synset of WordNet 3.0.
    """
    graph = wordnet()
    position = graph.position(wnid)
    return SynsetCard(
        wnid=wnid,
        words=graph.words(wnid),
        gloss=gloss_of(wnid, graph.lemmas(wnid), data_noun=data_noun, definitions=definitions),
        parents=graph.parents(wnid),
        children=graph.children(wnid),
        n_leaves=int(ilsvrc_leaf_counts()[position]),
        height=graph.height(wnid),
        depth=graph.depth(wnid),
        class_index=ilsvrc_classes().index.get(wnid),
        ilsvrc_id=None if devkit is None else devkit.ids.get(wnid),
    )


def path(a: str, b: str) -> SynsetPath:
    """The lowest common ancestors of two synsets and the ways up to the one of least height.

    Raises BadInput for what is no noun synset of WordNet 3.0.
    """
    graph = wordnet()
    common = tuple(sorted(graph.lowest_common(a, b), key=lambda wnid: (graph.height(wnid), wnid)))
    return SynsetPath(a, b, common, graph.height(common[0]), graph.chain(a, common[0]), graph.chain(b, common[0]))
