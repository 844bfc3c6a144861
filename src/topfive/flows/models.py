"""A fitted run or a model from elsewhere at work: predictions, their score, an export, a look inside."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from topfive import systems
from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, Predictions, Progress, Run, Truth, silent


@dataclass(frozen=True)
class Inference:
    """How a model is run: the pixel rule of its View (None keeps its own), pictures at a time, device."""

    decoder: Literal["reference", "exact"] | None = None
    batch_size: int = 64
    device: str = "cpu"
    weights: Path | None = None
    """The file of a `timm:` model's weights."""
    crops: str = "1-crop"
    """The test protocol."""


def predict(
    model: str,
    dataset: Dataset,
    split: str,
    *,
    how: Inference = Inference(),
    progress: Progress = silent,
) -> tuple[Predictions, dict[str, Any]]:
    """Predictions of a run folder or another model for one split, and the timing of INTERFACE."""
    from topfive.systems.models import contamination, open_model
    from topfive.systems.protocols import fingerprint, protocol_named, scores_under

    systems.check_device(how.device)
    protocol = protocol_named(how.crops)
    began = time.perf_counter()
    fitted = open_model(model, weights=how.weights, device=how.device)
    if how.decoder is not None:
        fitted.view = replace(fitted.view, decoder=how.decoder)
    pictures = Pictures(dataset, dataset.manifest.rows(split), labels=False)
    first = time.perf_counter()
    if protocol is None:
        logits = fitted.scores(pictures, batch_size=how.batch_size, progress=progress)
    else:
        logits = scores_under(fitted, pictures, protocol, batch_size=how.batch_size, progress=progress)
    run = Run.read(Path(model) / "run.json") if (Path(model) / "run.json").is_file() else None
    made = Predictions.from_logits(
        pictures.ids,
        logits,
        fitted.classes,
        view=fingerprint(fitted, protocol),
        system=run.system if run else model,
        run=run.run_id if run else "",
    )
    seconds = time.perf_counter() - first
    timing = {
        "images_per_s": len(made) / seconds,
        "seconds": seconds,
        "setup_s": first - began,
        "runtime": getattr(fitted, "runtime", "numpy"),
        "precision": "fp32",
        "crops": how.crops,
        "contaminated": contamination(fitted),
    }
    return made, timing


def evaluate(
    model: str,
    dataset: Dataset,
    split: str = "val",
    *,
    how: Inference = Inference(decoder="exact", batch_size=16),
    restrict: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict and score in one go: the keys of INTERFACE for `evaluate`."""
    from topfive import scoring

    rows = dataset.manifest.rows(split)
    if (rows.class_index < 0).all():
        raise BadInput(f"split {split!r} has no labels here", where=dataset.root, fix="Choose a split with labels")
    made, timing = predict(model, dataset, split, how=how, progress=progress)
    truth = Truth.single(rows.ids, rows.class_index, dataset.classes)
    scores = scoring.score(made, truth, restrict=restrict).to_json()
    return scores | {"model": model, "split": split} | timing


def export(run: Path, out: Path) -> dict[str, Any]:
    """Write a run's network for other programs; raises BadInput where the run holds none."""
    from topfive.systems.engine import FittedNetwork
    from topfive.systems.engine.export import export as write
    from topfive.systems.predict import load_fitted

    fitted, made = load_fitted(run)
    if not isinstance(fitted, FittedNetwork):
        raise BadInput("holds no network", where=run, fix="Name the run folder of a neural landmark")
    worst = write(fitted, out)
    return {"run": made.run_id, "file": str(out), "bytes": out.stat().st_size, "largest_difference": worst}


def explain(name: str, run: Path, picture: Path, out: Path) -> dict[str, Any]:
    """Draw what a run of the landmark `name` looks at in a picture; raises BadInput where it cannot show that."""
    import numpy as np

    from topfive import reports
    from topfive.loading import decode
    from topfive.systems.predict import load_fitted

    fitted, made = load_fitted(run)
    if made.system.partition(":")[0] != systems.parse(name)[0]:
        raise BadInput(f"is a run of {made.system}, not of {name}", where=run)
    shown = getattr(fitted, "explain", None)
    if shown is None:
        raise BadInput("has no picture of what it looks at", where=made.system)
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=picture) from error
    parts = shown(np.asarray(decode(data)))
    reports.explained_sheet(parts, out)
    return {"run": made.run_id, "picture": str(out), "shows": [title for title, _ in parts]}
