"""Frozen features under a simple head: a linear probe or k-NN, chosen on `tune`, scored on another split."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import (
    BadInput,
    Dataset,
    Manifest,
    Predictions,
    Progress,
    Truth,
    digest_parts,
    replacing,
    silent,
)

if TYPE_CHECKING:
    from topfive.systems.features.frozen import Backbone, OpenBackbone

Floats = NDArray[np.float32]
Kind = Literal["linear", "knn"]


@dataclass(frozen=True)
class Probing:
    """How the backbone is opened and run; `cache` is the folder that keeps features, None keeps none."""

    weights: Path | None = None
    device: str = "cpu"
    batch_size: int = 64
    download: bool = False
    cache: Path | None = None
    part: int = 1_024
    """Pictures whose features are kept in one file: what a stopped probe loses at most."""


def probe(
    model: str,
    dataset: Dataset,
    split: str = "val",
    *,
    kind: Kind = "linear",
    how: Probing = Probing(),
    progress: Progress = silent,
) -> dict[str, Any]:
    """Features of `train` (less `tune`) under a head that `tune` chooses, scored on `split`: the keys of INTERFACE.

    `chosen` is the penalty or k. The split that is scored has no say in it. Features are kept by the digests of
    backbone, View and pictures, so a stopped probe goes on, and another head reads them. Raises BadInput for a split
    without labels, for `train`, and where the backbone has no features.
    """
    from topfive import scoring
    from topfive.dataset import tune_rows
    from topfive.systems import check_device
    from topfive.systems.features.frozen import open_backbone

    if kind not in ("linear", "knn"):
        raise BadInput(f"is {kind!r}", where="--kind", fix="Kinds: linear, knn")
    if split == "train":
        raise BadInput("is what the head learns from", where="split 'train'", fix="Score another split")
    rows = dataset.manifest.rows(split)
    if not (rows.class_index >= 0).any():
        raise BadInput(f"split {split!r} has no labels here", where=dataset.root, fix="Choose a split with labels")
    check_device(how.device)
    began = time.perf_counter()
    backbone = open_backbone(model, weights=how.weights, device=how.device, download=how.download)
    train = dataset.manifest.rows("train")
    tuning = tune_rows(train)
    parts = [train.take(~tuning), train.take(tuning), rows]
    for part, name in zip(parts[:2], ("train", "tune"), strict=True):
        if not len(part) or (part.class_index < 0).any():
            raise BadInput("has no pictures, or some without a label", where=f"{dataset.root}, {name}")
    seen = [_features(backbone, dataset, part, how, progress) for part in parts]
    labels = [part.class_index.astype(np.int64) for part in parts]
    scores, chosen = (_linear if kind == "linear" else _knn)(seen, labels, len(dataset.classes), progress)
    made = Predictions.from_logits(rows.ids, scores, dataset.classes, view=backbone.view.digest, system=kind)
    found = scoring.score(made, Truth.single(rows.ids, rows.class_index, dataset.classes)).to_json()
    keys = ("top1_error", "top5_error", "top1_error_interval", "top5_error_interval", "n", "classes", "view")
    facts = {"kind": kind, **{key: found[key] for key in keys}, "seconds": time.perf_counter() - began}
    return facts | {"chosen": chosen, "model": model, "split": split, "contaminated": backbone.contaminated}


def _linear(
    seen: list[Floats], labels: list[NDArray[np.int64]], n_classes: int, progress: Progress
) -> tuple[Floats, dict[str, float]]:
    from topfive.systems import FitLog
    from topfive.systems.features.probe_heads import choose_penalty
    from topfive.systems.linear_probe import PENALTIES

    tried: list[dict[str, float]] = []
    log = FitLog(progress, lambda values: tried.append(dict(values)))
    head = choose_penalty(seen[0], labels[0], seen[1], labels[1], n_classes, PENALTIES, log)
    best = min(tried, key=lambda row: row["tune_loss"])
    return head(seen[2]), {"penalty": best["penalty"]}


def _knn(
    seen: list[Floats], labels: list[NDArray[np.int64]], n_classes: int, progress: Progress
) -> tuple[Floats, dict[str, float]]:
    from topfive.systems import FitLog
    from topfive.systems.features.nearest import nearest
    from topfive.systems.knn import Recipe, choose_k, unit, vote

    recipe = Recipe()
    known, held_out, asked = (unit(part) for part in seen)
    k = choose_k((known, labels[0]), (held_out, labels[1]), n_classes, recipe, FitLog(progress))
    index, similarity = nearest(asked, known, k)
    return vote(labels[0][index], similarity, n_classes, recipe.temperature), {"k": k}


def _features(
    backbone: Backbone | OpenBackbone, dataset: Dataset, rows: Manifest, how: Probing, progress: Progress
) -> Floats:
    """Float32 [n, d], block by block: those of an earlier run from their files."""
    pictures = Pictures(dataset, rows, labels=False)
    parts: list[Floats] = []
    for start in range(0, len(rows), how.part):
        places = np.arange(start, min(start + how.part, len(rows)))
        path = None if how.cache is None else _place(how.cache, backbone, rows.take(places))
        kept = None if path is None else _kept(path, len(places))
        if kept is None:
            kept = backbone.features(pictures.take(places), backbone.view, batch_size=how.batch_size, device=how.device)
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as part, part.open("wb") as file:
                    np.save(file, kept)
        parts.append(kept)
        progress("frozen features", start + len(places), len(rows), "images")
    return np.concatenate(parts)


def _place(cache: Path, backbone: Backbone | OpenBackbone, rows: Manifest) -> Path:
    """The file of these pictures' features: named by all that decides them."""
    told = [rows.table[name].to_pylist() for name in ("sha256", "container")]
    where = [rows.column(name).astype(np.int64) for name in ("offset", "size")]
    words = ["" if word is None else str(word) for column in told for word in column]
    digest = digest_parts("topfive features 1", backbone.digest, backbone.view.digest, rows.ids, words, *where)
    return cache / "features" / digest[:2] / f"{digest}.npy"


def _kept(path: Path, n: int) -> Floats | None:
    """What the file holds; None where there is none or it is damaged."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = found.dtype == np.float32 and found.ndim == 2 and len(found) == n and np.isfinite(found).all()
    return found if fits else None
