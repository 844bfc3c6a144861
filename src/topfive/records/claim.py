"""Claim: a published number with the conditions it was measured under; it stands beside ours, never in its place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from topfive.records.errors import BadInput


@dataclass(frozen=True)
class Claim:
    """`value` is a fraction. `edition` is the class list and test set (ILSVRC2010 and 2012 are unlike), `protocol`
    says in words how it was measured, `source` where it was read. `crops` is the test protocol (`1`, `10`, `dense`,
    `?` where nobody says), `n_networks` how many were averaged (None: several, 0: no network), `extra_data` what they
    learnt from besides the edition's training pictures: unlike numbers never stand in one column unmarked.
    """

    metric: Literal["top1_error", "top5_error"]
    value: float
    edition: str
    split: str
    protocol: str
    source: str
    crops: str = "?"
    n_networks: int | None = 1
    extra_data: str = "none"

    @property
    def conditions(self) -> str:
        """What no figure should stand without: edition, split, networks, crops and extra data, in a few words."""
        networks = {None: "several networks", 0: "no network", 1: "1 network"}.get(
            self.n_networks, f"{self.n_networks} networks"
        )
        extra = "" if self.extra_data == "none" else f"; also learnt from {self.extra_data}"
        return f"{self.edition} {self.split}, {networks}, crops: {self.crops}{extra}"

    def check(self, where: str = "claim") -> None:
        """Raise BadInput where a part is missing or the value is no fraction."""
        if not 0.0 <= self.value <= 1.0:
            raise BadInput(f"value {self.value} is no fraction", where=where)
        for name in ("edition", "split", "protocol", "source", "crops", "extra_data"):
            if not getattr(self, name):
                raise BadInput(f"has no {name}", where=where)

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field."""
        return asdict(self)


@dataclass(frozen=True)
class Published:
    """A published result that is no landmark's own claim: a contest's winner, the human level, an agreement level.

    `kind` is winner, entry, human or agreement; `interval` is 95 % where the sample is known, else None.
    """

    name: str
    year: int
    kind: Literal["winner", "entry", "human", "agreement"]
    claim: Claim
    interval: tuple[float, float] | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """A flat JSON object."""
        return {
            "name": self.name,
            "year": self.year,
            "kind": self.kind,
            **self.claim.to_json(),
            "interval": None if self.interval is None else list(self.interval),
            "note": self.note,
        }
