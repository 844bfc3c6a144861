"""Label errors by confident learning: which labels the out-of-sample probabilities of a model speak against.

Source: Northcutt, Jiang and Chuang 2021 (JAIR). The seven filters are cleanlab's and give the same rows in the same
order as cleanlab 2.9 with `return_indices_ranked_by="self_confidence"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.audit.confident import calibrate, class_thresholds, confident_joint, prune_counts
from topfive.audit.rows import Blocks, check_arrays, largest_other, name_of, read_rows, self_confidence
from topfive.records import UNKNOWN, BadInput, ClassList, Finding, Progress, silent, unreadable, write_text

TITLE = "Label errors by confident learning"

FILTERS: tuple[str, ...] = (
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)

MOST_CLASSES = 10_000
"""The joint is a dense table of classes by classes: 800 MB at this many."""

_PAIR_CELLS = 2**20
"""Leads of this many rows and classes are sorted at a time (8 MB of order)."""

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class LabelErrors:
    """The suspects, most suspicious first, out of `n` rows.

    `rows` int64 are array positions, `given` and `guessed` their label and most probable class, `score` the
    probability of the given label (the ranking, ascending). `noise_rate` is the estimated share of wrong labels: the
    mass off the diagonal of the calibrated joint. `thresholds` [K] (2 for a class without rows) of which
    `thresholds_clipped` had to be raised to 2e-6; `joint` int64 [given, guessed] counts rows with a confident guess.
    """

    n: int
    filter_by: str
    rows: NDArray[np.int64]
    given: NDArray[np.int64]
    guessed: NDArray[np.int64]
    score: Floats
    noise_rate: float
    thresholds_clipped: int
    thresholds: Floats
    joint: NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE for `audit label-errors`."""
        return {
            "n": self.n,
            "n_suspects": len(self.rows),
            "noise_rate": self.noise_rate,
            "thresholds_clipped": self.thresholds_clipped,
            "filter": self.filter_by,
        }

    def write_csv(self, path: Path) -> None:
        """Write `row,given,guessed,score`, most suspicious first."""
        columns = zip(self.rows.tolist(), self.given.tolist(), self.guessed.tolist(), self.score, strict=True)
        lines = [f"{row},{given},{guessed},{score!s}" for row, given, guessed, score in columns]
        write_text(path, "\n".join(["row,given,guessed,score", *lines]) + "\n")


def read_arrays(labels: Path, probs: Path) -> tuple[Labels, Floats]:
    """Memory-map two `.npy` files; raises BadInput naming the file."""
    arrays = []
    for path in (labels, probs):
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise unreadable("an array", path, error, fix="Give a .npy file") from error
        if not isinstance(array, np.ndarray):
            array.close()
            raise BadInput("holds several arrays", where=path, fix="Give a .npy file with one")
        arrays.append(array)
    return arrays[0], arrays[1]


