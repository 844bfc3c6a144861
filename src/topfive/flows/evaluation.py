"""Predict and score in one go, in flat memory, shared by processes, going on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from topfive.flows.inference import Inference, prepare
from topfive.flows.judge import Against, Page, measure, told
from topfive.flows.prediction import as_before, keeps, parts_at, shared, told_problems, working_place
from topfive.flows.truths import gather_truths
from topfive.records import BadInput, Dataset, Manifest, Predictions, Progress, Truth, silent

_SEEN = "The model has perhaps been trained on these pictures: this checks the pipeline and is no test result."
FAST = Inference(decoder="exact", batch_size=16)
OWN_LABELS = Against()


def evaluate(
    model: Any,
    dataset: Dataset,
    split: str = "val",
    *,
    how: Inference = FAST,
    against: Against = OWN_LABELS,
    page: Page | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict and score in one go: the keys of INTERFACE for `evaluate`.

    Pictures that do not decode are not in `n`; `n_problems` and `problems` name them. Several truths are a list under
    `truths`; more than the two errors is measured where `against` or a `page` asks for it. What was stopped goes on by
    the same call if `how` names a file for the predictions or a cache, or if there is a page; it begins anew if model,
    View, precision or runtime are others. Under torchrun the processes share out the pictures, and all but the first
    get an empty dict.
    """
    from topfive.systems import runtimes

    rows = labelled_rows(dataset, split)
    own = Truth.single(rows.ids, rows.class_index, dataset.classes)
    gather_truths(against.truths, own, own.ids, split=split)  # so that a mistake in them is said before the work
    together = runtimes.together()
    progress = progress if together.first else silent
    out = how.predictions
    wanted = out if out is not None or page is None else page.out
    with working_place(wanted, _key(model, dataset, split, how), how, together) as place:
        ready = prepare(model, dataset, split, as_before(how, place), together=together, progress=progress)
        whole = against.details or page is not None or bool(against.truths)
        keep = whole or against.restrict or (out is not None and keeps(ready))
        parts = parts_at(place, ready, split, keep)
        with shared(parts, ready, together, anew=True, progress=progress) as timing:
            if timing is None:
                return {}
            if out is not None:
                parts.join()
            made, problems = parts.read(parts.folder / "logits.f4" if keep else None)
            facts = {"model": made.system, "split": split} | timing | told_problems(problems)
            result = _scored(made, rows, dataset, against, page, facts)
            parts.remove()
    return result | facts | ({} if out is None else {"predictions": str(out)})


def labelled_rows(dataset: Dataset, split: str) -> Manifest:
    """The split's rows; raises BadInput where it has no labels here."""
    rows = dataset.manifest.rows(split)
    if (rows.class_index < 0).all():
        raise BadInput(f"split {split!r} has no labels here", where=dataset.root, fix="Choose a split with labels")
    return rows


def _key(model: Any, dataset: Dataset, split: str, how: Inference) -> Sequence[str] | None:
    """What an evaluation is called, so that the same command finds its parts; None where a model has no such name."""
    if not isinstance(model, str | Path):
        return None
    words = (model, dataset.root.resolve(), split, how.decoder, how.precision, how.runtime, how.crops, how.device)
    return [str(word) for word in (*words, how.weights, how.part)]


def _scored(
    made: Predictions, rows: Manifest, dataset: Dataset, against: Against, page: Page | None, facts: dict[str, Any]
) -> dict[str, Any]:
    from topfive import scoring

    if facts["n_problems"]:
        left = set(made.ids)
        rows = rows.take(np.array([image_id in left for image_id in rows.ids]))
    truth = Truth.single(rows.ids, rows.class_index, dataset.classes)
    if not (against.details or page is not None or against.truths):
        return dict(scoring.score(made, truth, restrict=against.restrict).to_json())
    truths = gather_truths(against.truths, truth, made.ids, split=facts["split"])
    found = measure(made, truths, restrict=against.restrict, seed=against.seed)
    result = told(found)
    if not against.details:
        for view in result.get("truths", [result]):
            view.pop("details", None)
    if page is None:
        return result
    from topfive.flows.result import report_result

    shown = {"Runtime": f"{facts['runtime']}, {facts['precision']}, {facts['crops']}"}
    caution = _SEEN if facts["contaminated"] == "likely" else ""
    page = replace(page, facts={**shown, **page.facts}, caution=caution)
    report_result(made, truths, found, page, own=dataset, split=facts["split"])
    return result | {"report": str(page.out)}
