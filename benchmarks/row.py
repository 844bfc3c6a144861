"""What a row of the benchmark offers: two ways to one answer, and a test that it is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sides:
    """`same(peer's answer, ours)` must hold before anything is timed."""

    peer_name: str
    peer: Callable[[], Any]
    ours: Callable[[], Any]
    same: Callable[[Any, Any], bool]
