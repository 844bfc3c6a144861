"""Run: what made a result, so that no number stands without its recipe, seed, digests, versions and machine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from topfive.records.digests import digest_json
from topfive.records.durable import write_text
from topfive.records.errors import unreadable


@dataclass(frozen=True)
class Run:
    """One fit: `system` (name or name:variant), the resolved `recipe`, and what it was fitted on and with."""

    system: str
    recipe: dict[str, Any]
    seed: int
    dataset: str
    classes: str
    view: str
    manifest: str = ""
    source: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    hardware: str = ""
    started: str = ""
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """Short name: the system and the first 10 hex digits of the digest of everything but commit, time and machine.

        The landmark's own source is in it (`source`), so code and number cannot part.
        """
        what = {k: v for k, v in asdict(self).items() if k not in ("commit", "hardware", "started", "seconds", "notes")}
        return f"{self.system.replace(':', '-')}-{digest_json(what)[:10]}"

    def write(self, path: Path) -> None:
        """Write `run.json`."""
        value = {"run_id": self.run_id} | asdict(self)
        write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read `run.json`; raises BadInput where it is none."""
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
            value.pop("run_id", None)
            return cls(**value)
        except (OSError, ValueError, TypeError) as error:
            raise unreadable("a run", path, error) from error
