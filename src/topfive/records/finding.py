"""Finding: one judgement of an audit; it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from topfive.records.durable import write_text
from topfive.records.errors import BadInput


@dataclass(frozen=True)
class Finding:
    """`severity` in [0, 1], the images or wnids it is about, the numbers that support it, one sentence."""

    audit: str
    severity: float
    ids: tuple[str, ...]
    summary: str
    evidence: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise BadInput where the severity is outside [0, 1]."""
        if not 0.0 <= self.severity <= 1.0:
            raise BadInput(f"severity {self.severity} is outside [0, 1]", where=f"finding of {self.audit}")


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write one JSON object a line."""
    lines = []
    for finding in findings:
        finding.check()
        lines.append(json.dumps(asdict(finding), ensure_ascii=False, allow_nan=False))
    write_text(path, "".join(line + "\n" for line in lines))


def read_findings(path: Path) -> tuple[Finding, ...]:
    """The inverse of `write_findings`; raises BadInput naming the line."""
    found = []
    for row, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            value = json.loads(line)
            value["ids"] = tuple(value["ids"])
            finding = Finding(**value)
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"is no finding ({error})", where=path, row=row) from error
        finding.check()
        found.append(finding)
    return tuple(found)
