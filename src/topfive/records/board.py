"""Board: the ranked, measured systems of one edition, and the references that stand beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from topfive.records.durable import write_text
from topfive.records.errors import BadInput, unreadable
from topfive.records.scores import Interval


@dataclass(frozen=True)
class BoardRow:
    """One system. Equal counts share a `rank`; a paired test cannot tell the ranks in `rank_interval` apart."""

    rank: int
    rank_interval: tuple[int, int]
    system: str
    year: int
    title: str
    run: str
    top1_error: float
    top5_error: float
    top1_error_interval: Interval
    top5_error_interval: Interval
    n: int
    seconds: float
    published_top1_error: float | None = None
    published_top5_error: float | None = None
    published: dict[str, Any] | None = None
    contaminated: str = "no"
    team: str = ""


@dataclass(frozen=True)
class Board:
    """`rows` best first; `reference` has the keys human, chance, published, agreement; `about` what the edition is."""

    edition: str
    rows: tuple[BoardRow, ...]
    reference: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise BadInput where ranks do not follow the order of the rows."""
        ranks = [row.rank for row in self.rows]
        if ranks != sorted(ranks) or (ranks and ranks[0] != 1):
            raise BadInput(f"ranks {ranks} are not in order", where=f"board of {self.edition}")

    def to_json(self) -> dict[str, Any]:
        """The content of `board.json`."""
        return {
            "edition": self.edition,
            "rows": [asdict(row) for row in self.rows],
            "reference": self.reference,
            "about": self.about,
        }

    def write(self, path: Path) -> None:
        """Write `board.json`."""
        self.check()
        write_text(path, json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Board:
        """Read `board.json`; raises BadInput where it is none."""
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
            rows = []
            for row in value["rows"]:
                for key in ("rank_interval", "top1_error_interval", "top5_error_interval"):
                    row[key] = tuple(row[key])
                rows.append(BoardRow(**row))
            board = cls(value["edition"], tuple(rows), value["reference"], value.get("about", {}))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise unreadable("a board", path, error) from error
        board.check()
        return board
