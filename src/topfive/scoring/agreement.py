"""Agreement levels: how well perfect recognisers would do on labels that reviewers do not all confirm."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np

from topfive.records import BadInput, Interval, Truth
from topfive.scoring.intervals import Z, wilson
from topfive.scoring.marking import positions_of_classes, rows_by_id

PROTOCOL = "agreement/1"
"""S is an image's set of valid labels by the reviewers, y its original label. The bound is the share of images with y
in S: what a recogniser reaches that names every valid label and knows which of them the set prefers. The uniform level
is the mean of [y in S] * min(1, k / |S|): the same recogniser when it names k of the valid labels by chance."""


@dataclass(frozen=True)
class Agreement:
    """Levels over the `n` images that reviewers gave a valid label; `dropped` have none. Errors are fractions.

    These are agreement levels, not ceilings: a model can pass them by learning the set's own choices and errors.
    """

    k: int
    n: int
    dropped: int
    n_confirmed: int
    bound_error: float
    bound_error_interval: Interval
    uniform_error: float
    uniform_error_interval: Interval
    original: str
    reviewed: str

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field and the protocol."""
        return {"protocol": PROTOCOL} | {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def agreement(original: Truth, reviewed: Truth, k: int = 1) -> Agreement:
    """Agreement levels for top-k error of `original` (one label an image) under the sets of `reviewed`.

    Joined on id and wnid. The bound has Wilson's interval, the uniform level a normal one (mean and standard error).
    Raises BadInput where ids or classes differ, or where an original image has not exactly one label.
    """
    if k < 1:
        raise BadInput(f"k is {k}", where="agreement", fix="Use 1 for top-1, 5 for top-5")
    single = np.flatnonzero(original.n_labels != 1)
    if len(single):
        row = int(single[0])
        raise BadInput(
            f"image {original.ids[row]!r} has {original.n_labels[row]} labels, not one",
            where=f"truth {original.name!r}",
            row=row,
        )
    where = f"truth {original.name!r}"
    at = rows_by_id(reviewed.ids, original.ids, where)
    labels = positions_of_classes(original.classes, reviewed.classes, where)[original.labels][at]
    kept = reviewed.n_labels > 0
    n = int(np.count_nonzero(kept))
    if n == 0:
        raise BadInput("has no image with a valid label", where=f"truth {reviewed.name!r}")
    image = np.repeat(np.arange(len(reviewed)), reviewed.n_labels)
    confirmed = np.bincount(image[reviewed.labels == labels[image]], minlength=len(reviewed))[kept] > 0
    share = confirmed * np.minimum(1.0, k / reviewed.n_labels[kept])
    hits = int(np.count_nonzero(confirmed))
    mean, half = float(share.mean()), Z * float(share.std()) / sqrt(n)
    return Agreement(
        k=k,
        n=n,
        dropped=len(reviewed) - n,
        n_confirmed=hits,
        bound_error=(n - hits) / n,
        bound_error_interval=wilson(n - hits, n),
        uniform_error=1.0 - mean,
        uniform_error_interval=(max(0.0, 1.0 - mean - half), min(1.0, 1.0 - mean + half)),
        original=original.name,
        reviewed=reviewed.name,
    )
