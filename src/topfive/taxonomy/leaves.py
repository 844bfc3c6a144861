"""choose_leaves: K classes under rules, none above another, as the organisers of ILSVRC chose theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, ClassList
from topfive.taxonomy.quotas import Kinds, Quota, conflict
from topfive.taxonomy.table import wordnet


@dataclass(frozen=True)
class LeafRules:
    """`n` classes with at least `least_images` each by `counts` (a wnid that is missing has none), within `quotas`."""

    n: int
    least_images: int = 0
    counts: Mapping[str, int] | None = None
    quotas: Sequence[Quota] = field(default=())


@dataclass(frozen=True)
class Chosen:
    """The classes in order of wnid, and how the pool thinned out on the way to them.

    `n_enough` of the `n_pool` have the images, `n_leaves` of these have no other of them below. `n_images` stands
    beside the classes, None where no counts were given; `in_quotas` are the numbers reached, in order of the quotas.
    """

    classes: ClassList
    n_pool: int
    n_enough: int
    n_leaves: int
    n_images: tuple[int, ...] | None
    in_quotas: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `topfive taxonomy leaves --json`."""
        images = self.n_images or (None,) * len(self.classes)
        rows = zip(self.classes.wnids, self.classes.names, images, strict=True)
        return {
            "n": len(self.classes),
            "digest": self.classes.digest,
            "n_pool": self.n_pool,
            "n_enough": self.n_enough,
            "n_leaves": self.n_leaves,
            "in_quotas": list(self.in_quotas),
            "classes": [{"wnid": wnid, "name": name, "n_images": n} for wnid, name, n in rows],
        }


def choose_leaves(pool: ClassList, rules: LeafRules, *, rng: np.random.Generator) -> Chosen:
    """Choose from the pool at random: each leaf in a random order is taken unless the rules could then not be met.

    A leaf is a class of the pool with images enough and no other such class below it, so that none of the chosen is
    above another. With one rng a larger `n` keeps what a smaller one chose, where no quota stands in the way. Raises
    BadInput saying which rules cannot be met and what could be.
    """
    graph = wordnet()
    if rules.n < 1:
        raise BadInput(f"{rules.n} classes cannot be chosen", where="--n", fix="Ask for at least one")
    positions = np.sort(graph.positions(pool.wnids))
    enough = _with_images(positions, rules)
    leaves = enough[~_above_others(enough)[enough]]
    inside = np.stack([_below(quota.wnid)[leaves] for quota in rules.quotas], axis=1) if rules.quotas else None
    funnel = (len(positions), len(enough), len(leaves))
    if inside is None:
        if len(leaves) < rules.n:
            raise _too_few(rules, funnel)
        picked = np.sort(rng.permutation(len(leaves))[: rules.n])
        reached: tuple[int, ...] = ()
    else:
        member, kind, sizes = np.unique(inside, axis=0, return_inverse=True, return_counts=True)
        kinds = Kinds(member.reshape(-1, len(rules.quotas)), sizes)
        _check_quotas(kinds, rules, funnel)
        picked = np.sort(_drawn(kinds, kind.reshape(-1), rules, rng))
        reached = tuple(inside[picked].sum(axis=0).tolist())
    wnids = tuple(graph.wnid(position) for position in leaves[picked].tolist())
    counts = rules.counts
    return Chosen(
        ClassList(wnids, tuple(graph.name(wnid) for wnid in wnids)),
        *funnel,
        None if counts is None else tuple(counts.get(wnid, 0) for wnid in wnids),
        reached,
    )


def _with_images(positions: NDArray[np.int32], rules: LeafRules) -> NDArray[np.int32]:
    if rules.least_images < 0:
        raise BadInput(f"{rules.least_images} is no number of images", where="--min-images", fix="Give 0 or more")
    if not rules.least_images:
        return positions
    if rules.counts is None:
        raise BadInput("no counts to compare with", where="--min-images", fix="Name them with --counts")
    graph, counts = wordnet(), rules.counts
    n_images = np.array([counts.get(graph.wnid(position), 0) for position in positions.tolist()], dtype=np.int64)
    if not n_images.any():
        raise BadInput("the counts are of none of the classes to choose from", where="--counts", fix="See --from")
    return positions[n_images >= rules.least_images]


