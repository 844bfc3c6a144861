from __future__ import annotations

import statistics
from array import array
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput
from topfive.taxonomy import SynsetGraph, ilsvrc_classes, wordnet

Toy = tuple[SynsetGraph, dict[str, str]]
Links = list[dict[int, bool]]
"""Parents of each position, and whether the link is one of an instance."""


def graph_of(links: Links) -> SynsetGraph:
    rows = [sorted(row) for row in links]
    return SynsetGraph(
        offsets=np.arange(len(links), dtype=np.int32) * 3 + 1,
        parent_start=np.cumsum([0, *map(len, rows)]).astype(np.int32),
        parent_positions=np.array([parent for row in rows for parent in row], dtype=np.int32),
        is_instance=np.array([links[i][parent] for i, row in enumerate(rows) for parent in row], dtype=np.bool_),
        lemma_text=b"".join(b"w%d\n" % i for i in range(len(links))),
    )


@st.composite
def acyclic(draw: st.DrawFn) -> Links:
    """Links from later to earlier positions, then shuffled."""
    n = draw(st.integers(1, 12))
    rows = [draw(st.dictionaries(st.integers(0, i - 1), st.booleans(), max_size=3)) if i else {} for i in range(n)]
    place = draw(st.permutations(range(n)))
    links: Links = [{} for _ in range(n)]
    for i, row in enumerate(rows):
        links[place[i]] = {place[parent]: instance for parent, instance in row.items()}
    return links


def above(links: Links, i: int) -> set[int]:
    return {i}.union(*(above(links, parent) for parent in links[i]))


def depth(links: Links, i: int) -> int:
    return max((1 + depth(links, parent) for parent in links[i]), default=0)


def height(links: Links, i: int) -> int:
    kinds = [child for child, row in enumerate(links) if row.get(i) is False]
    return max((1 + height(links, child) for child in kinds), default=0)


def way_up(links: Links, i: int, to: int) -> int:
    return 0 if i == to else 1 + min(way_up(links, p, to) for p in links[i] if to in above(links, p))


@settings(max_examples=100, deadline=None)
@given(acyclic())
def test_walks_equal_the_obvious_recursion(links: Links) -> None:
    graph = graph_of(links)
    wnids = list(graph)
    start, closures = graph.closures(wnids[::-1])
    rows = [row.tolist() for row in np.split(closures, start[1:-1])]
    assert rows == [sorted(above(links, i)) for i in reversed(range(len(links)))]
    n_parents, parents = graph.parents_of(np.arange(len(links), dtype=np.int32))
    assert [row.tolist() for row in np.split(parents, np.cumsum(n_parents)[:-1])] == [sorted(row) for row in links]
    for i, wnid in enumerate(wnids):
        assert graph.position(wnid) == i
        assert graph.wnid(i) == wnid
        assert graph.parents(wnid) == tuple(wnids[p] for p in sorted(links[i]))
        assert graph.children(wnid) == tuple(wnids[c] for c, row in enumerate(links) if i in row)
        assert graph.children(wnid, instances=False) == tuple(
            wnids[c] for c, row in enumerate(links) if row.get(i) is False
        )
        assert graph.ancestors(wnid) == {wnids[p] for p in above(links, i)}
        assert graph.depth(wnid) == depth(links, i)
        assert graph.height(wnid) == height(links, i)
        for j, other in enumerate(wnids):
            common = above(links, i) & above(links, j)
            lowest = {c for c in common if not any(d != c and c in above(links, d) for d in common)}
            assert graph.lowest_common(wnid, other) == tuple(sorted(wnids[c] for c in lowest))
            if j in above(links, i):
                chain = graph.chain(wnid, other)
                assert (chain[0], chain[-1]) == (wnid, other)
                assert all(up in graph.parents(down) for down, up in pairwise(chain))
                assert len(chain) == way_up(links, i, j) + 1
            else:
                with pytest.raises(BadInput, match="is not above"):
                    graph.chain(wnid, other)


