"""ClassTree: the part of WordNet that lies above the classes of a ClassList."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN, ClassList
from topfive.taxonomy.graph import SynsetGraph, longest_ways
from topfive.taxonomy.table import wordnet

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False)
class ClassTree:
    """All synsets at or above K classes, a directed acyclic graph; node i < K is class i, the others follow by wnid.

    `parents[parent_start[i]:parent_start[i + 1]]` are the nodes directly above node i, and
    `leaves[leaf_start[i]:leaf_start[i + 1]]` the class indices at or below it (int32, both rising). `depths` and
    `heights` are the longest ways up and down within this graph, `full_heights` the longest way down by `@` in all of
    WordNet (`wordnet_height` of the ILSVRC development kit); int32 [n_nodes]. The parents of a node are less deep, so
    `argsort(depths)` visits parents before children.
    """

    classes: ClassList
    wnids: tuple[str, ...]
    parent_start: NDArray[np.int32]
    parents: NDArray[np.int32]
    leaf_start: NDArray[np.int32]
    leaves: NDArray[np.int32]
    depths: NDArray[np.int32]
    heights: NDArray[np.int32]
    full_heights: NDArray[np.int32]

    @cached_property
    def index(self) -> dict[str, int]:
        """Wnid to node."""
        return {wnid: node for node, wnid in enumerate(self.wnids)}

    @cached_property
    def n_leaves(self) -> NDArray[np.int32]:
        """Number of classes at or below each node, int32 [n_nodes]."""
        return np.diff(self.leaf_start)

    def parents_of(self, node: int) -> NDArray[np.int32]:
        """The nodes directly above, int32."""
        return self.parents[self.parent_start[node] : self.parent_start[node + 1]]

    def leaves_of(self, node: int) -> NDArray[np.int32]:
        """The class indices at or below, int32."""
        return self.leaves[self.leaf_start[node] : self.leaf_start[node + 1]]

    @cached_property
    def nearest_common(self) -> NDArray[np.int32]:
        """The common ancestor of least full height of each pair of classes, as a node, int32 [K, K].

        Of several with that height the deepest, then the first by node. The diagonal is the class itself.
        UNKNOWN for a pair without common ancestor, which WordNet, having one root, does not know.
        """
        k = len(self.classes)
        nearest = self._painted(np.arange(len(self.wnids), dtype=np.int32), np.full((k, k), UNKNOWN, dtype=np.int32))
        np.fill_diagonal(nearest, np.arange(k))
        return _sealed(nearest)

    @cached_property
    def leaf_costs(self) -> NDArray[np.uint8]:
        """Cost of guessing one class for another: full height of `nearest_common`, 0 on the diagonal; uint8 [K, K].

        The hierarchical cost of ILSVRC2010, on any classes. The diagonal is 0 by decree: 350 of the ILSVRC2012 classes
        have synsets below them, so that their own height is not.
        """
        k = len(self.classes)
        costs = self._painted(self.full_heights.astype(np.uint8), np.zeros((k, k), dtype=np.uint8))
        np.fill_diagonal(costs, 0)
        return _sealed(costs)

    def _painted(self, values: NDArray[Number], canvas: NDArray[Number]) -> NDArray[Number]:
        """Give each pair of classes the value of its lowest common node: high nodes first, lower ones over them."""
        nodes = np.arange(len(self.wnids))
        for node in np.lexsort((-nodes, self.depths, -self.full_heights)):
            below = self.leaves_of(int(node))
            canvas[below[:, None], below] = values[node]
        return canvas


def class_tree(classes: ClassList, graph: SynsetGraph | None = None) -> ClassTree:
    """The tree above the classes, in WordNet 3.0 unless another graph is given.

    A class above another is taken as it is (the pair's common ancestor is the upper one). Raises BadInput naming the
    class that is no synset or stands twice.
    """
    graph = wordnet() if graph is None else graph
    classes.check("class list")
    leaf_positions = graph.positions(classes.wnids)
    closure_start, closures = graph.closures(classes.wnids)
    positions = np.concatenate([leaf_positions, np.setdiff1d(closures, leaf_positions)])  # the others follow by wnid
    wnids = (*classes.wnids, *(graph.wnid(position) for position in positions[len(classes) :].tolist()))
    node_of = np.full(len(graph), UNKNOWN, dtype=np.int32)
    node_of[positions] = np.arange(len(positions), dtype=np.int32)

    n_parents, above = graph.parents_of(positions)
    children = np.repeat(np.arange(len(positions), dtype=np.int32), n_parents)
    parents = node_of[above]
    parents = parents[np.lexsort((parents, children))]

    over = node_of[closures]
    leaf = np.repeat(np.arange(len(classes), dtype=np.int32), np.diff(closure_start))
    return ClassTree(
        classes=classes,
        wnids=wnids,
        parent_start=_starts(children, len(wnids)),
        parents=parents,
        leaf_start=_starts(over, len(wnids)),
        leaves=leaf[np.argsort(over, kind="stable")],
        depths=longest_ways(len(wnids), parents, children),
        heights=longest_ways(len(wnids), children, parents),
        full_heights=graph.heights[positions],
    )


def _starts(owners: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    """Where each owner's run begins once the rows are grouped by owner, int32 [n + 1]."""
    return np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=n))]).astype(np.int32)


def _sealed(array: NDArray[Number]) -> NDArray[Number]:
    array.flags.writeable = False
    return array
