"""Duplicates of an image set: found, shown side by side, and kept together or dropped in a new set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topfive.flows.probe import Probing
from topfive.records import Dataset, Progress, digest_parts, require_new, silent

if TYPE_CHECKING:
    from topfive.dataset import Embedding, Pair

_SHOWN, _SHOWN_PX = 30, 240
"""Pairs on a contact sheet, and the side of each picture, under which `mirror 1.4 ILSVRC2012_val_00000001` has room."""


@dataclass(frozen=True)
class Search:
    """`near` looks for other compressions and sizes too, `embedding` (a MODEL, opened as `how` says) for mirrored and
    cropped copies; `known` is the set before it grew.

    `workers` threads decode, here or on each core of the Ray `cluster`; the network and the comparison run here.
    """

    near: bool = True
    embedding: str = ""
    how: Probing = field(default_factory=Probing)
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

    The sheet shows the pairs that a person should doubt first: of each kind in turn those farthest apart. Raises
    BadInput before the search where `out` is there already, and where the network is not here or has no features.
    """
    from topfive.dataset import dedupe as find
    from topfive.dataset import write_deduped

    if out is not None:
        require_new(out)
    found = find(
        dataset,
        near=search.near,
        embedding=embedding_of(dataset, search.embedding, search.how) if search.embedding else None,
        known=search.known,
        workers=search.workers,
        cluster=search.cluster,
        progress=progress,
    )
    facts = found.to_json()
    unread = set(found.unread)
    pairs = doubtful([pair for pair in found.pairs if pair.copy_of not in unread])
    if sheet is not None and pairs:
        _show(dataset, pairs, sheet)
        facts["sheet"] = str(sheet)
    if out is not None:
        facts |= {"out": str(out), "n_written": len(write_deduped(found, out, drop=drop).manifest)}
    if drop:
        facts["n_dropped"] = found.n_dropped()
    return facts


def embedding_of(dataset: Dataset, model: str, how: Probing) -> Embedding:
    """The features of a network that sees each picture whole, squeezed square."""
    from topfive.dataset import Embedding
    from topfive.loading import Pictures
    from topfive.systems import check_device
    from topfive.systems.features.frozen import open_backbone
    from topfive.systems.features.nearest import nearest

    check_device(how.device)
    backbone = open_backbone(model, weights=how.weights, device=how.device, download=how.download)
    view = replace(backbone.view, resize_px=backbone.view.crop_px, squash=True, decoder="exact")

    def look(rows: NDArray[np.int64], progress: Progress) -> NDArray[np.float32]:
        pictures = Pictures(dataset, dataset.manifest.take(rows), labels=False)
        return backbone.features(pictures, view, batch_size=how.batch_size, progress=progress, device=how.device)

    return Embedding(digest_parts(backbone.digest, view.digest)[:16], look, nearest)


def doubtful(pairs: list[Pair]) -> list[Pair]:
    """The first of each kind by distance, then the second of each, and so on."""
    place: dict[str, int] = {}
    turn = []
    for pair in sorted(pairs, key=lambda pair: -pair.distance):
        place[pair.how] = place.get(pair.how, -1) + 1
        turn.append((place[pair.how], -pair.distance, pair))
    return [pair for _, _, pair in sorted(turn)[:_SHOWN]]


def _show(dataset: Dataset, pairs: list[Pair], sheet: Path) -> None:
    from topfive import reports
    from topfive.loading import Pictures

    ids = [one for pair in pairs for one in (pair.copy_of, pair.image_id)]
    labels = [text for pair in pairs for text in (pair.copy_of, f"{pair.how} {pair.distance:.1f} {pair.image_id}")]
    row = {image_id: at for at, image_id in enumerate(dataset.manifest.ids)}
    pictures = Pictures(dataset, dataset.manifest.take(np.array([row[one] for one in ids])), labels=False)
    reports.contact_sheet([pictures.read(i) for i in range(len(ids))], labels, sheet, size_px=_SHOWN_PX)
