"""A model under the fifteen corruptions that topfive makes: protocol `imagenet-c/generated`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topfive.flows.inference import Inference, Ready, prepare
from topfive.loading import CORRUPTIONS, SEVERITIES, CorruptedPictures, check_corruption
from topfive.records import BadInput, Dataset, Manifest, Predictions, Progress, Truth, digest_json, silent

EVERY: tuple[tuple[str, int], ...] = tuple((kind, severity) for kind in CORRUPTIONS for severity in SEVERITIES)
"""All 75 corruptions and severities."""
_HOW = Inference(decoder="exact", batch_size=16)
_SHOWN = 100
"""Problems that a result lists; all are counted."""


@dataclass(frozen=True)
class Corruptions:
    """Which (kind, severity) pairs, drawn from which seed; `out` is a folder for the predictions of each pass."""

    pairs: Sequence[tuple[str, int]] = EVERY
    seed: int = 0
    out: Path | None = None

    def check(self) -> None:
        """Raise BadInput for a kind or severity that is none, and for a pair that stands twice."""
        for at, pair in enumerate(self.pairs):
            check_corruption(*pair)
            if pair in self.pairs[:at]:
                raise BadInput("stands twice", where=f"corruption {pair[0]}:{pair[1]}", fix="Ask for it once")


def evaluate_corruptions(
    model: Any,
    dataset: Dataset,
    split: str = "val",
    *,
    how: Inference = _HOW,
    asked: Corruptions = Corruptions(),
    progress: Progress = silent,
) -> dict[str, Any]:
    """Top-1 error on the pictures as they are and under each corruption asked for, by `imagenet-c/generated`.

    With `asked.out` each pass leaves its predictions there as `KIND-SEVERITY.parquet` (and `clean.parquet`), and the
    same call goes on where it stopped. Pictures that do not decode are not in `n`. Raises BadInput for files there that
    were made otherwise.
    """
    from topfive import scoring

    asked.check()
    if how.crops != "1-crop":
        raise BadInput(
            "are defined on the View's own crop", where="corruptions", fix="Use the protocol 1-crop with them"
        )
    rows = dataset.manifest.rows(split)
    if (rows.class_index < 0).all():
        raise BadInput(f"split {split!r} has no labels here", where=dataset.root, fix="Choose a split with labels")
    ready = prepare(model, dataset, split, how, progress=progress)
    problems: dict[str, str] = {}
    clean = _cell(ready, rows, None, asked, problems, progress)
    cells = {pair: _cell(ready, rows, pair, asked, problems, progress) for pair in asked.pairs}
    found = scoring.CorruptionErrors(scoring.GENERATED, cells, clean)
    return found.to_json() | {
        "model": ready.system,
        "split": split,
        "n": clean.n,
        "seed": asked.seed,
        "view": ready.view,
        "n_problems": len(rows) - clean.n,
        "problems": [{"image_id": key, "reason": reason} for key, reason in list(problems.items())[:_SHOWN]],
    }


def _cell(
    ready: Ready,
    rows: Manifest,
    pair: tuple[str, int] | None,
    asked: Corruptions,
    problems: dict[str, str],
    progress: Progress,
) -> Any:
    """The count of wrong first guesses under one corruption; None is the pictures as they are."""
    from topfive import scoring

    name = "clean" if pair is None else f"{pair[0]}-{pair[1]}"
    view = ready.view if pair is None else digest_json([ready.view, scoring.GENERATED, *pair, asked.seed])
    path = None if asked.out is None else asked.out / f"{name}.parquet"
    made = None if path is None else _earlier(path, ready, rows, view)
    if made is None:
        made = _predictions(ready, pair, asked.seed, view, problems, _within(progress, name))
        if path is not None:
            made.write(path)
    there = set(made.ids)
    kept = rows.take(np.array([image_id in there for image_id in rows.ids]))
    truth = Truth.single(kept.ids, kept.class_index, kept.classes)
    right = scoring.mark(made, truth, where=path or name).correct(1)
    return scoring.Cell(int(np.count_nonzero(~right)), len(right))


def _predictions(
    ready: Ready, pair: tuple[str, int] | None, seed: int, view: str, problems: dict[str, str], progress: Progress
) -> Predictions:
    shown = ready.pictures if pair is None else CorruptedPictures(ready.pictures, *pair, seed=seed)
    parts = []
    for positions, logits in ready.answers(shown, problems.__setitem__, progress):
        ids = tuple(shown.ids[place] for place in positions.tolist())
        parts.append(Predictions.from_logits(ids, logits, ready.fitted.classes, keep_logits=False))
    if not parts:
        raise BadInput("has no picture that decodes", where="split", row=next(iter(problems.values()), None))
    return Predictions(
        tuple(image_id for part in parts for image_id in part.ids),
        np.concatenate([part.top_index for part in parts]),
        np.concatenate([part.top_score for part in parts]),
        ready.fitted.classes,
        view,
        ready.system,
        ready.digest,
    )


def _earlier(path: Path, ready: Ready, rows: Manifest, view: str) -> Predictions | None:
    """The predictions of an earlier call; None where there are none yet."""
    if not path.is_file():
        return None
    made = Predictions.read(path)
    same = (made.view, made.classes.digest, made.run) == (view, ready.fitted.classes.digest, ready.digest)
    if not same or not set(made.ids) <= set(rows.ids):
        raise BadInput(
            "was made of other pictures, or with another view, seed or model",
            where=path,
            fix="Name another folder, or remove this one",
        )
    return made


def _within(progress: Progress, name: str) -> Progress:
    def named(what: str, done: float, total: float | None, unit: str = "") -> None:
        progress(f"{name}: {what}", done, total, unit)

    return named
