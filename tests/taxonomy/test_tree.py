from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topfive.records import UNKNOWN, BadInput, ClassList
from topfive.taxonomy import ClassTree, SynsetGraph, class_tree, ilsvrc_classes, read_devkit, wordnet

Toy = tuple[SynsetGraph, dict[str, str]]

HISTOGRAM = {16: 459_702, 11: 192_212, 10: 94_416, 18: 73_848, 13: 42_172, 7: 30_560, 8: 24_102, 9: 17_758, 17: 17_064}
HISTOGRAM |= {5: 11_908, 6: 10_548, 14: 9_634, 19: 5_952, 4: 5_096, 3: 2_614, 2: 1_198, 1: 174, 15: 34, 12: 8}


@pytest.fixture(scope="module")
def tree() -> ClassTree:
    return class_tree(ilsvrc_classes())


def some_classes(wnids: tuple[str, ...]) -> ClassList:
    return ClassList(wnids, wnids)


def test_a_hand_made_tree(toy: Toy) -> None:
    graph, wnid = toy
    tree = class_tree(some_classes((wnid["stone"], wnid["cat"], wnid["puppy"])), graph)
    assert [graph.lemmas(w)[0] for w in tree.wnids] == ["stone", "cat", "puppy", "entity", "animal", "pet", "dog"]
    assert [tree.parents_of(node).tolist() for node in range(7)] == [[3], [4, 5], [6], [], [3], [3], [4, 5]]
    assert [tree.leaves_of(node).tolist() for node in range(7)] == [[0], [1], [2], [0, 1, 2], [1, 2], [1, 2], [2]]
    assert tree.n_leaves.tolist() == [1, 1, 1, 3, 2, 2, 1]
    assert tree.depths.tolist() == [1, 2, 3, 0, 1, 1, 2]
    assert tree.heights.tolist() == [0, 0, 0, 3, 2, 2, 1]
    assert tree.full_heights.tolist() == [0, 0, 0, 3, 2, 2, 1]
    assert tree.index[wnid["pet"]] == 5
    assert tree.nearest_common.tolist() == [[0, 3, 3], [3, 1, 4], [3, 4, 2]]
    assert tree.leaf_costs.tolist() == [[0, 3, 3], [3, 0, 2], [3, 2, 0]]
    assert tree.leaf_costs.dtype == np.uint8
    assert not tree.leaf_costs.flags.writeable


def test_a_class_above_another(toy: Toy) -> None:
    graph, wnid = toy
    tree = class_tree(some_classes((wnid["dog"], wnid["puppy"], wnid["Rex"])), graph)
    assert tree.leaves_of(0).tolist() == [0, 1, 2]
    assert tree.nearest_common.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 2]]
    assert tree.leaf_costs.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_no_class_and_one_class(toy: Toy) -> None:
    graph, wnid = toy
    none = class_tree(some_classes(()), graph)
    assert (len(none.wnids), none.leaf_costs.shape, none.nearest_common.shape) == (0, (0, 0), (0, 0))
    one = class_tree(some_classes((wnid["entity"],)), graph)
    assert (one.wnids, one.leaf_costs.tolist(), one.heights.tolist(), one.full_heights.tolist()) == (
        (wnid["entity"],),
        [[0]],
        [0],
        [3],
    )


def test_classes_with_nothing_in_common() -> None:
    apart = SynsetGraph(
        offsets=np.array([1, 2], dtype=np.int32),
        parent_start=np.zeros(3, dtype=np.int32),
        parent_positions=np.zeros(0, dtype=np.int32),
        is_instance=np.zeros(0, dtype=np.bool_),
        lemma_text=b"a\nb\n",
    )
    tree = class_tree(some_classes(("n00000001", "n00000002")), apart)
    assert tree.nearest_common.tolist() == [[0, UNKNOWN], [UNKNOWN, 1]]


def test_bad_classes_are_named() -> None:
    with pytest.raises(BadInput, match="'n00000001' is no noun synset") as unknown:
        class_tree(some_classes(("n01440764", "n00000001")))
    assert unknown.value.row == 1
    with pytest.raises(BadInput, match="stands twice") as twice:
        class_tree(some_classes(("n01440764", "n01443537", "n01440764")))
    assert twice.value.row == 2