def test_closures_of_nothing_of_one_twice_and_of_all() -> None:
    graph = wordnet()
    start, found = graph.closures([])
    assert (start.tolist(), found.tolist(), found.dtype) == ([0], [], np.int32)
    start, found = graph.closures(["n02084071", "n02084071"])
    assert start.tolist() == [0, len(found) // 2, len(found)]
    assert {graph.wnid(position) for position in found.tolist()} == graph.ancestors("n02084071")
    wnids = list(graph)
    start, found = graph.closures(wnids)  # 82,115 x 82,115 cells are more than 32 bits count
    for i in range(0, len(wnids), 499):
        row = found[start[i] : start[i + 1]].tolist()
        assert [graph.wnid(position) for position in row] == sorted(graph.ancestors(wnids[i]))


def test_two_wnids_that_are_wrong_only_apart() -> None:
    with pytest.raises(BadInput) as caught:
        wordnet().positions(["n0208407", "1n02084071"])  # together eighteen letters that read as two wnids
    assert caught.value.row == 0


def test_a_hand_made_graph(toy: Toy) -> None:
    graph, wnid = toy
    assert graph.ancestors(wnid["Rex"]) == {wnid[name] for name in ("Rex", "dog", "animal", "pet", "entity")}
    assert graph.lowest_common(wnid["Rex"], wnid["cat"]) == (wnid["animal"], wnid["pet"])
    assert graph.lowest_common(wnid["puppy"], wnid["dog"]) == (wnid["dog"],)
    assert graph.lowest_common(wnid["stone"], wnid["stone"]) == (wnid["stone"],)
    assert [graph.height(wnid[name]) for name in ("entity", "animal", "dog", "Rex", "stone")] == [3, 2, 1, 0, 0]
    assert [graph.depth(wnid[name]) for name in ("entity", "animal", "dog", "Rex", "stone")] == [0, 1, 2, 3, 1]
    assert graph.chain(wnid["Rex"], wnid["entity"]) == (wnid["Rex"], wnid["dog"], wnid["animal"], wnid["entity"])


@pytest.mark.parametrize(
    "text",
    [
        *("", "n", "dog", "n0208407", "n020840710", "N02084071", "x02084071", " 02084071", "n 2084071", "n+2084071"),
        *("n-0000001", "n2_084_071", "n０２０８４０７１", "n02084072", "n00000000", "n99999999", "n" + "9" * 5000),
    ],
)
def test_what_is_no_wnid(text: str) -> None:
    assert text not in wordnet()
    with pytest.raises(BadInput, match="no noun synset of WordNet"):
        wordnet().ancestors(text)
    with pytest.raises(BadInput, match="no noun synset") as caught:
        wordnet().positions(["n02084071", text])
    assert caught.value.row == 1
    with pytest.raises(BadInput, match="no noun synset") as caught:
        wordnet().closures(["n02084071", "n02084071", text])
    assert caught.value.row == 2


def test_what_is_not_text_is_not_in_the_graph() -> None:
    assert 2084071 not in wordnet()
    assert None not in wordnet()
    assert "n02084071" in wordnet()


def test_counts_of_wordnet() -> None:
    graph = wordnet()
    assert len(graph) == 82_115
    lemmas = graph.lemma_text.split()
    assert len(lemmas) == 146_347
    assert len({lemma.lower() for lemma in lemmas}) == 117_798
    n_parents = np.diff(graph.parent_start)
    child = np.repeat(np.arange(len(graph)), n_parents)
    assert int((~graph.is_instance).sum()) == 75_850
    assert int(graph.is_instance.sum()) == 8_577
    assert len(set(child[graph.is_instance].tolist())) == 7_730
    assert int((np.bincount(child[~graph.is_instance]) > 1).sum()) == 1_422
    assert int((n_parents > 1).sum()) == 2_213
    assert int(n_parents.max()) == 6
    assert np.flatnonzero(n_parents == 0).tolist() == [graph.position("n00001740")]
    assert len(graph) - len(set(graph.parent_positions.tolist())) == 64_958
    assert int(graph.depths.max()) == 19
    assert graph.height("n00001740") == 19


def test_the_shortest_way_to_the_root_is_18_at_most() -> None:
    graph = wordnet()
    shortest = np.full(len(graph), 99)
    shortest[0] = 0
    child = np.repeat(np.arange(len(graph)), np.diff(graph.parent_start))
    for _ in range(20):
        np.minimum.at(shortest, child, shortest[graph.parent_positions] + 1)
    assert shortest.max() == 18
    classes = [int(shortest[graph.position(wnid)]) for wnid in ilsvrc_classes().wnids]
    assert (min(classes), max(classes), round(statistics.mean(classes), 2)) == (4, 17, 10.22)
    assert len(graph.chain("n02084071", "n00001740")) - 1 == shortest[graph.position("n02084071")]


def test_depths_of_the_classes() -> None:
    depths = [wordnet().depth(wnid) for wnid in ilsvrc_classes().wnids]
    assert (min(depths), max(depths), round(statistics.mean(depths), 2)) == (4, 18, 11.09)


def test_the_array_type_has_four_bytes() -> None:
    assert array("i").itemsize == np.dtype(np.int32).itemsize
