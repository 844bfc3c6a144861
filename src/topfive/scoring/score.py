"""Top-1 and top-5 error of predictions against a truth: the protocol that everything else reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from topfive.records import Predictions, Scores, Truth
from topfive.scoring.intervals import wilson
from topfive.scoring.marking import Marks, mark

PROTOCOL = "ilsvrc-top5/1"
"""An image counts as correct at k where any of its allowed labels is among the first k guesses, of however many there
are; images without a valid label are left out and counted as dropped; intervals are Wilson's 95 %."""


def score(
    predictions: Predictions, truth: Truth, *, restrict: bool = False, where: str | Path = "predictions"
) -> Scores:
    """Score by PROTOCOL, joined on image_id (order says nothing) and wnid.

    The truth's classes may be all of the model's or some of them; the guesses then still come from all of the model's
    classes, unless `restrict` limits them to the truth's (this needs logits, and `restricted` says so). `per_class`
    counts an image under each of its allowed labels and lists the classes that have images. Fewer guesses than five (or
    than all classes) count as they are, as short lines do in ILSVRC's kit: `extra` then has `n_guesses` and
    `top5_rule`. Raises BadInput on missing, unknown or repeated ids, and on classes that the model lacks.
    """
    marks = mark(predictions, truth, restrict=restrict, where=where)
    n = len(marks.ids)
    top1, top5 = (int(np.count_nonzero(marks.correct(k))) for k in (1, 5))
    return Scores(
        n=n,
        protocol=PROTOCOL,
        truth=truth.name,
        classes=truth.classes.digest if restrict else predictions.classes.digest,
        view=predictions.view,
        top1_correct=top1,
        top5_correct=top5,
        top1_error=(n - top1) / n,
        top5_error=(n - top5) / n,
        top1_error_interval=wilson(n - top1, n),
        top5_error_interval=wilson(n - top5, n),
        dropped=marks.dropped,
        restricted=restrict,
        per_class=_per_class(marks, truth),
        extra=few_guesses(marks.n_guesses, len(truth.classes if restrict else predictions.classes)),
    )


def few_guesses(n_guesses: int, n_classes: int) -> dict[str, Any]:
    """What a result says where there are fewer guesses an image than five, or than all classes; else nothing."""
    if n_guesses >= min(5, n_classes):
        return {}
    said = "1 guess an image is" if n_guesses == 1 else f"{n_guesses} guesses an image are"
    return {"n_guesses": n_guesses, "top5_rule": f"{said} all there is: top-5 error counts that, as ILSVRC's kit does"}


def _per_class(marks: Marks, truth: Truth) -> dict[str, tuple[int, int, int]]:
    image = np.repeat(np.arange(len(marks.ids)), truth.n_labels[truth.n_labels > 0])
    size = len(truth.classes)
    columns = [np.bincount(truth.labels, minlength=size)]
    for k in (1, 5):
        columns.append(np.bincount(truth.labels[marks.correct(k)[image]], minlength=size))
    counts = np.stack(columns, axis=1).tolist()
    return {wnid: (n, top1, top5) for wnid, (n, top1, top5) in zip(truth.classes.wnids, counts, strict=True) if n}


def rank_by(year: int) -> Literal["top1", "top5"]:
    """What an edition of that year is ranked by: top-5 error up to 2017, the last ILSVRC, top-1 error since."""
    return "top5" if year <= 2017 else "top1"
