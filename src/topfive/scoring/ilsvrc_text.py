"""The ILSVRC text submission and the development kit's measures; positional, so only for the edge.

A line is an image in file-name order and holds up to five ILSVRC2012_IDs (1 to 1000, best first). These ids are not
the class_index: the kit's order is not that of the sorted wnids.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN, BadInput, ClassList, Scores, write_text
from topfive.scoring.intervals import wilson
from topfive.scoring.score import few_guesses

PROTOCOL = "ilsvrc-flat/1"
"""`eval_flat.m` of the ILSVRC2012 development kit: over an image's labels the share that its first k guesses miss,
averaged over images. `hierarchical_error` is the 2010 kit's: the least cost among the first k guesses, averaged."""

N_GUESSES = 5
MAX_BYTES = 64 << 20  # 100,000 lines of five ids are 2.4 MB

_LINE = re.compile(rb"[ \t]*[0-9]+(?:[ \t]+[0-9]+)*[ \t]*\r?")


def read_submission(path: Path, n_classes: int = 1000, *, allow_repeats: bool = False) -> NDArray[np.int32]:
    """Read a submission as int32 [n, 5], short lines padded with 0; raises BadInput naming file and line.

    Fields are plain ASCII digits between spaces or tabs; a line may end in CR LF. Refused: a blank line (the kit's
    reader would skip it and shift all that follow), a byte-order mark, NUL, more than five, an id outside
    1..n_classes, and an id twice in a line unless `allow_repeats` (the kit counts such a line as it stands, and 13,518
    lines of its own demo repeat an id).
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"is over {MAX_BYTES >> 20} MiB", where=path, fix="A submission holds five ids a line")
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=path) from error
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise BadInput("is empty", where=path, fix="Write one line an image, up to five ids each")
    result = np.zeros((len(lines), N_GUESSES), dtype=np.int32)
    for row, line in enumerate(lines):
        fields = line.split() if _LINE.fullmatch(line) else []
        # Nine digits fit int32 and are far outside any class list; longer ones never reach int().
        ids = [int(field) for field in fields if len(field) <= 9]
        repeats = not allow_repeats and len(set(ids)) != len(ids)
        if not ids or len(fields) > N_GUESSES or len(ids) != len(fields) or repeats:
            raise _malformed(path, row + 1, line, fields)
        if min(ids) < 1 or max(ids) > n_classes:
            outside = next(value for value in ids if not 1 <= value <= n_classes)
            raise BadInput(f"{outside} is outside 1..{n_classes}", where=path, row=row + 1)
        result[row, : len(ids)] = ids
    return result


def _malformed(path: Path, row: int, line: bytes, fields: list[bytes]) -> BadInput:
    if len(fields) > N_GUESSES:
        return BadInput(f"{len(fields)} ids, at most {N_GUESSES} count", where=path, row=row)
    long = [field for field in fields if len(field) > 9]
    if long:
        return BadInput(f"an id of {len(long[0])} digits is out of range", where=path, row=row)
    if fields:
        ids = [int(field) for field in fields]
        return BadInput(f"names class {next(i for i in ids if ids.count(i) > 1)} twice", where=path, row=row)
    if not line.strip():
        return BadInput("is blank", where=path, row=row, fix="Give each image at least one id")
    if line.startswith(b"\xef\xbb\xbf"):
        return BadInput("begins with a byte-order mark", where=path, row=row, fix="Save it as plain ASCII")
    if b"\0" in line:
        return BadInput("holds a NUL byte", where=path, row=row, fix="Save it as plain ASCII")
    bad = next((f for f in re.split(rb"[ \t\r]+", line) if f and not re.fullmatch(rb"[0-9]+", f)), line)
    return BadInput(f"{bad[:40]!r} is no positive integer", where=path, row=row, fix="Write ids as ASCII digits")


def write_submission(path: Path, submission: NDArray[np.int32]) -> None:
    """Write int32 [n, 5] ILSVRC2012_IDs in file-name order, zeros at the end of a row left out."""
    write_text(path, "".join(" ".join(str(i) for i in row if i) + "\n" for row in submission.tolist()))


def flat_errors(
    submission: NDArray[np.int32], truth_ids: NDArray[np.integer[Any]], where: str | Path = "submission"
) -> tuple[float, float, float, float, float]:
    """Flat error for k = 1..5 of a submission [n, 5] against ILSVRC2012_IDs [n] or, zero-padded, [n, labels].

    Raises BadInput where the numbers of lines differ, or an image has no label.
    """
    _same_length(len(submission), len(truth_ids), where)
    truth = truth_ids.reshape(len(truth_ids), -1)
    n_labels = np.count_nonzero(truth, axis=1)
    if not n_labels.all():
        raise BadInput("has no label", where="truth", row=int(np.flatnonzero(n_labels == 0)[0]) + 1)
    found = np.zeros(truth.shape, dtype=bool)
    errors = []
    for k in range(N_GUESSES):
        found |= truth == submission[:, k, None]
        missed = np.count_nonzero(~found & (truth != 0), axis=1)  # the padding always matches
        errors.append(float((missed / n_labels).mean()))
    return (errors[0], errors[1], errors[2], errors[3], errors[4])


def hierarchical_errors(
    submission_index: NDArray[np.int32],
    truth_index: NDArray[np.int32],
    cost: NDArray[np.uint8],
    where: str | Path = "submission",
) -> tuple[float, float, float, float, float]:
    """Mean over images of the least `cost[truth, guess]` among the first k guesses, k = 1..5.

    `submission_index` is class_index [n, 5] with UNKNOWN for guesses not made, `truth_index` [n], `cost` [K, K] with
    zeros on its diagonal. Raises BadInput where a row has no first guess or an index is outside the matrix.
    """
    _same_length(len(submission_index), len(truth_index), where)
    if (submission_index[:, 0] == UNKNOWN).any():
        raise BadInput("has no guess", where=where, row=int(np.argmax(submission_index[:, 0] == UNKNOWN)) + 1)
    size = len(cost)
    outside = ((submission_index < UNKNOWN) | (submission_index >= size)).any(axis=1)
    outside |= (truth_index < 0) | (truth_index >= size)
    if outside.any():
        raise BadInput(f"class_index outside the {size} of the costs", where=where, row=int(np.argmax(outside)) + 1)
    paid = np.where(submission_index == UNKNOWN, 255, cost[truth_index[:, None], submission_index])
    errors = np.minimum.accumulate(paid, axis=1).mean(axis=0).tolist()
    return (errors[0], errors[1], errors[2], errors[3], errors[4])


def score_submission(
    submission: NDArray[np.int32],
    truth_ids: NDArray[np.int32],
    *,
    classes: ClassList,
    index_of_id: NDArray[np.int32],
    cost: NDArray[np.uint8] | None = None,
    where: str | Path = "submission",
) -> Scores:
    """Scores of a text submission against one ILSVRC2012_ID an image, with `flat_error` under `extra`.

    `index_of_id` maps an ILSVRC2012_ID to its class_index in `classes` (entry 0, the padding, is UNKNOWN); with
    `cost` over those classes `extra` also has `hierarchical_error`.
    """
    flat = flat_errors(submission, truth_ids, where)
    n = len(submission)
    truth_index = index_of_id[truth_ids]
    right = submission == truth_ids[:, None]
    correct = [right[:, :1].any(axis=1), right.any(axis=1)]
    counts = np.stack([np.bincount(truth_index[m], minlength=len(classes)) for m in (np.ones(n, bool), *correct)], 1)
    top1, top5 = (int(np.count_nonzero(mask)) for mask in correct)
    extra = {"flat_error": list(flat)} | few_guesses(int((submission != 0).any(axis=0).sum()), len(classes))
    if cost is not None:
        extra["hierarchical_error"] = list(hierarchical_errors(index_of_id[submission], truth_index, cost, where))
    return Scores(
        n=n,
        protocol=PROTOCOL,
        truth="original",
        classes=classes.digest,
        view=None,
        top1_correct=top1,
        top5_correct=top5,
        top1_error=(n - top1) / n,
        top5_error=(n - top5) / n,
        top1_error_interval=wilson(n - top1, n),
        top5_error_interval=wilson(n - top5, n),
        per_class={w: (a, b, c) for w, (a, b, c) in zip(classes.wnids, counts.tolist(), strict=True) if a},
        extra=extra,
    )


def _same_length(n: int, expected: int, where: str | Path) -> None:
    if n != expected:
        raise BadInput(f"has {n} lines, the truth {expected}", where=where, fix="Write one line an image, in order")
    if n == 0:
        raise BadInput("is empty", where=where)
