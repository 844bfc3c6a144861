from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.made import from_sets, from_top, random_case, tree
from topfive import taxonomy
from topfive.flows.judge import hierarchy_over
from topfive.scoring import Hierarchy, grouped_confusion, groups, mark, subtrees, wilson
from topfive.scoring.subtrees import PROTOCOL


def test_by_hand() -> None:
    made = from_top([[0, 1], [1, 0], [3, 2], [5, 4], [4, 0]], 6)
    truth = from_sets([[0], [0], [2], [3], [4, 0]], 6)
    found = {subtree.name: subtree for subtree in subtrees(mark(made, truth), tree(), least=1)}
    assert list(found) == ["things", "root", "pair", "odd"]  # by images, then by wnid
    pair = found["pair"]
    assert (pair.n_classes, pair.n, pair.top1_correct, pair.top5_correct, pair.n_left) == (3, 4, 2, 4, 1)
    odd = found["odd"]
    assert (odd.n_classes, odd.n, odd.top1_correct, odd.top5_correct, odd.n_left) == (2, 2, 0, 1, 1)
    assert (found["root"].n, found["root"].n_left) == (5, 0)
    assert odd.to_json() == {
        "wnid": "n90000007",
        "name": "odd",
        "n_classes": 2,
        "n": 2,
        "top1_error": 1.0,
        "top1_error_interval": list(wilson(2, 2)),
        "top5_error": 0.5,
        "top5_error_interval": list(wilson(1, 2)),
        "left": 0.5,
        "left_interval": list(wilson(1, 2)),
    }


def test_small_subtrees_and_single_classes_are_left_aside() -> None:
    made, truth = from_top([[0]] * 3, 6), from_sets([[0], [0], [4]], 6)
    assert [s.name for s in subtrees(mark(made, truth), tree(), least=3)] == ["root"]
    assert [s.name for s in subtrees(mark(made, truth), tree(), least=2)] == ["root", "pair", "things"]
    assert subtrees(mark(made, truth), tree()) == ()
    # Nodes without an image are none, whatever the least.
    assert {s.name for s in subtrees(mark(made, truth), tree(), least=0)} == {"root", "pair", "things"}


def test_of_nodes_over_the_same_classes_the_lowest_stands() -> None:
    chain = Hierarchy(
        n_classes=2,
        wnids=("n1", "n2", "n3", "n4"),
        names=("a", "b", "low", "high"),
        parent_start=np.array([0, 1, 2, 3, 3], dtype=np.int32),
        parents=np.array([2, 2, 3], dtype=np.int32),
        leaf_start=np.array([0, 1, 2, 4, 6], dtype=np.int32),
        leaves=np.array([0, 1, 0, 1, 0, 1], dtype=np.int32),
        heights=np.array([0, 0, 1, 2], dtype=np.int32),
        full_heights=np.array([0, 0, 1, 2], dtype=np.int32),
    )
    made, truth = from_top([[0], [0]], 2), from_sets([[0], [1]], 2)
    assert [subtree.name for subtree in subtrees(mark(made, truth), chain, least=1)] == ["low"]
    assert groups(chain, 3).titles == ("low",)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 4))
def test_equals_going_through_image_by_image(seed: int, n: int, most: int) -> None:
    made, truth = random_case(seed, n, 6, most, ties=True)
    hierarchy = tree()
    found = {s.wnid: [s.n, s.top1_correct, s.top5_correct, s.n_left] for s in subtrees(mark(made, truth), hierarchy, 1)}
    slow: dict[str, list[int]] = {}
    for row in range(n):
        allowed, guesses = set(truth.of(row).tolist()), made.top_index[row].tolist()
        for node in range(6, 10):
            inside = set(hierarchy.leaves_of(node).tolist())
            if allowed & inside:
                count = slow.setdefault(hierarchy.wnids[node], [0, 0, 0, 0])
                right = [guesses[0] in allowed, bool(allowed & set(guesses)), guesses[0] not in inside | allowed]
                for i, add in enumerate([True, *right]):
                    count[i] += add
    assert found == slow


def test_more_images_than_a_part_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    made, truth = random_case(3, 50, 6, 3, ties=True)
    whole = subtrees(mark(made, truth), tree(), 1)
    monkeypatch.setattr(import_module("topfive.scoring.subtrees"), "_CHUNK", 7)
    assert subtrees(mark(made, truth), tree(), 1) == whole


def test_groups_by_hand() -> None:
    # The root parts into things (4 classes) and two classes left; things into pair and one class, too few for a rest.
    found = groups(tree(), 3)
    assert found.titles == ("pair", "everything else", "other root")
    assert found.of_class.tolist() == [0, 0, 0, 1, 2, 2]
    assert (found.wnids, found.rest) == (("n90000006", "", "n90000009"), (False, True, True))
    assert groups(tree(), 2).titles == ("things", "other root")
    assert groups(tree(), 1).titles == ("root",)


def test_a_rest_that_is_large_enough_stays_with_its_node() -> None:
    # Eight classes below the root: three below `near`, and five one by one.
    star = Hierarchy(
        n_classes=8,
        wnids=tuple(f"n{i}" for i in range(10)),
        names=(*(f"c{i}" for i in range(8)), "near", "top"),
        parent_start=np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9], dtype=np.int32),
        parents=np.array([8, 8, 8, 9, 9, 9, 9, 9, 9], dtype=np.int32),
        leaf_start=np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 19], dtype=np.int32),
        leaves=np.array([*range(8), 0, 1, 2, *range(8)], dtype=np.int32),
        heights=np.array([0] * 8 + [1, 2], dtype=np.int32),
        full_heights=np.array([0] * 8 + [1, 2], dtype=np.int32),
    )
    found = groups(star, 4)
    assert found.titles == ("near", "other top")
    assert found.of_class.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("most", [1, 2, 5, 16, 40])
