"""Is one better than the other? Two systems on the same images: McNemar's exact test, the difference, what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, Interval, Predictions, Truth
from topfive.scoring.intervals import bootstrap_difference, paired_difference, wilson
from topfive.scoring.marking import Marks, mark

PROTOCOL = "mcnemar-exact/2"
"""Two-sided exact binomial test on the images that exactly one side gets right. The interval of the difference is the
paired percentile bootstrap's (10,000 resamples of images, seeded); beside it stands Bonett and Price's, which keeps its
coverage where few images differ."""

LISTED = 1000
"""Ids of each side that a comparison lists at most; the counts are whole."""

Metric = Literal["top1", "top5"]


class Differing(NamedTuple):
    """An image that exactly one side gets right: its allowed labels and both first guesses, all as wnids."""

    image_id: str
    given: tuple[str, ...]
    first: str
    second: str


@dataclass(frozen=True)
class Comparison:
    """`difference` is the first's error minus the second's (negative: the first errs less) on `n` paired images.

    `n_first_only` and `n_second_only` count the images that only that side gets right; `first_only` and `second_only`
    hold up to `LISTED` of them, those first whose wrong side scored its guess highest. `views` and `classes` are the
    digests of both sides, a view None where unknown. `few_interval` is Bonett and Price's.
    """

    metric: Metric
    n: int
    error_first: float
    error_second: float
    difference: float
    interval: Interval
    few_interval: Interval
    p_value: float
    n_first_only: int
    n_second_only: int
    first_only: tuple[Differing, ...]
    second_only: tuple[Differing, ...]
    views: tuple[str | None, str | None]
    classes: tuple[str, str]
    seed: int

    @property
    def n_discordant(self) -> int:
        """Images that exactly one side gets right."""
        return self.n_first_only + self.n_second_only

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE for `compare`, and what stands behind them."""
        wrong = [round(error * self.n) for error in (self.error_first, self.error_second)]
        return {
            "difference": self.difference,
            "interval": list(self.interval),
            "p_value": self.p_value,
            "n_discordant": self.n_discordant,
            "n": self.n,
            "metric": self.metric,
            "protocol": PROTOCOL,
            "seed": self.seed,
            "few_interval": list(self.few_interval),
            "error_first": self.error_first,
            "error_first_interval": list(wilson(wrong[0], self.n)),
            "error_second": self.error_second,
            "error_second_interval": list(wilson(wrong[1], self.n)),
            "n_first_only": self.n_first_only,
            "n_second_only": self.n_second_only,
            "first_only": [image.image_id for image in self.first_only],
            "second_only": [image.image_id for image in self.second_only],
            "same_view": None if None in self.views else self.views[0] == self.views[1],
            "same_classes": self.classes[0] == self.classes[1],
        }


def compare(
    first: Predictions,
    second: Predictions,
    truth: Truth,
    metric: Metric = "top1",
    *,
    seed: int = 0,
    where: tuple[str | Path, str | Path] = ("first predictions", "second predictions"),
) -> Comparison:
    """Compare two predictions of the same images by PROTOCOL, joined on image_id and wnid; raises BadInput as `score`.

    The two may have different classes, as long as both know the truth's.
    """
    check_metric(metric)
    sides = mark(first, truth, where=where[0]), mark(second, truth, where=where[1])
    a, b = correct(sides[0], first, metric, where[0]), correct(sides[1], second, metric, where[1])
    gained, lost = np.flatnonzero(a & ~b), np.flatnonzero(b & ~a)
    n = len(a)
    return Comparison(
        metric=metric,
        n=n,
        error_first=float(np.count_nonzero(~a)) / n,
        error_second=float(np.count_nonzero(~b)) / n,
        difference=(len(lost) - len(gained)) / n,
        interval=_bootstrap(a, b, seed),
        few_interval=paired_difference(len(lost), len(gained), n),
        p_value=float(mcnemar(np.array(len(gained)), np.array(len(lost)))),
        n_first_only=len(gained),
        n_second_only=len(lost),
        first_only=_listed(gained, sides[1], (first, second), sides, truth),
        second_only=_listed(lost, sides[0], (first, second), sides, truth),
        views=(first.view, second.view),
        classes=(first.classes.digest, second.classes.digest),
        seed=seed,
    )


def mcnemar(first_only: NDArray[np.integer[Any]], second_only: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Two-sided exact p-values of discordant counts, element by element; 1 where nothing differs."""
    from scipy.special import bdtr

    least, total = np.minimum(first_only, second_only), first_only + second_only
    return np.asarray(np.minimum(1.0, 2.0 * bdtr(least.astype(np.float64), total.astype(np.int64), 0.5)))


def require_one_view(views: Sequence[str | None], where: Sequence[str | Path]) -> None:
    """Raise BadInput where two of the views are known and differ: unlike preprocessing is compared on request only."""
    known = [(view, name) for view, name in zip(views, where, strict=True) if view is not None]
    for view, name in known:
        if view != known[0][0]:
            raise BadInput(
                f"has the view {view[:12]}, and {known[0][1]} has {known[0][0][:12]}: "
                "another resize, crop, interpolation, mean or std",
                where=name,
                fix="Predict both with one view, or compare systems with their own views by --any-view",
            )


def check_metric(metric: str) -> None:
    """Raise BadInput unless it is top1 or top5."""
    if metric not in ("top1", "top5"):
        raise BadInput(f"is no metric: {metric!r}", where="compare", fix="Use top1 or top5")


def correct(marks: Marks, side: Predictions, metric: Metric, where: str | Path) -> NDArray[np.bool_]:
    """Whether each image counts as correct, bool [n]; raises BadInput on too few guesses for the metric."""
    need = min(5, len(side.classes)) if metric == "top5" else 1
    if marks.n_guesses < need:
        raise BadInput(
            f"hold {marks.n_guesses} guesses an image, and top-5 error needs {need}",
            where=where,
            fix="Predict anew and keep the five best classes, or compare by --metric top1",
        )
    return marks.correct(need)


def _bootstrap(a: NDArray[np.bool_], b: NDArray[np.bool_], seed: int) -> Interval:
    """The interval of the first's error less the second's; the sides change places with their sign alone."""
    if np.count_nonzero(a) >= np.count_nonzero(b):
        return bootstrap_difference(~a, ~b, seed=seed)
    low, high = bootstrap_difference(~b, ~a, seed=seed)
    return (-high, -low)


def _listed(
    rows: NDArray[np.int64],
    wrong: Marks,
    predictions: tuple[Predictions, Predictions],
    sides: tuple[Marks, Marks],
    truth: Truth,
) -> tuple[Differing, ...]:
    """The first LISTED of these images by falling score of the wrong side, equal scores by image_id."""
    ids = [wrong.ids[row] for row in rows]
    rows = rows[np.lexsort((ids, -wrong.score[rows]))][:LISTED]
    kept = np.flatnonzero(truth.n_labels > 0)  # marks leave out images without a valid label
    names = [side.classes.wnids for side in predictions]
    return tuple(
        Differing(
            wrong.ids[row],
            tuple(truth.classes.wnids[label] for label in truth.of(int(kept[row]))),
            names[0][sides[0].guess[row]],
            names[1][sides[1].guess[row]],
        )
        for row in rows
    )
