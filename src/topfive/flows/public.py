"""The verbs as Python has them: a model or a callable, a set or its path, records instead of files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from topfive import scoring
from topfive.flows import evaluation, prediction
from topfive.flows.inference import Inference
from topfive.flows.low_number import Looking
from topfive.flows.low_number import explain_low as _explain_low
from topfive.flows.sets import open_set
from topfive.flows.truths import read_truth
from topfive.records import BadInput, ClassList, Dataset, Predictions, Progress, Truth, View, silent
from topfive.scoring.suspects import LowNumber

EVALUATED = Inference(decoder="exact", batch_size=16)
LOOKING = Looking()


def evaluate(
    model: Any,
    dataset: Dataset | Path | str,
    split: str = "val",
    *,
    view: View | None = None,
    classes: ClassList | None = None,
    how: Inference = EVALUATED,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict and score: the keys of INTERFACE for `evaluate`; under torchrun those of the first process.

    `model` is a MODEL of the command line, a torch module (normalised float [n, 3, h, w] to logits), or a callable from
    uint8 [n, h, w, 3] to logits [n, K]; `dataset` is a dataset folder, a folder by class, a tar of one, or the record.
    """
    return evaluation.evaluate(model, _set(dataset, split), split, how=_as(how, view, classes), progress=progress)


def predict(
    model: Any,
    dataset: Dataset | Path | str,
    split: str = "val",
    *,
    view: View | None = None,
    classes: ClassList | None = None,
    how: Inference = EVALUATED,
    progress: Progress = silent,
) -> Predictions:
    """A model's predictions for a split, with logits; `model` and `dataset` as for `evaluate`."""
    made, _ = prediction.predict(model, _set(dataset, split), split, how=_as(how, view, classes), progress=progress)
    return made


def score(
    predictions: Predictions | Path | str,
    truth: Truth | Dataset | Path | str,
    *,
    split: str = "val",
    restrict: bool = False,
) -> dict[str, Any]:
    """The keys of INTERFACE for `score`; `truth` may be a set, whose labels of the split it then is."""
    where = predictions if isinstance(predictions, str | Path) else "predictions"
    found = scoring.score(_predictions(predictions), _truth(truth, split), restrict=restrict, where=where)
    return dict(found.to_json())


def compare(
    first: Predictions | Path | str,
    second: Predictions | Path | str,
    truth: Truth | Dataset | Path | str,
    *,
    split: str = "val",
    metric: Literal["top1", "top5"] = "top1",
) -> dict[str, Any]:
    """The keys of INTERFACE for `compare`: whether the first errs less than the second on the same images."""
    sides = _predictions(first), _predictions(second)
    return scoring.compare(*sides, _truth(truth, split), metric).to_json()


def explain_low(
    model: Any,
    dataset: Dataset | Path | str,
    split: str = "val",
    *,
    expected: float | None = None,
    n: int = 1000,
    how: Looking = LOOKING,
    progress: Progress = silent,
) -> LowNumber:
    """Which likely mistake, taken back, restores the expected top-1 error; `model` and `dataset` as for `evaluate`."""
    return _explain_low(model, _set(dataset, split), split, expected=expected, n=n, how=how, progress=progress)


def _as(how: Inference, view: View | None, classes: ClassList | None) -> Inference:
    return replace(how, view=view or how.view, classes=classes or how.classes)


def _set(dataset: Dataset | Path | str, split: str) -> Dataset:
    return dataset if isinstance(dataset, Dataset) else open_set(dataset, split=split)


def _predictions(value: Predictions | Path | str) -> Predictions:
    return value if isinstance(value, Predictions) else Predictions.read(Path(value))


def _truth(value: Truth | Dataset | Path | str, split: str) -> Truth:
    if isinstance(value, Truth):
        return value
    if not isinstance(value, Dataset):
        return read_truth(Path(value), split)
    rows = value.manifest.rows(split)
    if (rows.class_index < 0).all():
        raise BadInput(f"split {split!r} has no labels here", where=value.root, fix="Choose a split with labels")
    return Truth.single(rows.ids, rows.class_index, value.classes)
