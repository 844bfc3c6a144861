"""Quota: how many of the chosen classes lie in one subtree; and which numbers meet all quotas at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

_SPEC = re.compile(r"([^=]+)=([0-9]*)(\.\.)?([0-9]*)")
_FIX = (
    "Write WNID=10 for exactly ten, WNID=5..10 for five to ten, WNID=5.. for at least five, WNID=..10 for at most ten"
)


@dataclass(frozen=True)
class Quota:
    """At least `least` and at most `most` (None: no bound) of the chosen classes lie at or below `wnid`."""

    wnid: str
    least: int
    most: int | None

    def __str__(self) -> str:
        if self.most == self.least:
            return f"{self.wnid}={self.least}"
        return f"{self.wnid}={self.least or ''}..{'' if self.most is None else self.most}"


def read_quota(text: str) -> Quota:
    """Read `WNID=N` (exactly), `WNID=LOW..HIGH`, `WNID=LOW..` or `WNID=..HIGH`; raises BadInput for anything else."""
    match = _SPEC.fullmatch(text.strip())
    if match is None or not (match[2] or match[4]) or (match[4] and not match[3]):
        raise BadInput(f"{text!r} is no quota", where="--quota", fix=_FIX)
    least = int(match[2] or 0)
    most = int(match[4]) if match[4] else None if match[3] else least
    if most is not None and most < least:
        raise BadInput(f"{text!r} wants at least {least} and at most {most}", where="--quota", fix=_FIX)
    return Quota(match[1].strip(), least, most)


@dataclass(frozen=True, eq=False)
class Kinds:
    """Candidates sorted into kinds that no quota tells apart.

    `member` bool [n_kinds, n_quotas] says which quotas count a kind, `sizes` int64 [n_kinds] how many are of it.
    """

    member: NDArray[np.bool_]
    sizes: NDArray[np.int64]

    def most(self, quotas: Sequence[Quota], taken: NDArray[np.int64] | None = None, n: int | None = None) -> int | None:
        """The most candidates that meet these quotas (positions into `member`'s columns), None where none do.

        `taken` are numbers of each kind that must be among them; with `n` exactly so many are chosen in all. An integer
        programme of as many unknowns as there are kinds, solved exactly.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp

        lows = np.zeros(len(self.sizes)) if taken is None else taken.astype(np.float64)
        if not len(self.sizes):
            return None if n or any(quota.least for quota in quotas) else 0
        rows = [self.member.T.astype(np.float64)]
        bottoms = [float(quota.least) for quota in quotas]
        tops = [np.inf if quota.most is None else float(quota.most) for quota in quotas]
        if n is not None:
            rows.append(np.ones((1, len(self.sizes))))
            bottoms.append(float(n))
            tops.append(float(n))
        constraints = [] if not bottoms else [LinearConstraint(np.concatenate(rows), bottoms, tops)]
        found = milp(
            c=-np.ones(len(self.sizes)),
            integrality=np.ones(len(self.sizes)),
            bounds=Bounds(lows, self.sizes.astype(np.float64)),
            constraints=constraints,
        )
        return None if found.x is None else int(np.round(found.x).sum())

    def only(self, columns: Sequence[int]) -> Kinds:
        """The same candidates, with these quotas alone."""
        return Kinds(self.member[:, list(columns)], self.sizes)


def conflict(kinds: Kinds, quotas: Sequence[Quota], n: int | None) -> tuple[int, ...]:
    """The positions of quotas that cannot be met together though all but any one of them can: a smallest conflict."""
    kept = list(range(len(quotas)))
    for place in range(len(quotas)):
        without = [k for k in kept if k != place]
        if kinds.only(without).most([quotas[k] for k in without], n=n) is None:
            kept = without
    return tuple(kept)
