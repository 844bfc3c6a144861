"""A class's look, drawn down the WordNet tree: each synset has its parent's look and changes some of it.

What a synset changes is a pure function of its wnid, never of the twin's seed: a tench looks like a tench in every
twin. The nearer to the leaves, the fewer and smaller the changes, so that siblings look alike and far classes do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from topfive.taxonomy import SynsetGraph

CHOICES = {
    "body": 7,
    "head": 7,
    "head_place": 5,
    "limb": 7,
    "limbs": 4,
    "limb_place": 4,
    "pattern": 10,
    "scheme": 5,
}
"""Traits without an order, and how many kinds there are of each."""

TRAITS = (
    "tall",
    "flat",
    "round",
    "taper",
    "bend",
    "twist",
    "blend",
    "head_size",
    "head_tall",
    "limb_size",
    "limb_long",
    "limb_splay",
    "limb_spread",
    "frequency",
    "warp",
    "tilt",
    "gloss",
    "accent",
    "hue",
    "strong",
    "bright",
    "second_hue",
)
"""Traits along a scale, in [0, 1]."""

_LOOKS = "topfive twin looks 1"
_CLUSTERS = (4, 3, 2, 1)
_TRIED = 12
"""Leaves drawn at random for the first of a cluster, of which the farthest from all chosen is taken."""


@dataclass(frozen=True)
class Look:
    """`choices` int64 [len(CHOICES)] and `traits` float64 [len(TRAITS)], each trait in [0, 1]."""

    choices: NDArray[np.int64]
    traits: NDArray[np.float64]

    @cached_property
    def chosen(self) -> dict[str, int]:
        """The choices by name."""
        return dict(zip(CHOICES, self.choices.tolist(), strict=True))

    @cached_property
    def scaled(self) -> dict[str, float]:
        """The traits by name."""
        return dict(zip(TRAITS, self.traits.tolist(), strict=True))

    def varied(self, rng: np.random.Generator, spread: float) -> Look:
        """One instance of the class: every trait moved by a normal step of this standard deviation."""
        return Look(self.choices, _folded(self.traits + rng.normal(0.0, spread, len(TRAITS))))

    def towards(self, other: Look, share: float, rng: np.random.Generator) -> Look:
        """A look between two: traits `share` of the way to `other`, each choice the other's with that probability."""
        swap = rng.random(len(CHOICES)) < share
        return Look(np.where(swap, other.choices, self.choices), self.traits + share * (other.traits - self.traits))


def looks(graph: SynsetGraph, wnids: Sequence[str], sibling_distance: float = 1.0) -> dict[str, Look]:
    """The look of each synset; `sibling_distance` scales how far every synset departs from its parent."""
    drawn: dict[str, Look] = {}
    for wnid in wnids:
        _draw(graph, wnid, sibling_distance, drawn)
    return {wnid: drawn[wnid] for wnid in wnids}


class Kinship:
    """How alike synsets are by their place in the tree: Wu and Palmer's 2 depth(common) / (depth(a) + depth(b))."""

    def __init__(self, graph: SynsetGraph, wnids: Sequence[str]) -> None:
        names = sorted(frozenset().union(*(graph.ancestors(wnid) for wnid in wnids)))
        place = {name: at for at, name in enumerate(names)}
        # Depth plus one of each ancestor, 0 of what is none: the least of two rows is that of what they share.
        self._above = np.zeros((len(wnids), len(names)), dtype=np.int8)
        for row, wnid in enumerate(wnids):
            for name in graph.ancestors(wnid):
                self._above[row, place[name]] = graph.depth(name) + 1
        self._depth = np.array([graph.depth(wnid) for wnid in wnids], dtype=np.float64)

    def row(self, at: int) -> NDArray[np.float64]:
        """Likeness of one synset to each, at most 1, float64 [n]; itself 1."""
        common = np.minimum(self._above, self._above[at]).max(axis=1).astype(np.float64) - 1.0
        like = np.minimum(2.0 * common / np.maximum(self._depth + self._depth[at], 1.0), 1.0)
        like[at] = 1.0
        return np.asarray(like)

    def table(self) -> NDArray[np.float64]:
        """Likeness of each pair, float64 [n, n]."""
        return np.array([self.row(at) for at in range(len(self._depth))])


def choose(graph: SynsetGraph, leaves: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` of the leaves, sorted: clusters of 4, 3, 2 and 1 nearest kin in turn, each far from those before it."""
    kin, chosen = Kinship(graph, leaves), np.zeros(len(leaves), dtype=bool)
    closest = np.zeros(len(leaves))
    for turn in range(n):
        left = n - int(chosen.sum())
        if not left:
            break
        some = rng.permutation(np.flatnonzero(~chosen))[:_TRIED]
        first = int(some[np.argmin(closest[some])])
        like = np.where(chosen, -1.0, kin.row(first))
        # Equally near kin in random order; the first itself leads.
        like[first] = 2.0
        order = rng.permutation(len(leaves))
        near = order[np.argsort(-like[order], kind="stable")]
        members = near[: min(_CLUSTERS[turn % len(_CLUSTERS)], left)]
        chosen[members] = True
        for member in members:
            closest = np.maximum(closest, kin.row(int(member)))
    return sorted(leaves[at] for at in np.flatnonzero(chosen).tolist())


def _draw(graph: SynsetGraph, wnid: str, distance: float, drawn: dict[str, Look]) -> Look:
    """The look of one synset from its parents': the mean of their traits, each choice of one of them at random."""
    if wnid in drawn:
        return drawn[wnid]
    rng = np.random.default_rng(list(hashlib.sha256(f"{_LOOKS} {wnid}".encode()).digest()))
    parents = [_draw(graph, parent, distance, drawn) for parent in graph.parents(wnid)]
    kinds = np.array(list(CHOICES.values()))
    if not parents:
        look = Look(rng.integers(0, kinds), rng.random(len(TRAITS)))
    else:
        whose = rng.integers(0, len(parents), len(CHOICES))
        choices = np.array([parents[parent].choices[at] for at, parent in enumerate(whose)])
        traits = np.mean([parent.traits for parent in parents], axis=0)
        # From 0.8 just below the root to 0.23 at the depth of most artefacts (8) and 0.12 at that of dogs (14).
        amount = distance * (0.08 + 0.92 * 0.8 ** graph.depth(wnid))
        changed = _some(rng, len(CHOICES), 0.5 * amount * len(CHOICES))
        # A step of 1 to kinds - 1 past the old kind always lands on another kind.
        choices[changed] = (choices[changed] + rng.integers(1, kinds[changed])) % kinds[changed]
        moved = _some(rng, len(TRAITS), 1.2 * amount * len(TRAITS))
        step = rng.choice((-1.0, 1.0), len(moved)) * rng.uniform(0.5, 1.0, len(moved))
        traits[moved] = traits[moved] + step * (0.1 + 0.8 * amount)
        look = Look(choices, _folded(traits))
    drawn[wnid] = look
    return look


def _some(rng: np.random.Generator, n: int, expected: float) -> NDArray[np.int64]:
    """Between 1 and n positions, `expected` on average."""
    whole = int(expected)
    count = whole + int(rng.random() < expected - whole)
    return rng.permutation(n)[: min(max(count, 1), n)].astype(np.int64)


def _folded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Back into [0, 1], reflected at both ends."""
    turned = np.abs(values) % 2.0
    return np.where(turned > 1.0, 2.0 - turned, turned)
