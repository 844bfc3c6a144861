"""Localisation, task 2 of ILSVRC: a guess counts where its label is right and its box overlaps enough; positional.

A submission's line holds up to five groups `label xmin ymin xmax ymax`, best first, in file-name order; corners are
inclusive pixel positions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

PROTOCOL = "ilsvrc-localisation/1"
"""`eval_localization_flat.m` of the ILSVRC2012 development kit: over an image's labels the share for which none of the
first k guesses has that label and a box with an overlap of at least one half with one of the image's boxes of it,
averaged over images. Overlap is intersection over union of inclusive corners; the label 1001 fits any box."""

N_GUESSES = 5
ANY_BOX = 1001
LEAST_OVERLAP = 0.5
MAX_BYTES = 256 << 20
_NUMBER = re.compile(rb"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, eq=False)
class Boxes:
    """Image i has the boxes `corners[offsets[i]:offsets[i + 1]]` (float64 [m, 4]: xmin, ymin, xmax, ymax).

    `labels` int32 [m] are their ILSVRC2012_IDs.
    """

    offsets: NDArray[np.int64]
    labels: NDArray[np.int32]
    corners: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def read_box_submission(path: Path, n_classes: int = 1000) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Labels int32 [n, 5] (0 where a line is short) and boxes float64 [n, 5, 4]; groups after the fifth are ignored.

    Raises BadInput naming file and line: no whole groups of five numbers, a label that is no ILSVRC2012_ID, a corner
    that lies before the other, a blank line (the kit would skip it and shift all that follow).
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"is over {MAX_BYTES >> 20} MiB", where=path, fix="Give five groups of five numbers a line")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=path) from error
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise BadInput("is empty", where=path, fix="Write one line an image: label xmin ymin xmax ymax, up to five")
    values = np.zeros((len(lines), N_GUESSES * 5))
    for row, line in enumerate(lines):
        fields = line.split()[: N_GUESSES * 5]
        bad = next((field for field in fields if not _NUMBER.fullmatch(field)), None)
        if bad is not None:
            raise BadInput(f"{bad[:40]!r} is no number", where=path, row=row + 1)
        if not fields or len(fields) % 5:
            reason = "is blank" if not fields else f"holds {len(fields)} numbers, not groups of five"
            raise BadInput(reason, where=path, row=row + 1, fix="Write label xmin ymin xmax ymax, up to five times")
        values[row, : len(fields)] = [float(field) for field in fields]
    groups = values.reshape(len(lines), N_GUESSES, 5)
    labels, boxes = groups[:, :, 0], groups[:, :, 1:]
    made = np.arange(N_GUESSES) < np.array([len(line.split()) // 5 for line in lines])[:, None]
    wrong = made & ((labels < 1) | (labels > n_classes) | (labels != np.floor(labels)))
    turned = made & ((boxes[:, :, 2] < boxes[:, :, 0]) | (boxes[:, :, 3] < boxes[:, :, 1]))
    for mask, words in (
        (wrong, f"has a label outside 1..{n_classes}"),
        (turned, "has a box whose corners are swapped"),
    ):
        if mask.any():
            row = int(np.flatnonzero(mask.any(axis=1))[0])
            at = int(np.flatnonzero(mask[row])[0])
            raise BadInput(f"guess {at + 1} {words} ({groups[row, at].tolist()})", where=path, row=row + 1)
    return labels.astype(np.int32), boxes


def localisation_errors(
    labels: NDArray[np.int32],
    boxes: NDArray[np.float64],
    truth_ids: NDArray[np.integer[Any]],
    truth: Boxes,
    left_out: NDArray[np.bool_] | None = None,
    where: str | Path = "submission",
) -> tuple[float, ...]:
    """Localisation error for k = 1 to 5 of guesses [n, 5] against ILSVRC2012_IDs [n] or, zero-padded, [n, labels].

    Images of the mask `left_out` (the later kits' blacklist) are not counted. Raises BadInput where numbers of lines
    differ, and on an image without a label or without a box of its label (the kit's routine stops there).
    """
    n = len(labels)
    if n != len(truth_ids) or n != len(truth):
        raise BadInput(
            f"has {n} lines, the truth {len(truth_ids)} labels and {len(truth)} lists of boxes", where=where,
            fix="Write one line an image, in order",
        )  # fmt: skip
    kept = np.ones(n, dtype=bool) if left_out is None else ~left_out
    if not kept.any():
        raise BadInput("has no image to count", where=where)
    wanted = truth_ids.reshape(n, -1)
    given, slot = np.nonzero((wanted != 0) & kept[:, None])
    n_labels = np.count_nonzero(wanted, axis=1)
    if (n_labels[kept] == 0).any():
        raise BadInput("has no label", where="truth", row=int(np.flatnonzero(kept & (n_labels == 0))[0]) + 1)
    # Every (label of an image, box of the image): which boxes count for it.
    per_image = np.diff(truth.offsets)[given]
    pair = np.repeat(np.arange(len(given)), per_image)
    first = np.repeat(np.cumsum(per_image) - per_image, per_image)
    box = np.repeat(truth.offsets[:-1][given], per_image) + np.arange(len(pair)) - first
    label = wanted[given, slot]
    counts = (truth.labels[box] == label[pair]) | (label[pair] == ANY_BOX)
    pair, box = pair[counts], box[counts]
    boxless = np.flatnonzero(np.bincount(pair, minlength=len(given)) == 0)
    if len(boxless):
        row, lacks = int(given[boxless[0]]), int(label[boxless[0]])
        raise BadInput(f"has no box of its label {lacks}", where="truth", row=row + 1, fix="Leave such images out")
    found = np.zeros(len(given), dtype=bool)
    errors = []
    for k in range(N_GUESSES):
        near = overlap(boxes[given[pair], k], truth.corners[box]) >= LEAST_OVERLAP
        right = near & (labels[given[pair], k] == label[pair])
        found |= np.bincount(pair[right], minlength=len(given)) > 0
        missed = np.bincount(given[~found], minlength=n)
        errors.append(float((missed[kept] / n_labels[kept]).mean()))
    return tuple(errors)


def overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes [m, 4] pair by pair, corners inclusive; -1 where they are apart."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, 2:], second[:, 2:])
    sides = high - low + 1
    shared = sides.prod(axis=1)
    areas = (first[:, 2:] - first[:, :2] + 1).prod(axis=1) + (second[:, 2:] - second[:, :2] + 1).prod(axis=1)
    apart = (sides <= 0).any(axis=1)
    return np.where(apart, -1.0, shared / np.where(apart, 1.0, areas - shared))


def boxes_by_image(
    ids: Sequence[str], image_ids: Sequence[str], labels: NDArray[np.int32], corners: NDArray[np.float64]
) -> Boxes:
    """Boxes given one by one (whose image, which ILSVRC2012_ID, which corners) in the order of the images `ids`.

    Boxes of other images are left aside.
    """
    row_of = {image_id: row for row, image_id in enumerate(ids)}
    row = np.array([row_of.get(image_id, len(ids)) for image_id in image_ids], dtype=np.int64)
    order = np.argsort(row, kind="stable")[: np.count_nonzero(row < len(ids))]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row[order], minlength=len(ids)))])
    return Boxes(offsets, labels[order], corners[order])