def test_groups_part_all_classes_of_ilsvrc(most: int) -> None:
    hierarchy = hierarchy_over(taxonomy.ilsvrc_classes())
    assert hierarchy is not None
    found = groups(hierarchy, most)
    sizes = np.bincount(found.of_class)
    assert len(sizes) == len(found.wnids) == len(found.names) == len(found.rest) <= most
    least = max(2, 1000 // (2 * most))
    assert sizes.sum() == 1000 and all(n >= least for n, wnid in zip(sizes, found.wnids, strict=True) if wnid)
    for i, (wnid, rest) in enumerate(zip(found.wnids, found.rest, strict=True)):
        classes = np.flatnonzero(found.of_class == i)
        if wnid:
            assert set(classes.tolist()) <= set(hierarchy.leaves_of(hierarchy.wnids.index(wnid)).tolist())
        else:
            assert rest
    first = [int(np.flatnonzero(found.of_class == i)[0]) for i in range(len(sizes))]
    assert first == sorted(first)
    if most == 16:
        assert {"bird", "hunting dog", "other dog", "structure"} <= set(found.titles)


def test_confusion_by_group_by_hand() -> None:
    parts = groups(tree(), 3)
    made = from_top([[1], [4], [5], [4]], 6)
    truth = from_sets([[0], [0], [4], [1, 4]], 6)
    # The last image is right by its second label, which lies with the rest: on the diagonal there.
    assert grouped_confusion(mark(made, truth), parts).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 2]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_confusion_counts_every_image_once(seed: int, n: int) -> None:
    made, truth = random_case(seed, n, 6)
    marks, parts = mark(made, truth), groups(tree(), 3)
    counts = grouped_confusion(marks, parts)
    slow = np.zeros((3, 3), dtype=int)
    for row in range(n):
        slow[parts.of_class[truth.of(row)[0]], parts.of_class[made.top_index[row, 0]]] += 1
    assert np.array_equal(counts, slow)


def graph(below: dict[int, list[int]], n_classes: int) -> Hierarchy:
    """A hierarchy from the nodes right below each inner node, lower nodes first."""
    n = max(below) + 1
    leaves: list[list[int]] = [[i] for i in range(n_classes)]
    for node in range(n_classes, n):
        leaves.append(sorted({leaf for child in below[node] for leaf in leaves[child]}))
    parents = [[node for node, children in below.items() if child in children] for child in range(n)]
    return Hierarchy(
        n_classes=n_classes,
        wnids=tuple(f"n{i}" for i in range(n)),
        names=tuple(f"c{i}" if i < n_classes else f"node {i}" for i in range(n)),
        parent_start=np.cumsum([0, *map(len, parents)]).astype(np.int32),
        parents=np.array([parent for each in parents for parent in each], dtype=np.int32),
        leaf_start=np.cumsum([0, *map(len, leaves)]).astype(np.int32),
        leaves=np.array([leaf for each in leaves for leaf in each], dtype=np.int32),
        heights=np.zeros(n, dtype=np.int32),
        full_heights=np.zeros(n, dtype=np.int32),
    )


def test_a_node_with_the_classes_of_one_child_is_not_told_again() -> None:
    # Node 4 lies over node 3, which has all its classes, and over class 0 besides.
    hierarchy = graph({3: [0, 1, 2], 4: [3, 0]}, 3)
    made, truth = from_top([[0, 1, 2]] * 20, 3), from_sets([[0]] * 19 + [[1]], 3)
    (found,) = subtrees(mark(made, truth), hierarchy)
    assert found.wnid == "n3", "and twenty images are enough"
    said = found.to_json()
    assert (said["top1_error"], said["top1_error_interval"]) == (0.05, list(wilson(1, 20)))
    assert all(isinstance(count, int) for count in (found.n, found.top1_correct, found.top5_correct, found.n_left))
    assert PROTOCOL == "by-subtree/1"


def test_nineteen_images_are_too_few_unless_asked_for() -> None:
    hierarchy = graph({2: [0, 1]}, 2)
    for n, there in ((19, 0), (20, 1)):
        made, truth = from_top([[0, 1]] * n, 2), from_sets([[0]] * n, 2)
        assert len(subtrees(mark(made, truth), hierarchy)) == there


def test_the_sixth_guess_counts_for_nothing() -> None:
    made, truth = from_top([[0, 1, 2, 3, 4, 5]] * 2, 6), from_sets([[4], [5]], 6)
    assert next(s for s in subtrees(mark(made, truth), tree(), 1) if s.name == "root").top5_correct == 1


def test_parting_begins_at_the_largest_top_and_the_largest_takes_first() -> None:
    # Two tops over classes that lie below both: 12 over eight classes, 13 over four of them.
    hierarchy = graph({8: [0, 1, 2], 9: [2, 3, 4, 5], 10: [6, 7], 11: [8, 9], 12: [11, 10], 13: [0, 1, 2, 3]}, 8)
    found = groups(hierarchy, 3)
    # Of node 11's two parts the larger, 9, takes class 2; 8 keeps two classes.
    assert found.of_class.tolist() == [0, 0, 1, 1, 1, 1, 2, 2]
    assert found.wnids == ("n8", "n9", "n10")


def test_sixteen_groups_unless_asked_otherwise() -> None:
    hierarchy = hierarchy_over(taxonomy.ilsvrc_classes())
    assert hierarchy is not None
    found = [groups(hierarchy, most).titles for most in (15, 16, 17)]
    assert groups(hierarchy).titles == found[1] and found[1] not in (found[0], found[2])
