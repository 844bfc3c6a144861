"""SynsetGraph: the noun synsets as a directed acyclic graph of arrays, and the walks on it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

_PLACES = 10.0 ** np.arange(7, -1, -1)
"""What each digit of an offset is worth; whole numbers below 2^53 are exact."""


class SynsetGraph:
    """Noun synsets in order of wnid; a synset's place in that order is its `position`.

    A wnid is `n` and the synset's 8-digit byte offset in WordNet's `data.noun`. Links go from a child to its parents
    and are of two kinds that are kept apart: `@` ("a kind of") and `@i` ("an instance of", as Etna is of volcano).
    """

    def __init__(
        self,
        offsets: NDArray[np.int32],
        parent_start: NDArray[np.int32],
        parent_positions: NDArray[np.int32],
        is_instance: NDArray[np.bool_],
        lemma_text: bytes,
        glosses: tuple[str, ...] | None = None,
    ) -> None:
        """Take arrays that are known to fit: `read_wordnet` and `read_table` check what they read.

        `offsets` int32 [n] rise. The parents of position i are `parent_positions[parent_start[i]:parent_start[i + 1]]`
        (positions, rising; int32 [n + 1] and [m]), and `is_instance` bool [m] marks the `@i` links among them.
        `lemma_text` holds one line a synset, its lemmas parted by single spaces (`_` is the space inside a lemma).
        """
        self.offsets = offsets
        self.parent_start = parent_start
        self.parent_positions = parent_positions
        self.is_instance = is_instance
        self.lemma_text = lemma_text
        self._glosses = glosses
        # Single look-ups go to these: an element of array.array costs a third of an element of a numpy array.
        self._offsets = array("i", offsets.tobytes())
        self._parent_start = array("i", parent_start.tobytes())
        self._parents = array("i", parent_positions.tobytes())
        self._closures: dict[str, frozenset[str]] = {}
        self._lines: dict[int, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[str]:
        return (f"n{offset:08d}" for offset in self._offsets)

    def __contains__(self, wnid: object) -> bool:
        return isinstance(wnid, str) and self._find(wnid) is not None

    def position(self, wnid: str) -> int:
        """The place of a synset in wnid order; raises BadInput for what is no noun synset of this WordNet."""
        found = self._find(wnid)
        if found is None:
            raise BadInput(
                f"{wnid[:80]!r} is no noun synset of WordNet 3.0",
                fix="A wnid is 'n' and 8 digits, as n02084071; offsets of other WordNet versions do not fit. "
                "`topfive taxonomy find WORDS` looks one up",
            )
        return found

    def wnid(self, position: int) -> str:
        """The wnid at a position."""
        return f"n{self._offsets[position]:08d}"

    def lemmas(self, wnid: str) -> tuple[str, ...]:
        """The lemmas as WordNet writes them (`_` for a space), the most usual first."""
        position = self.position(wnid)
        start, stop = self._lemma_bounds[position : position + 2]
        return tuple(self.lemma_text[start : stop - 1].decode("ascii").split(" "))

    def name(self, wnid: str) -> str:
        """The first lemma, with spaces: a name to show, not a key."""
        return self.lemmas(wnid)[0].replace("_", " ")

    def words(self, wnid: str) -> str:
        """The lemmas as the ILSVRC development kit writes them: with spaces, joined by ', '."""
        return ", ".join(self.lemmas(wnid)).replace("_", " ")

    def gloss(self, wnid: str) -> str | None:
        """The definition and examples, or None where the graph was made without glosses."""
        position = self.position(wnid)
        return None if self._glosses is None else self._glosses[position]

    def parents(self, wnid: str, *, instances: bool = True) -> tuple[str, ...]:
        """The synsets directly above, in order of wnid; without `instances` only `@` links count."""
        position = self.position(wnid)
        links = range(self._parent_start[position], self._parent_start[position + 1])
        return tuple(self.wnid(self._parents[link]) for link in links if instances or not self.is_instance[link])

    def children(self, wnid: str, *, instances: bool = True) -> tuple[str, ...]:
        """The synsets directly below, in order of wnid; without `instances` only `@` links count."""
        position = self.position(wnid)
        links = self._links_by_parent[self._child_start[position] : self._child_start[position + 1]]
        if not instances:
            links = links[~self.is_instance[links]]
        return tuple(self.wnid(child) for child in self.child_of_link[links])

    def ancestors(self, wnid: str) -> frozenset[str]:
        """The synset and all above it, by `@` and `@i`."""
        known = self._closures.get(wnid)
        if known is None:
            position = self.position(wnid)
            known = self._closures[wnid] = frozenset(self._lines.get(position) or self._at_and_above(position, wnid))
        return known

    def closures(self, wnids: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The synsets at or above each of n wnids, by `@` and `@i`: ragged, as (`start` [n + 1], positions), int32.

        Those of row i are the rising `positions[start[i]:start[i + 1]]`; `wnid` names them. Three times as fast as
        `ancestors` of one after the other. Raises BadInput naming the first row that is no synset.
        """
        n = np.int64(len(self))
        at = self.positions(wnids)
        rows = np.arange(len(at))
        found = []
        while len(at):
            found.append(rows * n + at)
            n_parents, at = self.parents_of(at)
            rows = np.repeat(rows, n_parents)
        keys = np.sort(np.concatenate([*found, np.empty(0, dtype=np.int64)]))
        keys = keys[np.diff(keys, prepend=-1) > 0]  # with np.unique 1,000 classes take 1.9 ms, not 1.1
        start = np.searchsorted(keys, np.arange(len(wnids) + 1) * n)
        return start.astype(np.int32), (keys - np.repeat(np.arange(len(wnids)), np.diff(start)) * n).astype(np.int32)

    def parents_of(self, positions: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """How many parents each position has, int32 [n], and their positions one row after the other, int32."""
        first = self.parent_start[positions]
        n_parents = self.parent_start[positions + 1] - first
        ends = np.cumsum(n_parents)
        links = np.repeat(first - (ends - n_parents), n_parents) + np.arange(n_parents.sum())
        return n_parents, self.parent_positions[links]

    def depth(self, wnid: str) -> int:
        """Number of links on the longest way up to a root, by `@` and `@i`."""
        return int(self.depths[self.position(wnid)])

    def height(self, wnid: str) -> int:
        """Number of `@` links on the longest way down: `wordnet_height` of the ILSVRC development kit."""
        return int(self.heights[self.position(wnid)])

    def lowest_common(self, a: str, b: str) -> tuple[str, ...]:
        """The common ancestors that have no common ancestor below them, in order of wnid.

        There may be several, since a synset may have several parents. The common ancestor of a synset and itself,
        or of a synset and one above it, is that synset.
        """
        common = self.ancestors(a) & self.ancestors(b)
        # Common ancestors are closed upwards, so one that is not lowest has a child among them.
        above = {parent for wnid in common for parent in self.parents(wnid)}
        return tuple(sorted(common - above))

    def chain(self, wnid: str, ancestor: str) -> tuple[str, ...]:
        """The shortest way up from a synset to an ancestor, both included; of equal ones that of the first parents.

        Raises BadInput where `ancestor` is not above the synset.
        """
        came_from: dict[str, str] = {}
        level = [wnid]
        while level and ancestor not in came_from and ancestor != wnid:
            after: list[str] = []
            for child in level:
                for parent in self.parents(child):
                    if parent not in came_from:
                        came_from[parent] = child
                        after.append(parent)
            level = after
        way = [ancestor]
        while way[-1] != wnid:
            if way[-1] not in came_from:
                raise BadInput(f"{ancestor} is not above {wnid}")
            way.append(came_from[way[-1]])
        return tuple(reversed(way))

    @cached_property
    def depths(self) -> NDArray[np.int32]:
        """`depth` of each position, int32 [n]."""
        return longest_ways(len(self), self.parent_positions, self.child_of_link)

    @cached_property
    def heights(self) -> NDArray[np.int32]:
        """`height` of each position, int32 [n]."""
        kind_of = ~self.is_instance
        return longest_ways(len(self), self.child_of_link[kind_of], self.parent_positions[kind_of])

    def positions(self, wnids: Sequence[str]) -> NDArray[np.int32]:
        """The position of each wnid, int32; raises BadInput naming the first row that is no synset."""
        found = self._find_all(wnids)
        if found is not None:
            return found
        row, wnid = next((row, wnid) for row, wnid in enumerate(wnids) if self._find(wnid) is None)
        raise BadInput(
            f"class {wnid[:80]!r} is no noun synset of WordNet 3.0",
            where="class list",
            row=row,
            fix="Key the classes by wnid, as n02084071",
        )

    def _find(self, wnid: str) -> int | None:
        try:
            place = bisect_left(self._offsets, int(wnid[1:]))
        except ValueError:
            return None
        # Writing the wnid anew refuses all other spellings that int() forgives (signs, spaces, missing zeros).
        return place if place < len(self._offsets) and f"n{self._offsets[place]:08d}" == wnid else None

    def _find_all(self, wnids: Sequence[str]) -> NDArray[np.int32] | None:
        """The position of each wnid, None where one of them has none: a tenth of the time of `_find` for each."""
        text = "".join(wnids)
        if not text.isascii() or len(text) != 9 * len(wnids) or any(len(wnid) != 9 for wnid in wnids):
            return None
        letters = np.frombuffer(text.encode("ascii"), dtype=np.uint8).reshape(-1, 9)
        digits = letters[:, 1:] - np.uint8(ord("0"))  # what stands before "0" wraps round to more than 9
        if (letters[:, 0] != ord("n")).any() or (digits > 9).any():
            return None
        offsets = (digits @ _PLACES).astype(np.int32)
        places = np.minimum(np.searchsorted(self.offsets, offsets), len(self) - 1)
        return places.astype(np.int32) if (self.offsets[places] == offsets).all() else None

    def _at_and_above(self, position: int, wnid: str) -> tuple[str, ...]:
        # Tuples, since putting one before another costs a tenth of the copy of a set; and 97 % have one parent.
        lines = self._lines
        start, stop = self._parent_start[position], self._parent_start[position + 1]
        if stop - start == 1:
            parent = self._parents[start]
            line = (wnid, *(lines.get(parent) or self._at_and_above(parent, f"n{self._offsets[parent]:08d}")))
        else:
            above = [wnid]
            for parent in self._parents[start:stop]:
                above += lines.get(parent) or self._at_and_above(parent, f"n{self._offsets[parent]:08d}")
            line = tuple(dict.fromkeys(above))
        lines[position] = line
        return line

    @cached_property
    def _lemma_bounds(self) -> NDArray[np.int64]:
        ends = np.flatnonzero(np.frombuffer(self.lemma_text, dtype=np.uint8) == ord("\n"))
        return np.concatenate([[0], ends + 1])

    @cached_property
    def child_of_link(self) -> NDArray[np.int32]:
        """The position of the lower end of each link, int32 [m]; `parent_positions` are the upper ends."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.parent_start))

    @cached_property
    def _links_by_parent(self) -> NDArray[np.int64]:
        return np.argsort(self.parent_positions, kind="stable")

    @cached_property
    def _child_start(self) -> NDArray[np.int64]:
        counts = np.bincount(self.parent_positions, minlength=len(self))
        return np.concatenate([[0], np.cumsum(counts)])


def longest_ways(n: int, tails: NDArray[np.int32], heads: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number of links on the longest way that ends in each of n nodes of an acyclic graph, int32 [n].

    Link k leads from node `tails[k]` to node `heads[k]`. One pass over the links for each level: at most 20 in WordNet.
    """
    length = np.zeros(n, dtype=np.int32)
    while True:
        longer = length.copy()
        np.maximum.at(longer, heads, length[tails] + 1)
        if np.array_equal(longer, length):
            return length
        length = longer
