"""Grouping: the same groups, names and kept pictures whatever the order of rows; named groups stay apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.dataset.grouping import Link, canonical, fixed_names, joined, kept, members
from topfive.records import ClassList, Dataset, Manifest

CLASSES = ClassList(("n01440764",), ("tench",))


def manifest(**columns: list[object]) -> Manifest:
    n = len(columns["image_id"])
    plain = {"container": ["x"] * n, "offset": [0] * n, "size": [1] * n, "class_index": [0] * n, "split": ["train"] * n}
    return Manifest.from_columns({**plain, **columns}, CLASSES)


def test_places_are_sorted_by_split_then_id() -> None:
    rows = manifest(image_id=["b", "a", "d", "c", "e"], split=["test", "val", "train", "train", "tune"])
    assert canonical(rows).tolist() == [3, 2, 1, 0, 4]


def test_a_picture_between_two_fixed_groups_joins_one_and_is_named() -> None:
    root, used, bridged = joined(3, [Link(0, 1, "near", 1.0), Link(1, 2, "near", 2.0)], {0: "x", 2: "y"})
    assert root[0] == root[1] != root[2]
    assert [link[:2] for link in used] == [(0, 1)] and [link[:2] for link in bridged] == [(1, 2)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
    st.dictionaries(st.integers(0, 9), st.sampled_from("xyz"), max_size=6),
)
def test_groups_never_hold_two_names(links: list[tuple[int, int]], names: dict[int, str]) -> None:
    every = [Link(min(a, b), max(a, b), "near", 0.0) for a, b in links if a != b]
    root, used, bridged = joined(10, every, names)
    for one in set(root.tolist()):
        assert len({names[row] for row in range(10) if root[row] == one and row in names}) <= 1
        assert one == min(row for row in range(10) if root[row] == one)
    assert len(used) + len(bridged) == len(every)
    for name in set(names.values()):
        assert len({int(root[row]) for row in names if names[row] == name}) == 1
    assert sorted(row for group in members(root) for row in group.tolist()) == [
        row for row in range(10) if (root == root[row]).sum() > 1
    ]


def test_test_is_kept_before_val_before_train_then_the_largest_then_the_first() -> None:
    root = np.array([0, 0, 0, 3, 3, 5, 5, 7])
    ranks = np.array([0, 1, 2, 0, 0, 1, 3, 0])
    areas = np.array([9, 9, 1, 4, 6, 2, 9, 0])
    assert np.flatnonzero(kept(root, ranks, areas)).tolist() == [2, 4, 5, 7]
    assert np.flatnonzero(kept(np.zeros(3, dtype=int), np.zeros(3, dtype=int), np.full(3, 8))).tolist() == [0]


def test_a_name_is_fixed_for_the_same_bytes_only() -> None:
    before = manifest(image_id=["a", "b", "c"], sha256=["1" * 64, "2" * 64, ""], group=["g", "", "h"])
    grown = manifest(image_id=["a", "b", "c", "d"], sha256=["9" * 64, "2" * 64, "", "1" * 64])
    assert fixed_names(grown, Dataset(Path("before"), before)) == {1: "b", 2: "h"}
