"""draw: the tree below a synset, cut to a depth and a number of lines, with the classes of a list counted in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from topfive.records import BadInput, ClassList
from topfive.taxonomy.table import wordnet


@dataclass(frozen=True)
class Branch:
    """A synset of the drawing; `n_leaves` counts the list's classes at or below it, `is_class` says if it is one.

    `n_hidden` synsets directly below are not drawn: they lie deeper than asked, came after the last line allowed, or
    (`again`) were drawn where the synset stood before, since a synset may have several parents.
    """

    wnid: str
    name: str
    n_leaves: int
    is_class: bool
    again: bool
    n_hidden: int
    branches: tuple[Branch, ...]

    def to_json(self) -> dict[str, Any]:
        """A branch of `topfive taxonomy tree --json`."""
        return {
            "wnid": self.wnid,
            "name": self.name,
            "n_leaves": self.n_leaves,
            "is_class": self.is_class,
            "again": self.again,
            "n_hidden": self.n_hidden,
            "children": [branch.to_json() for branch in self.branches],
        }


@dataclass(frozen=True)
class Drawing:
    """The tree from its root, the number of lines it takes, and whether the limit of lines cut it."""

    root: Branch
    n_lines: int
    cut: bool

    def to_json(self) -> dict[str, Any]:
        """The keys of `topfive taxonomy tree --json`."""
        return {"n_lines": self.n_lines, "cut": self.cut, "tree": self.root.to_json()}


def draw(wnid: str, classes: ClassList, *, depth: int = 3, limit: int = 200) -> Drawing:
    """The part of WordNet below `wnid` that leads to the classes, the branches with most of them first.

    Raises BadInput for what is no synset or has none of the classes below it, and where nothing would be drawn.
    """
    if depth < 0 or limit < 1:
        raise BadInput(f"depth {depth} and limit {limit} draw nothing", fix="Take --depth 0 or more, --limit 1 or more")
    graph = wordnet()
    graph.position(wnid)
    under = [leaf for leaf in classes.wnids if wnid in graph.ancestors(leaf)]
    if not under:
        raise BadInput(
            f"none of the {len(classes)} classes is at or below {wnid} ({graph.name(wnid)})",
            where="tree",
            fix="`--leaves wordnet` draws all synsets",
        )
    return _Pen(frozenset(under), depth, limit).draw(wnid)


class _Pen:
    def __init__(self, classes: frozenset[str], depth: int, limit: int) -> None:
        graph = wordnet()
        self._classes = classes
        self._depth = depth
        self._limit = limit
        self._counts = Counter(above for leaf in classes for above in graph.ancestors(leaf))
        self._drawn: set[str] = set()
        self._n_lines = 0
        self._cut = False

    def draw(self, wnid: str) -> Drawing:
        root = self._branch(wnid, 0)
        return Drawing(root, self._n_lines, self._cut)

    def _branch(self, wnid: str, level: int) -> Branch:
        graph = wordnet()
        self._n_lines += 1
        below = sorted((c for c in graph.children(wnid) if c in self._counts), key=lambda c: (-self._counts[c], c))
        again = wnid in self._drawn and bool(below)
        self._drawn.add(wnid)
        branches: list[Branch] = []
        if not again and level < self._depth:
            for child in below:
                if self._n_lines >= self._limit:
                    self._cut = True
                    break
                branches.append(self._branch(child, level + 1))
        n_hidden = len(below) - len(branches)
        name, is_class = graph.name(wnid), wnid in self._classes
        return Branch(wnid, name, self._counts[wnid], is_class, again, n_hidden, tuple(branches))
