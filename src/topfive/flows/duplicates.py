"""Duplicates of an image set: found, shown side by side, and kept together or dropped in a new set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topfive.records import Dataset, Progress, require_new, silent

_SHOWN = 30
"""Pairs on a contact sheet."""


@dataclass(frozen=True)
class Search:
    """`near` looks for other compressions and sizes too; `known` is the set before it grew.

    `workers` threads decode, here or on each core of the Ray `cluster`.
    """

    near: bool = True
    known: Dataset | None = None
    workers: int = 2
    cluster: str = ""


def dedupe(
    dataset: Dataset,
    *,
    search: Search = Search(),
    out: Path | None = None,
    drop: bool = False,
    sheet: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Find duplicates; write the set with its groups (or, with `drop`, without copies) to `out`, pairs to `sheet`.

    The sheet shows the pairs farthest apart: those that a person should doubt first. Raises BadInput before the search
    where `out` is there already.
    """
    from topfive.dataset import dedupe as find
    from topfive.dataset import write_deduped

    if out is not None:
        require_new(out)
    found = find(
        dataset,
        near=search.near,
        known=search.known,
        workers=search.workers,
        cluster=search.cluster,
        progress=progress,
    )
    facts = found.to_json()
    unread = set(found.unread)
    shown = [pair for pair in found.pairs if pair.copy_of not in unread]
    if sheet is not None and shown:
        pairs = sorted(shown, key=lambda pair: -pair.distance)[:_SHOWN]
        ids = [one for pair in pairs for one in (pair.copy_of, pair.image_id)]
        labels = [text for pair in pairs for text in (pair.copy_of, f"{pair.distance:.1f} {pair.image_id}")]
        _show(dataset, ids, labels, sheet)
        facts["sheet"] = str(sheet)
    if out is not None:
        facts |= {"out": str(out), "n_written": len(write_deduped(found, out, drop=drop).manifest)}
    return facts


def _show(dataset: Dataset, ids: list[str], labels: list[str], sheet: Path) -> None:
    from topfive import reports
    from topfive.loading import Pictures

    row = {image_id: at for at, image_id in enumerate(dataset.manifest.ids)}
    pictures = Pictures(dataset, dataset.manifest.take(np.array([row[one] for one in ids])), labels=False)
    reports.contact_sheet([pictures.read(i) for i in range(len(ids))], labels, sheet)
