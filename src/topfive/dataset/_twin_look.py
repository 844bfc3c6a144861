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


def likeness(graph: SynsetGraph, some: Sequence[str], others: Sequence[str]) -> NDArray[np.float64]:
    """Wu-Palmer likeness, float64 [len(some), len(others)]: 2 depth(common) / (depth(a) + depth(b)), at most 1."""
    depths = {name: graph.depth(name) for wnid in (*some, *others) for name in graph.ancestors(wnid)}
    like = np.empty((len(some), len(others)))
    for row, a in enumerate(some):
        above = graph.ancestors(a)
        for column, b in enumerate(others):
            common = max(depths[name] for name in above & graph.ancestors(b))
            like[row, column] = min(1.0, 2.0 * common / max(depths[a] + depths[b], 1))
    return like


def choose(graph: SynsetGraph, leaves: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` of the leaves: clusters of 4, 3, 2 and 1 nearest kin in turn, each cluster far from those before it."""
    chosen: list[str] = []
    left = list(leaves)
    for turn in range(n):
        some = [left[at] for at in rng.permutation(len(left))[:12]]
        first = some[int(np.argmin(likeness(graph, some, chosen).max(axis=1)))] if chosen else some[0]
        order = rng.permutation(len(left))
        like = likeness(graph, [first], left)[0][order]
        size = min(_CLUSTERS[turn % len(_CLUSTERS)], n - len(chosen))
        # A stable sort after a shuffle: equally near kin come in random order, and `first` itself leads.
        like[[left[at] for at in order].index(first)] = 2.0
        members = [left[order[at]] for at in np.argsort(-like, kind="stable")[:size]]
        chosen += members
        left = [wnid for wnid in left if wnid not in members]
        if len(chosen) == n:
            break
    return sorted(chosen)


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
        # From 0.9 just below the root to 0.35 at the depth of most artefacts (8) and 0.22 at that of dogs (14).
        amount = distance * (0.15 + 0.85 * 0.84 ** graph.depth(wnid))
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
