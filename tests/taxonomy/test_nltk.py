"""NLTK on the same WordNet 3.0 is the referee."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from topfive.taxonomy import SynsetGraph, ilsvrc_classes, part_links, wordnet

pytestmark = pytest.mark.slow  # NLTK takes a second to open WordNet and another for the walks


def key(synset: Any) -> str:
    return f"n{synset.offset():08d}"


def some_wnids() -> list[str]:
    rng = np.random.default_rng(30)
    graph = wordnet()
    return [graph.wnid(int(place)) for place in rng.integers(0, len(graph), 400)]


def test_lemmas_parents_children_depths_and_glosses(nltk_wordnet: Any, installed: SynsetGraph) -> None:
    graph = wordnet()
    for wnid in some_wnids():
        theirs = nltk_wordnet.synset_from_pos_and_offset("n", int(wnid[1:]))
        assert list(graph.lemmas(wnid)) == theirs.lemma_names()
        assert list(graph.parents(wnid, instances=False)) == sorted(map(key, theirs.hypernyms()))
        assert set(graph.parents(wnid)) == {*map(key, theirs.hypernyms()), *map(key, theirs.instance_hypernyms())}
        assert set(graph.children(wnid)) == {*map(key, theirs.hyponyms()), *map(key, theirs.instance_hyponyms())}
        assert graph.depth(wnid) == theirs.max_depth()
        assert len(graph.chain(wnid, "n00001740")) - 1 == theirs.min_depth()
        gloss = installed.gloss(wnid)
        assert gloss is not None
        assert gloss.split(";")[0] == theirs.definition().split(";")[0]  # NLTK takes quotations out


def test_closures_of_the_classes(nltk_wordnet: Any) -> None:
    def above(synset: Any) -> list[Any]:
        return list(synset.hypernyms() + synset.instance_hypernyms())

    graph, wnids = wordnet(), ilsvrc_classes().wnids
    start, positions = graph.closures(wnids)
    for wnid, row in zip(wnids, np.split(positions, start[1:-1]), strict=True):
        theirs = nltk_wordnet.synset_from_pos_and_offset("n", int(wnid[1:]))
        assert graph.ancestors(wnid) == {wnid, *map(key, theirs.closure(above))}
        assert graph.ancestors(wnid) == {graph.wnid(position) for position in row.tolist()}


def test_lowest_common_ancestors(nltk_wordnet: Any) -> None:
    """NLTK gives the deepest of the common ancestors, which are among those that have none below them."""
    graph = wordnet()
    rng = np.random.default_rng(31)
    classes = ilsvrc_classes().wnids
    for a, b in rng.integers(0, 1000, (500, 2)).tolist():
        theirs = nltk_wordnet.synset_from_pos_and_offset("n", int(classes[a][1:]))
        other = nltk_wordnet.synset_from_pos_and_offset("n", int(classes[b][1:]))
        lowest = graph.lowest_common(classes[a], classes[b])
        deepest = max(graph.depth(wnid) for wnid in lowest)
        found = sorted(map(key, theirs.lowest_common_hypernyms(other)))
        assert found == [wnid for wnid in lowest if graph.depth(wnid) == deepest]


def test_parts(nltk_wordnet: Any) -> None:
    graph, links = wordnet(), part_links()
    ours: dict[tuple[int, int], set[str]] = {}
    for whole, part, kind in zip(links.wholes.tolist(), links.parts.tolist(), links.kinds.tolist(), strict=True):
        ours.setdefault((whole, kind), set()).add(graph.wnid(part))
    wholes = sorted({whole for whole, _ in ours})[::40]
    for whole in wholes:
        theirs = nltk_wordnet.synset_from_pos_and_offset("n", int(graph.wnid(whole)[1:]))
        for kind, found in enumerate((theirs.member_meronyms(), theirs.substance_meronyms(), theirs.part_meronyms())):
            assert ours.get((whole, kind), set()) == set(map(key, found))
