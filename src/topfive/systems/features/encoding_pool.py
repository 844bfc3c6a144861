"""Threads that each work on a picture of their own: sampling descriptors and turning pictures into rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import Progress, View, silent

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

_SAMPLED_PICTURES = 2000


@contextmanager
def one_picture_each(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool in which the matrix library has one thread: its own would only be in the pool's way."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1), ThreadPoolExecutor(workers, thread_name_prefix="encode") as pool:
        yield pool


def rows_of(
    encode: Callable[[Picture], Floats],
    length: int,
    pictures: Pictures,
    view: View,
    *,
    batch_size: int = 64,
    progress: Progress = silent,
    task: str = "encoding",
) -> Floats:
    """`encode` of each picture, uint8 [crop, crop, 3] to [length], as float32 [n, length] in the pictures' order.

    Each picture is encoded alone: the same, bit for bit, in any batch, order and number of threads.
    """
    out = np.empty((len(pictures), length), dtype=np.float32)

    def fill(row: int, picture: Picture) -> None:
        out[row] = encode(picture)

    done = 0
    with one_picture_each(pictures.workers) as pool:
        for batch in pictures.batches(view, batch_size):
            list(pool.map(fill, range(done, done + len(batch)), batch.images))
            done += len(batch)
            progress(task, done, len(pictures), "images")
    return out


def sample_descriptors(
    describers: Sequence[Callable[[Picture], Floats]],
    pictures: Pictures,
    view: View,
    n_sampled: int,
    *,
    seed: int,
    progress: Progress = silent,
) -> list[Floats]:
    """Up to `n_sampled` descriptors of each kind, float32 [n, D], drawn evenly from up to 2,000 pictures."""
    n_pictures = min(len(pictures), _SAMPLED_PICTURES)
    chosen = np.sort(np.random.default_rng([seed, 1]).permutation(len(pictures))[:n_pictures])
    each = -(-n_sampled // n_pictures)

    def sample(row: int, picture: Picture) -> list[Floats]:
        taken = []
        for kind, describe in enumerate(describers):
            found = describe(picture)
            taken.append(found[np.random.default_rng([seed, 2, row, kind]).permutation(len(found))[:each]])
        return taken

    rows: list[list[Floats]] = []
    with one_picture_each(pictures.workers) as pool:
        for batch in pictures.take(chosen).batches(view):
            rows += pool.map(sample, range(len(rows), len(rows) + len(batch)), batch.images)
            progress("sampling descriptors", len(rows), n_pictures, "images")
    samples = []
    for kind in range(len(describers)):
        flat = np.concatenate([row[kind] for row in rows])
        samples.append(flat[np.random.default_rng([seed, 3, kind]).permutation(len(flat))[:n_sampled]])
    return samples
