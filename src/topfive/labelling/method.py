"""The contract of a consensus method: one file in `methods`, a `TITLE`, and one `estimate(ballot, *, seed)`."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from topfive.labelling import methods
from topfive.records import BadInput, Votes

METHODS: tuple[str, ...] = tuple(
    sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(methods.__path__))
)
"""The names of the methods, listed without importing them."""

MOST_CELLS = 2**28
"""Tables of more float64 than this (2 GiB) are refused, rather than left to run out of memory."""


@dataclass(frozen=True)
class Ballot:
    """What a method gets: n tasks, K classes that can be true.

    `shares` float64 [n, K] has rows that sum to 1: each class's share of the task's votes, where an answer that is no
    class counts as equal shares of all. `gold` int32 [n] is the known class, UNKNOWN where there is none; its rows
    in `shares` are 1 for that class, and a method must leave them so.
    """

    votes: Votes
    shares: NDArray[np.float64]
    gold: NDArray[np.int32]


@dataclass(frozen=True)
class Estimate:
    """`probability` float64 [n, K] of each class, rows sum to 1; what else the method has to say goes into `facts`."""

    probability: NDArray[np.float64]
    iterations: int
    facts: dict[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A module in `methods`."""

    TITLE: str

    def estimate(self, ballot: Ballot, *, seed: int) -> Estimate:
        """The probability that each class is the truth of each task."""


def load(name: str) -> Method:
    """The method of that name; raises BadInput that lists the names."""
    if name not in METHODS:
        raise BadInput(f"no consensus method is called {name!r}", where="method", fix=f"Methods: {', '.join(METHODS)}")
    return cast(Method, importlib.import_module(f"{methods.__name__}.{name.replace('-', '_')}"))