def label_errors(
    labels: Labels,
    probs: Floats,
    *,
    filter_by: str = "prune_by_noise_rate",
    chunk: int | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> LabelErrors:
    """Find the rows whose label [n] the probabilities [n, K] speak against, by one of FILTERS.

    The probabilities must come from a model that has not learnt from those rows. They may be memory-mapped: `chunk`
    rows are read at a time, by `threads`; neither changes the result. Raises BadInput naming file (of a memory map)
    and row.
    """
    if filter_by not in FILTERS:
        raise BadInput(f"no filter is called {filter_by!r}", where="filter", fix=f"Filters: {', '.join(FILTERS)}")
    given, values = check_arrays(labels, probs)
    n_classes = values.shape[1]
    if n_classes > MOST_CLASSES:
        raise BadInput(f"{n_classes} classes are more than {MOST_CLASSES}", where="probs")
    blocks = Blocks.of(values, chunk, threads, progress)
    own = self_confidence(given, values, blocks)
    by_class = _rows_by_class(given, n_classes)
    thresholds, n_clipped = class_thresholds(own, by_class)
    kept = read_rows(given, values, own, thresholds, blocks, name_of(probs, "probs"))
    joint = confident_joint(given, kept.guess, n_classes)
    calibrated = calibrate(joint, np.bincount(given, minlength=n_classes))

    suspect = ~kept.agrees
    if filter_by in ("prune_by_noise_rate", "both"):
        suspect &= _by_noise_rate(values, own, by_class, prune_counts(calibrated))
    if filter_by in ("prune_by_class", "both"):
        suspect &= _by_class(own, by_class, prune_counts(calibrated))
    if filter_by == "predicted_neq_given":
        suspect &= kept.top != given
    if filter_by == "confident_learning" or filter_by.startswith("low_"):
        suspect &= (kept.guess != UNKNOWN) & (kept.guess != given)
    if filter_by.startswith("low_"):
        # These two take as many rows as confident learning finds, but whichever score lowest.
        score = own if filter_by == "low_self_confidence" else (own - largest_other(given, values, blocks) + 1) / 2
        lowest = np.argsort(score)[: np.count_nonzero(suspect)]
        suspect = np.zeros_like(suspect)
        suspect[lowest] = True
    rows = np.flatnonzero(suspect)
    # NumPy's default sort, as cleanlab's: equal scores stand in the order that it leaves them in.
    rows = rows[np.argsort(own[rows])]
    return LabelErrors(
        n=len(given),
        filter_by=filter_by,
        rows=rows,
        given=given[rows],
        guessed=kept.top[rows],
        score=own[rows],
        noise_rate=(len(given) - int(calibrated.trace())) / len(given),
        thresholds_clipped=n_clipped,
        thresholds=thresholds,
        joint=joint,
    )


def findings(
    errors: LabelErrors, ids: Sequence[str], classes: ClassList, *, at_most: int | None = None
) -> tuple[Finding, ...]:
    """One Finding for each suspect, most suspicious first; severity is 1 minus the given label's probability."""
    if len(ids) != errors.n or len(classes) != len(errors.thresholds):
        raise BadInput(
            f"{len(ids)} ids and {len(classes)} classes for {errors.n} rows and {len(errors.thresholds)} columns",
            where="label-errors",
        )
    found = []
    columns = (column[:at_most].tolist() for column in (errors.rows, errors.given, errors.guessed, errors.score))
    for row, given, guessed, score in zip(*columns, strict=True):
        summary = f"labelled {classes.names[given]}, looks like {classes.names[guessed]}"
        evidence = {"given": classes.wnids[given], "guessed": classes.wnids[guessed], "score": score}
        # Probabilities may lie 1e-6 outside [0, 1], severities may not.
        found.append(Finding("label-errors", min(1.0, max(0.0, 1.0 - score)), (ids[row],), summary, evidence))
    return tuple(found)


def _rows_by_class(given: NDArray[np.int64], n_classes: int) -> tuple[NDArray[np.int64], ...]:
    order = np.argsort(given, kind="stable")
    ends = np.cumsum(np.bincount(given, minlength=n_classes))
    return tuple(np.split(order, ends[:-1]))


def _by_class(own: Floats, by_class: tuple[NDArray[np.int64], ...], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """In each class, as many of the least probable labels as do not stay; a class of one row is left alone."""
    suspect = np.zeros(len(own), dtype=np.bool_)
    for label, rows in enumerate(by_class):
        n_wrong = len(rows) - counts[label, label]
        if len(rows) > 1 and n_wrong > 0:
            suspect[rows[np.argsort(own[rows])[:n_wrong]]] = True
    return suspect


def _by_noise_rate(
    probs: Floats, own: Floats, by_class: tuple[NDArray[np.int64], ...], counts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """For each pair of classes, as many rows as move, by the largest lead of the guessed class over the given one."""
    suspect = np.zeros(len(own), dtype=np.bool_)
    for label, rows in enumerate(by_class):
        if len(rows) <= 1:
            continue
        guessed = np.flatnonzero(counts[label])
        guessed = guessed[guessed != label]
        width = max(1, _PAIR_CELLS // len(rows))
        for start in range(0, len(guessed), width):
            some = guessed[start : start + width]
            lead = np.ascontiguousarray(probs[rows[:, None], some].T) - own[rows]
            order = np.argsort(-lead, axis=1)
            suspect[rows[order[np.arange(len(rows)) < counts[label, some][:, None]]]] = True
    return suspect
