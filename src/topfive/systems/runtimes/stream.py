"""A model's answers for a split as they come, the pictures that do not decode left out and named."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.loading import BadImage, OnBad, Pictures
from topfive.records import BadInput, Progress, silent
from topfive.systems.system import Fitted

Answers = Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]
"""Positions of pictures, ascending, int64 [m], and their logits, float32 [m, K]; never more than 1,024 at once."""
Score = Callable[[Pictures, Progress], NDArray[np.float32]]

_TOGETHER = 1_024


def answers(
    fitted: Fitted,
    pictures: Pictures,
    *,
    on_bad: OnBad,
    score: Score | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
) -> Answers:
    """Every picture once, in order, save those told to `on_bad`; memory is the same for any number of them.

    A model that takes batches of pixels (`fitted.run`) reads on while it computes; other systems, and any `score` of
    one's own, answer for 1,024 pictures at a time.
    """
    run = getattr(fitted, "run", None)
    if score is None and run is not None:
        return _blocks(_streamed(fitted, run, pictures, on_bad, batch_size), len(pictures), progress)

    def plain(part: Pictures, progress: Progress) -> NDArray[np.float32]:
        return fitted.scores(part, batch_size=batch_size, progress=progress)

    return _asked(fitted, pictures, on_bad, score or plain, progress)


def _streamed(fitted: Fitted, run: Any, pictures: Pictures, on_bad: OnBad, batch_size: int) -> Answers:
    places = {image_id: i for i, image_id in enumerate(pictures.ids)}
    waiting: deque[int] = deque()

    def images() -> Iterator[NDArray[np.uint8]]:
        for batch in pictures.batches(fitted.view, batch_size, on_bad=on_bad):
            waiting.extend(places[image_id] for image_id in batch.ids)
            yield batch.images

    for logits in run(images(), fitted.view):
        if len(logits) > len(waiting):
            raise _miscounted(fitted, f"more rows of scores than the {len(pictures)} pictures")
        yield np.array([waiting.popleft() for _ in range(len(logits))], dtype=np.int64), logits
    if waiting:
        raise _miscounted(fitted, f"no scores for {len(waiting)} of the {len(pictures)} pictures")


def _blocks(parts: Answers, n: int, progress: Progress) -> Answers:
    """The same in blocks of 1,024: a runtime may answer for one picture at a time."""
    held: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    count = 0
    for positions, logits in parts:
        held.append((positions, logits))
        count += len(positions)
        progress("predicting", int(positions[-1]) + 1 if len(positions) else 0, n, "images")
        if count >= _TOGETHER:
            yield _joined(held)
            held, count = [], 0
    if count:
        yield _joined(held)


def _joined(
    held: list[tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return np.concatenate([positions for positions, _ in held]), np.concatenate([logits for _, logits in held])


def _asked(fitted: Fitted, pictures: Pictures, on_bad: OnBad, score: Score, progress: Progress) -> Answers:
    n = len(pictures)
    for start in range(0, n, _TOGETHER):
        positions = np.arange(start, min(n, start + _TOGETHER))

        def shifted(what: str, done: float, total: float | None, unit: str = "", *, start: int = start) -> None:
            del total
            progress(what, start + done, n, unit)

        part = pictures if len(positions) == n else pictures.take(positions)
        try:
            yield positions, score(part, shifted)
        except BadImage:
            good = _decoding(fitted, part, on_bad)
            if len(good):
                yield positions[good], score(part.take(good), shifted)


def _decoding(fitted: Fitted, part: Pictures, on_bad: OnBad) -> NDArray[np.int64]:
    """Positions of the pictures that decode; one more pass, and only where one does not."""
    bad: set[str] = set()

    def noted(image_id: str, reason: str) -> None:
        bad.add(image_id)
        on_bad(image_id, reason)

    for _ in part.batches(fitted.view, on_bad=noted):
        pass
    return np.array([i for i, image_id in enumerate(part.ids) if image_id not in bad], dtype=np.int64)


def _miscounted(fitted: Fitted, reason: str) -> BadInput:
    name = getattr(fitted, "name", type(fitted).__name__)
    return BadInput(f"gives {reason}", where=name, fix="A model gives one row of scores a picture")
