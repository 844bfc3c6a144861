"""Part by part: the errors of every subtree with enough images, and which parts are taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN
from topfive.scoring.hierarchy import Hierarchy
from topfive.scoring.intervals import wilson
from topfive.scoring.marking import Marks

PROTOCOL = "by-subtree/1"
"""An image lies in a subtree if any of its allowed labels does, and counts once there. `left` are those whose first
guess is wrong and a class outside. Subtrees have at least two classes and LEAST images; of nodes over
the same classes the lowest stands for all. Groups of the confusion: from the root
down the largest group is parted into the nodes right below it while at most GROUPS are made; what is too small for a
group of its own stays with its node as the rest, and rests that are too small are put together; a class below several
nodes goes with the largest."""

LEAST = 20
GROUPS = 16
_CHUNK = 4096


@dataclass(frozen=True)
class Subtree:
    """An internal node: its classes, its images, how many are right at 1 and at 5, how many leave it wrongly."""

    wnid: str
    name: str
    n_classes: int
    n: int
    top1_correct: int
    top5_correct: int
    n_left: int

    def to_json(self) -> dict[str, Any]:
        """Counts, and errors with Wilson's intervals."""
        wrong = self.n - self.top1_correct
        return {
            "wnid": self.wnid,
            "name": self.name,
            "n_classes": self.n_classes,
            "n": self.n,
            "top1_error": wrong / self.n,
            "top1_error_interval": list(wilson(wrong, self.n)),
            "top5_error": (self.n - self.top5_correct) / self.n,
            "top5_error_interval": list(wilson(self.n - self.top5_correct, self.n)),
            "left": self.n_left / self.n,
            "left_interval": list(wilson(self.n_left, self.n)),
        }


def subtrees(marks: Marks, hierarchy: Hierarchy, least: int = LEAST) -> tuple[Subtree, ...]:
    """The nodes over two classes or more with at least `least` images, those of most images first, then by wnid."""
    sizes = np.diff(hierarchy.leaf_start)
    alike = [any(sizes[child] == sizes[node] for child in below) for node, below in enumerate(hierarchy.children)]
    wide = np.flatnonzero((sizes > 1) & ~np.array(alike))
    below = hierarchy.below[:, wide]
    counts = np.zeros((4, len(wide)), dtype=np.int64)
    for start in range(0, len(marks), _CHUNK):
        stop = min(start + _CHUNK, len(marks))
        inside = below[marks.labels[marks.offsets[start:stop]]]
        for place in range(1, int(marks.n_labels[start:stop].max())):
            more = start + np.flatnonzero(marks.n_labels[start:stop] > place)
            inside[more - start] |= below[marks.labels[marks.offsets[more] + place]]
        right = marks.correct(1)[start:stop]
        rows = np.stack([np.ones(stop - start), right, marks.correct(5)[start:stop]]).astype(np.float32)
        counts[:3] += (rows @ inside.astype(np.float32)).astype(np.int64)  # whole numbers below 2**24: exact
        counts[3] += np.count_nonzero(inside & ~below[marks.guess[start:stop]] & ~right[:, None], axis=0)
    enough = np.flatnonzero(counts[0] >= max(1, least))
    found = [
        Subtree(
            hierarchy.wnids[wide[i]],
            hierarchy.names[wide[i]],
            int(sizes[wide[i]]),
            *counts[:, i].tolist(),
        )
        for i in enough.tolist()
    ]
    return tuple(sorted(found, key=lambda subtree: (-subtree.n, subtree.wnid)))


@dataclass(frozen=True, eq=False)
class Groups:
    """`of_class` int32 [K] is the group of each class; `wnids`, `names` and `rest` (what a node has left) say which."""

    of_class: NDArray[np.int32]
    wnids: tuple[str, ...]
    names: tuple[str, ...]
    rest: tuple[bool, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """The groups' names as people read them."""
        return tuple(
            (f"other {name}" if name else "everything else") if rest else name
            for name, rest in zip(self.names, self.rest, strict=True)
        )


Part = tuple[int, NDArray[np.int64]]
"""A node and the classes that go with it."""


def groups(hierarchy: Hierarchy, most: int = GROUPS) -> Groups:
    """Part all classes into at most `most` groups of near classes, in the order of their first class.

    The group of small rests has neither wnid nor name.
    """
    n, sizes = hierarchy.n_classes, np.diff(hierarchy.leaf_start)
    least = max(2, n // (2 * most))
    tops = [i for i in range(len(sizes)) if hierarchy.parent_start[i] == hierarchy.parent_start[i + 1]]
    whole: list[Part] = []
    rests: list[Part] = []
    small = np.zeros(0, dtype=np.int64)
    open_: list[Part] = [(max(tops, key=lambda node: int(sizes[node])), np.arange(n))]
    while open_:
        open_.sort(key=lambda part: (-len(part[1]), part[0]))
        node, classes = open_.pop(0)
        large = [part for part in _parted(hierarchy, node, classes) if len(part[1]) >= least]
        left = np.setdiff1d(classes, np.concatenate([below for _, below in large] or [classes[:0]]))
        pooled = len(left) < least
        n_groups = (
            len(whole) + len(rests) + len(open_) + len(large) + (not pooled) + bool(len(small) + pooled * len(left))
        )
        if not large or n_groups > most:
            whole.append((node, classes))
            continue
        open_ += large
        if pooled:
            small = np.union1d(small, left)
        else:
            rests.append((node, left))
    parts = [(node, classes, False) for node, classes in whole] + [(node, classes, True) for node, classes in rests]
    parts += [(UNKNOWN, small, True)] if len(small) else []
    parts.sort(key=lambda part: int(part[1][0]))
    of_class = np.zeros(n, dtype=np.int32)
    for i, (_, classes, _) in enumerate(parts):
        of_class[classes] = i
    return Groups(
        of_class,
        tuple("" if node == UNKNOWN else hierarchy.wnids[node] for node, _, _ in parts),
        tuple("" if node == UNKNOWN else hierarchy.names[node] for node, _, _ in parts),
        tuple(rest for _, _, rest in parts),
    )


def _parted(hierarchy: Hierarchy, node: int, classes: NDArray[np.int64]) -> list[Part]:
    """The classes by the node right below that they go with: the largest takes first."""
    below = [(child, np.intersect1d(hierarchy.leaves_of(child), classes)) for child in hierarchy.children[node]]
    below.sort(key=lambda part: (-len(part[1]), part[0]))
    taken = classes[:0]
    parts = []
    for child, inside in below:
        own = np.setdiff1d(inside, taken)
        if len(own):
            parts.append((child, own))
            taken = np.union1d(taken, own)
    return parts


def grouped_confusion(marks: Marks, parts: Groups) -> NDArray[np.int64]:
    """How many images of each group (by the first allowed label) have their first guess in each group, int64 [g, g].

    An image that is right counts in the group of the label that makes it right: on the diagonal.
    """
    g = len(parts.wnids)
    given = parts.of_class[marks.labels[marks.offsets[:-1]]]
    guessed = parts.of_class[marks.guess]
    given = np.where(marks.rank == 0, guessed, given)
    return np.bincount(given * g + guessed, minlength=g * g).reshape(g, g)
