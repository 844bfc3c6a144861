"""What a row of the benchmark offers: topfive's way and its peers' ways to one answer, and a test that it is one.

A row is a file of this folder, found by its name, with `TITLE`, `GOAL` (text) and `sides(rng) -> Sides`. To add one:

    TITLE = "top-1 and top-5, 50,000 x 1,000 float32"
    GOAL = "<= 10 ms"

    def sides(rng):
        logits = rng.standard_normal(...)          # the input: each process makes it anew from the same seed

        def peer():                                # imports of a peer's package belong in here
            ...
            return answer

        return Sides("NumPy, its best way", peer, ours, same, more={"torch, as documented": torch_way})

Each side runs in a process of its own, which calls `sides` and keeps one of its functions. That function is called
once uncounted (set-up, caches and compiling belong there; its answer goes to `same`), then once a round; all sides
take turns within a round. It returns the answer, or `Timed(answer, seconds, n)` where only a part of it counts, such
as a loader's work after its first batches. With `unit` the table shows units a second instead of milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Timed:
    """An answer, and the `seconds` that count with the `n` things done in them."""

    answer: Any
    seconds: float
    n: int = 1


@dataclass(frozen=True)
class Sides:
    """`same(peer's answer, ours)` must hold of every peer before anything is timed."""

    peer_name: str
    peer: Callable[[], Any]
    ours: Callable[[], Any]
    same: Callable[[Any, Any], bool]
    more: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    """Further peers by name: the same one at its best documented settings, or the floor."""
    ours_more: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    """Further ways of topfive by name, such as another precision; each is compared with every peer."""
    same_more: Callable[[Any, Any], bool] | None = None
    """What must hold of the further ways' answers where it is less than `same`."""
    unit: str = ""
    """What `Timed.n` counts, such as `images`."""

    def ways(self) -> dict[str, Callable[[], Any]]:
        """Every side by its name in the table, topfive's last."""
        return {self.peer_name: self.peer, **self.more, "topfive": self.ours, **self.ours_more}
