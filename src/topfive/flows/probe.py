"""Frozen features under a simple head: a linear probe or k-NN, chosen on `tune`, scored on another split."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Later, Pictures, run_parts
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
    """How the backbone is opened and run; `cache` is the folder that keeps features, None keeps none.

    `workers` processes, each with the backbone and one thread, see pictures; 1 is this process with all its threads.
    `cluster` is a Ray cluster's address, whose cores see them in their place.
    """

    weights: Path | None = None
    device: str = "cpu"
    batch_size: int = 64
    download: bool = False
    cache: Path | None = None
    part: int = 1_024
    """Pictures whose features are kept in one file: what a stopped probe loses at most."""
    workers: int = 1
    cluster: str = ""


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
    if how.workers < 1:
        raise BadInput(f"{how.workers} processes see nothing", where="--workers", fix="Use 1 or more")
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
    place = str(Path(model).resolve()) if Path(model).is_dir() else model
    seen = _features(_Looking(place, how, backbone), dataset, parts, progress)
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


@dataclass(frozen=True)
class _Looking:
    """Makes the features of a piece of a set; where it is sent, each process opens the backbone once, from its path."""

    model: str
    how: Probing
    backbone: Backbone | OpenBackbone | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "how": replace(self.how, cache=None, workers=1, cluster=""), "backbone": None}

    def __call__(self, piece: Dataset, threads: int) -> Floats:
        how = self.how
        if self.backbone is None:
            backbone = _opened(self.model, how)
            pictures = Pictures(piece, piece.manifest, labels=False, workers=threads)
        else:  # here the network and those that decode for it take turns
            backbone, pictures = self.backbone, Pictures(piece, piece.manifest, labels=False)
        return backbone.features(pictures, backbone.view, batch_size=how.batch_size, device=how.device)


@lru_cache(maxsize=1)
def _opened(model: str, how: Probing) -> Backbone | OpenBackbone:
    from topfive.systems.features.frozen import open_backbone

    return open_backbone(model, weights=how.weights, device=how.device, download=how.download)


def _features(looking: _Looking, dataset: Dataset, sets: list[Manifest], progress: Progress) -> list[Floats]:
    """Float32 [n, d] of each set, block by block: those of an earlier run from their files."""
    from topfive.dataset import Pieces

    how, backbone = looking.how, looking.backbone
    places = [
        (number, np.arange(start, min(start + how.part, len(rows))))
        for number, rows in enumerate(sets)
        for start in range(0, len(rows), how.part)
    ]
    files = [
        None if how.cache is None or backbone is None else _place(how.cache, backbone, sets[number].take(rows))
        for number, rows in places
    ]
    kept = [None if file is None else _kept(file, len(rows)) for file, (_, rows) in zip(files, places, strict=True)]
    todo = [place for place, found in zip(places, kept, strict=True) if found is None]
    parts: list[list[Floats]] = [[] for _ in sets]
    done, total = 0, sum(len(rows) for _, rows in places)
    progress("frozen features", done, total, "images")
    pieces = [Pieces(replace(dataset, manifest=rows)) for rows in sets]
    parts_to_see = Later(lambda place: pieces[place[0]].of(place[1]), todo)
    made = run_parts(looking, parts_to_see, workers=how.workers, cluster=how.cluster)
    with closing(made):
        for (number, rows), file, found in zip(places, files, kept, strict=True):
            if found is None:
                found = next(made)
                if file is not None:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with replacing(file) as aside, aside.open("wb") as opened:
                        np.save(opened, found)
            parts[number].append(found)
            done += len(rows)
            progress("frozen features", done, total, "images")
    return [np.concatenate(part) for part in parts]


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