def test_counts_of_the_ilsvrc_tree(tree: ClassTree) -> None:
    n_parents = np.diff(tree.parent_start)
    assert (len(tree.wnids), len(tree.parents)) == (1860, 1937)
    assert (int((n_parents > 1).sum()), int((n_parents[:1000] > 1).sum())) == (75, 38)
    root = tree.index["n00001740"]
    assert (n_parents == 0).nonzero()[0].tolist() == [root]
    assert (tree.heights[root], tree.full_heights[root], tree.n_leaves[root]) == (18, 19, 1000)
    assert tree.leaves_of(tree.index["n02084071"]).tolist() == list(range(151, 269))
    assert (tree.heights[:1000] == 0).all()
    assert [tree.full_heights[node] for node in (0, 1859)] == [wordnet().height(tree.wnids[node]) for node in (0, 1859)]


def test_parents_come_before_children_in_order_of_depth(tree: ClassTree) -> None:
    child = np.repeat(np.arange(len(tree.wnids)), np.diff(tree.parent_start))
    assert (tree.depths[tree.parents] < tree.depths[child]).all()


def test_costs_of_the_ilsvrc_classes(tree: ClassTree) -> None:
    costs = tree.leaf_costs
    assert np.array_equal(costs, costs.T)
    assert (np.diag(costs) == 0).all()
    wrong = costs[~np.eye(1000, dtype=np.bool_)]
    assert wrong.mean() == pytest.approx(13.5636, abs=5e-5)
    assert np.median(wrong) == 16
    values, counts = np.unique(wrong, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == HISTOGRAM


@pytest.mark.parametrize(
    ("a", "b", "cost"),
    [
        *((281, 282, 2), (207, 208, 1), (0, 1, 3), (620, 681, 2), (638, 639, 6)),
        *((151, 281, 6), (386, 101, 9), (134, 517, 16), (0, 999, 18)),
    ],
)
def test_costs_of_pairs(tree: ClassTree, a: int, b: int, cost: int) -> None:
    assert tree.leaf_costs[a, b] == cost


def test_costs_equal_the_obvious_search(tree: ClassTree) -> None:
    graph = wordnet()
    rng = np.random.default_rng(7)
    for a, b in rng.integers(0, 1000, (300, 2)).tolist():
        if a == b:
            continue
        common = graph.ancestors(tree.wnids[a]) & graph.ancestors(tree.wnids[b])
        assert tree.leaf_costs[a, b] == min(graph.height(wnid) for wnid in common)
        nearest = tree.wnids[tree.nearest_common[a, b]]
        assert graph.height(nearest) == tree.leaf_costs[a, b]
        assert nearest in graph.lowest_common(tree.wnids[a], tree.wnids[b])


def test_some_classes_in_any_order(tree: ClassTree) -> None:
    picked = [639, 3, 281, 851, 151, 638]
    some = class_tree(some_classes(tuple(tree.wnids[k] for k in picked)))
    assert np.array_equal(some.leaf_costs, tree.leaf_costs[np.ix_(picked, picked)])


def test_hierarchical_error_of_the_kits_sample_submission(tree: ClassTree, shared: Path) -> None:
    kit = read_devkit(shared / "data" / "ILSVRC2012_devkit_t12.tar.gz")
    assert kit.demo_predictions is not None
    guesses = kit.id_to_index[np.array([line.split() for line in kit.demo_predictions.splitlines()], dtype=np.int64)]
    costs = tree.leaf_costs[guesses, kit.id_to_index[kit.validation][:, None]]
    errors = np.minimum.accumulate(costs, axis=1).mean(axis=0)
    assert errors.round(5).tolist() == [13.52086, 11.97784, 11.06288, 10.45044, 10.00234]


def test_the_tree_is_the_one_of_the_kit(tree: ClassTree, shared: Path) -> None:
    kit = read_devkit(shared / "data" / "ILSVRC2012_devkit_t12.tar.gz")
    assert set(kit.wnids) == set(tree.wnids)
    theirs = {(kit.wnids[parent], kit.wnids[child - 1]) for parent, row in enumerate(kit.children) for child in row}
    ours = {(tree.wnids[p], wnid) for node, wnid in enumerate(tree.wnids) for p in tree.parents_of(node)}
    assert theirs == ours
    assert [wordnet().height(wnid) for wnid in kit.wnids] == kit.heights.tolist()
    assert [wordnet().words(wnid) for wnid in kit.wnids] == list(kit.words)
