"""The hierarchy over the classes as scoring needs it: who lies below whom, and how high two classes meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A directed acyclic graph of nodes over K classes; node i < K is class i.

    `wnids` and `names` say what the nodes are. `parents[parent_start[i]:parent_start[i + 1]]` are the nodes right
    above node i, `leaves[leaf_start[i]:leaf_start[i + 1]]` the classes at or below it. `heights` are the longest ways
    down within the graph (the trimmed tree), `full_heights` those in all of WordNet; int32.
    """

    n_classes: int
    wnids: tuple[str, ...]
    names: tuple[str, ...]
    parent_start: NDArray[np.int32]
    parents: NDArray[np.int32]
    leaf_start: NDArray[np.int32]
    leaves: NDArray[np.int32]
    heights: NDArray[np.int32]
    full_heights: NDArray[np.int32]

    def check(self, n_classes: int, where: str = "hierarchy") -> None:
        """Raise BadInput unless this is a hierarchy over so many classes."""
        n = len(self.wnids)
        fits = self.n_classes == n_classes and n >= n_classes and len(self.names) == n
        fits &= len(self.parent_start) == len(self.leaf_start) == n + 1
        fits &= len(self.heights) == len(self.full_heights) == n
        if not fits:
            raise BadInput(f"does not fit {n_classes} classes", where=where)

    def leaves_of(self, node: int) -> NDArray[np.int32]:
        """The classes at or below a node."""
        return self.leaves[self.leaf_start[node] : self.leaf_start[node + 1]]

    @cached_property
    def below(self) -> NDArray[np.bool_]:
        """Whether class k lies at or below node i, bool [K, n_nodes]."""
        found = np.zeros((self.n_classes, len(self.wnids)), dtype=bool)
        found[self.leaves, np.repeat(np.arange(len(self.wnids)), np.diff(self.leaf_start))] = True
        return found

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """The nodes right below each node, rising."""
        found: list[list[int]] = [[] for _ in self.wnids]
        for child in range(len(self.wnids)):
            for parent in self.parents[self.parent_start[child] : self.parent_start[child + 1]].tolist():
                found[parent].append(child)
        return tuple(map(tuple, found))

    @cached_property
    def costs(self) -> NDArray[np.uint8]:
        """Least height in all of WordNet of a common ancestor of two classes, 0 for a class and itself; uint8 [K, K].

        With several common ancestors the lowest counts. The cost of ILSVRC2010's hierarchical error.
        """
        return self._least(self.full_heights)

    @cached_property
    def trimmed_costs(self) -> NDArray[np.uint8]:
        """As `costs`, with heights within this graph."""
        return self._least(self.heights)

    def _least(self, heights: NDArray[np.int32]) -> NDArray[np.uint8]:
        # High nodes first and lower ones painted over them: each pair keeps its lowest.
        found = np.full((self.n_classes, self.n_classes), 255, dtype=np.uint8)
        for node in np.argsort(-heights, kind="stable").tolist():
            below = self.leaves_of(node)
            found[below[:, None], below] = heights[node]
        np.fill_diagonal(found, 0)
        found.flags.writeable = False
        return found