def _above_others(positions: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which positions of WordNet are above one of these, bool [82115]; one pass over the links for each level."""
    graph = wordnet()
    lower = np.zeros(len(graph), dtype=np.bool_)
    lower[positions] = True
    above = np.zeros(len(graph), dtype=np.bool_)
    while True:
        n = int(above.sum())
        above[graph.parent_positions[(lower | above)[graph.child_of_link]]] = True
        if int(above.sum()) == n:
            return above


def _below(wnid: str) -> NDArray[np.bool_]:
    """Which positions of WordNet are at or below a synset, bool [82115]."""
    graph = wordnet()
    below = np.zeros(len(graph), dtype=np.bool_)
    below[graph.position(wnid)] = True
    while True:
        n = int(below.sum())
        below[graph.child_of_link[below[graph.parent_positions]]] = True
        if int(below.sum()) == n:
            return below


def _drawn(kinds: Kinds, kind: NDArray[np.intp], rules: LeafRules, rng: np.random.Generator) -> NDArray[np.intp]:
    """Go through the leaves in random order and take each that leaves the quotas possible.

    A kind that cannot be taken once never can again, so that the longest possible beginning is found by halving and
    the kind that ends it is closed: about 15 programmes for each kind, however many classes are asked for.
    """
    left = rng.permutation(len(kind))
    chosen: list[NDArray[np.intp]] = []
    taken = np.zeros(len(kinds.sizes), dtype=np.int64)
    while int(taken.sum()) < rules.n:
        possible, beyond = 0, min(len(left), rules.n - int(taken.sum())) + 1
        while beyond - possible > 1:
            middle = (possible + beyond) // 2
            then = taken + np.bincount(kind[left[:middle]], minlength=len(taken))
            if kinds.most(rules.quotas, then, rules.n) is None:
                beyond = middle
            else:
                possible = middle
        chosen.append(left[:possible])
        taken += np.bincount(kind[left[:possible]], minlength=len(taken))
        if possible < len(left):
            left = left[possible:][kind[left[possible:]] != kind[left[possible]]]
    return np.concatenate(chosen)


def _check_quotas(kinds: Kinds, rules: LeafRules, funnel: tuple[int, int, int]) -> None:
    """Raise BadInput with the smallest set of rules that cannot be met together."""
    for column, quota in enumerate(rules.quotas):
        there = int(kinds.sizes[kinds.member[:, column]].sum())
        if there < quota.least:
            reason = f"at least {quota.least} wanted under {_named(quota)}, but only {there} leaves are there"
            raise BadInput(reason, where="--quota", fix=f"Ask for fewer. {_thinned(rules, funnel)}")
    most = kinds.most(rules.quotas)
    if most is None:
        fighting = [rules.quotas[column] for column in conflict(kinds, rules.quotas, None)]
        raise BadInput(f"{_listed(fighting)} cannot be met together", where="--quota", fix="Loosen one of them")
    if most < rules.n:
        if funnel[2] < rules.n:
            raise _too_few(rules, funnel)
        reason = f"the quotas leave {most} classes at most, not {rules.n}"
        raise BadInput(reason, where="--n", fix=f"Ask for {most}, or loosen {_listed(_capping(kinds, rules))}")
    if kinds.most(rules.quotas, n=rules.n) is None:
        fighting = [rules.quotas[column] for column in conflict(kinds, rules.quotas, rules.n)]
        raise BadInput(
            f"{_listed(fighting)} cannot be met with {rules.n} classes", where="--quota", fix="Ask for more classes"
        )


def _capping(kinds: Kinds, rules: LeafRules) -> list[Quota]:
    """The quotas that, taken alone, already allow too few, or all where only together they do."""
    columns = conflict(kinds, rules.quotas, rules.n)
    return [rules.quotas[column] for column in columns]


def _too_few(rules: LeafRules, funnel: tuple[int, int, int]) -> BadInput:
    return BadInput(
        f"{rules.n} classes wanted, but only {funnel[2]} can be chosen",
        where="--n",
        fix=f"{_thinned(rules, funnel)}. Ask for fewer, for fewer images each, or choose --from a larger list",
    )


def _thinned(rules: LeafRules, funnel: tuple[int, int, int]) -> str:
    n_pool, n_enough, n_leaves = funnel
    images = f"{n_enough} have at least {rules.least_images} images, " if rules.least_images else ""
    return f"Of {n_pool} classes {images}{n_leaves} {'of these ' if images else ''}have no other below"


def _listed(quotas: Sequence[Quota]) -> str:
    return " and ".join(_named(quota) for quota in quotas)


def _named(quota: Quota) -> str:
    return f"{quota} ({wordnet().name(quota.wnid)})"
