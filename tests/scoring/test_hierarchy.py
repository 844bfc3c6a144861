from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring.made import tree
from topfive import taxonomy
from topfive.flows.judge import hierarchy_over
from topfive.records import BadInput, ClassList
from topfive.scoring import Hierarchy


def test_by_hand() -> None:
    found = tree()
    assert found.children[6:] == ((0, 1, 2), (2, 3), (6, 7), (4, 5, 8))
    assert found.leaves_of(7).tolist() == [2, 3]
    assert found.below[2].tolist() == [False, False, True, False, False, False, True, True, True, True]
    assert found.costs.tolist() == [
        [0, 2, 2, 5, 6, 6],
        [2, 0, 2, 5, 6, 6],
        [2, 2, 0, 4, 6, 6],
        [5, 5, 4, 0, 6, 6],
        [6, 6, 6, 6, 0, 6],
        [6, 6, 6, 6, 6, 0],
    ]
    assert found.trimmed_costs[3].tolist() == [2, 2, 1, 0, 3, 3]
    assert found.costs.dtype == np.uint8 and not found.costs.flags.writeable


def test_check_names_a_misfit() -> None:
    found = tree()
    found.check(6)
    for wrong in (
        replace(found, names=found.names[1:]),
        replace(found, heights=found.heights[1:]),
        replace(found, full_heights=found.full_heights[1:]),
        replace(found, leaf_start=found.leaf_start[1:]),
        replace(found, parent_start=found.parent_start[1:]),
        replace(found, n_classes=5),
    ):
        with pytest.raises(BadInput, match="hierarchy: does not fit 6 classes"):
            wrong.check(6)
    with pytest.raises(BadInput, match="here: does not fit 11 classes"):
        replace(found, n_classes=11).check(11, "here")


def test_costs_are_those_of_the_classes_tree_in_wordnet() -> None:
    classes = taxonomy.ilsvrc_classes()
    found = hierarchy_over(classes)
    assert found is not None
    found.check(1000)
    assert np.array_equal(found.costs, taxonomy.class_tree(classes).leaf_costs)
    off = ~np.eye(1000, dtype=bool)
    assert found.costs[off].mean() == pytest.approx(13.5636, abs=5e-5)
    assert (found.costs[off].min(), found.costs.max(), int(np.median(found.costs[off]))) == (1, 19, 16)
    assert found.trimmed_costs.max() == 18
    assert (found.trimmed_costs <= found.costs).all()
    # tabby and tiger cat, two retrievers, tench and goldfish, laptop and notebook, the two maillots, the two cranes
    for a, b, height in [(281, 282, 2), (207, 208, 1), (0, 1, 3), (620, 681, 2), (638, 639, 6), (134, 517, 16)]:
        assert found.costs[a, b] == height


def test_no_hierarchy_over_classes_that_are_no_synsets() -> None:
    assert hierarchy_over(ClassList(("n01440764", "apple"), ("tench", "apple"))) is None


def test_classes_alone_fit_and_meet_nowhere() -> None:
    """Without a node above them two classes have no common ancestor: the cost is 255, more than any height."""
    alone = Hierarchy(
        n_classes=2,
        wnids=("n1", "n2"),
        names=("a", "b"),
        parent_start=np.zeros(3, dtype=np.int32),
        parents=np.zeros(0, dtype=np.int32),
        leaf_start=np.array([0, 1, 2], dtype=np.int32),
        leaves=np.array([0, 1], dtype=np.int32),
        heights=np.zeros(2, dtype=np.int32),
        full_heights=np.zeros(2, dtype=np.int32),
    )
    alone.check(2)
    assert alone.costs.tolist() == [[0, 255], [255, 0]]
    assert alone.below.dtype == bool and alone.below.tolist() == [[True, False], [False, True]]
