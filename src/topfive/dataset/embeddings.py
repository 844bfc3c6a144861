"""Embeddings: what a network makes of each picture, short enough to keep for all, and who is near whom by it.

A network's features are made of length one and projected on 256 fixed directions of random signs: half a kilobyte a
picture, and the angle between two alike pictures stays the same within a few hundredths. Like fingerprints they are
kept in parts, by what the bytes are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.dataset.fingerprints import picture_keys
from topfive.records import BadInput, Dataset, Progress, held_folder, replacing, silent

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]

WIDTH = 256
NEIGHBOURS = 8
"""Of each picture these are looked at: of 13 kinds of copies of 500 photographs each had its original among five."""
LEAST = 0.5
"""The least cosine of two pictures that are looked at: those copies came to 0.6, 99 % of other pictures to 0.37."""
_PART, _KEPT = 1_024, 65_536
"""Pictures a part: what a stopped run loses at most, and of a set whose embeddings were all there."""
_ASKED = 8_192
"""Pictures whose neighbours are searched at a time."""
_FOLDER = "embeddings"


@dataclass(frozen=True)
class Embedding:
    """A network as the search for duplicates needs it.

    `name` tells it, and what it sees of a picture, from others. `look(rows, progress)` gives float32 [m, d] for rows of
    the manifest. `nearest(queries, rows, k)` gives places and dot products [m, k], best first.
    """

    name: str
    look: Callable[[NDArray[np.int64], Progress], Floats]
    nearest: Callable[[Floats, Floats, int], tuple[NDArray[np.int64], Floats]]


def embeddings(
    dataset: Dataset,
    rows: NDArray[np.int64],
    embedding: Embedding,
    *,
    known: Path | None = None,
    progress: Progress = silent,
) -> Halves:
    """Float16 [len(rows), WIDTH or fewer], each of length about one: kept ones from the set's folder or from `known`'s.

    Raises BadInput where the folder cannot be written or is being written, and where the network gives no numbers.
    """
    every = picture_keys(dataset.root, dataset.manifest)
    keys = [every[row] for row in rows]
    folder = dataset.root / _FOLDER / embedding.name
    made = _read(folder)
    if known is not None:
        made = _read(known / _FOLDER / embedding.name) | made
    missing = np.array([place for place, key in enumerate(keys) if key not in made], dtype=np.int64)
    if len(missing):
        with held_folder(folder):
            for start in range(0, len(missing), _PART):
                some = missing[start : start + _PART]
                done = len(keys) - len(missing) + start
                values = projected(embedding.look(rows[some], _counted(progress, done, len(keys))))
                names = [keys[place] for place in some]
                _write(_next(folder), names, values)
                made |= dict(zip(names, values, strict=True))
    return np.stack([made[key] for key in keys]) if keys else np.empty((0, WIDTH), dtype=np.float16)


def keep_embeddings(dataset: Dataset, name: str, rows: NDArray[np.int64], values: Halves) -> None:
    """Write these rows' embeddings into a set's folder, where a later set that grew from it finds them."""
    every = picture_keys(dataset.root, dataset.manifest)
    folder = dataset.root / _FOLDER / name
    with held_folder(folder):
        for start in range(0, len(rows), _KEPT):
            some = slice(start, start + _KEPT)
            _write(_next(folder), [every[row] for row in rows[some]], values[some])


def projected(features: Floats) -> Halves:
    """Features [m, d] made of length one and, where they are longer than WIDTH, projected: cosines stay nearly as they
    were. A picture of which the network makes nothing (all zero) is near none. Raises BadInput for what is not finite.
    """
    if features.ndim != 2 or not np.isfinite(features).all():
        raise BadInput(
            "gives features that are no rows of finite numbers", where="--embedding", fix="Name another model"
        )
    length = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    unit = (features / np.where(length > 0, length, 1.0)).astype(np.float32)
    if unit.shape[1] > WIDTH:
        signs = np.random.default_rng(0).integers(0, 2, (unit.shape[1], WIDTH)) * 2 - 1
        unit = unit @ (signs / np.sqrt(WIDTH)).astype(np.float32)
    return unit.astype(np.float16)


def candidates(
    values: Halves, asked: NDArray[np.int64], embedding: Embedding, progress: Progress = silent
) -> NDArray[np.int64]:
    """Pairs of places [m, 2] to look at, lower first, in order: each of `asked` with its NEIGHBOURS nearest of all."""
    n = len(values)
    found = [np.empty((0, 2), dtype=np.int64)]
    rows = values.astype(np.float32)
    for start in range(0, len(asked) if n > 1 else 0, _ASKED):
        some = asked[start : start + _ASKED]
        index, cosine = embedding.nearest(rows[some], rows, min(NEIGHBOURS + 1, n))
        one = np.broadcast_to(some[:, None], index.shape)
        near = (cosine >= LEAST) & (index != one)
        found.append(np.sort(np.stack([one[near], index[near]], axis=1), axis=1))
        progress("neighbours", start + len(some), len(asked), "images")
    return np.unique(np.concatenate(found), axis=0)


def _counted(progress: Progress, before: int, n: int) -> Progress:
    """Tells of a part as of a piece of the whole."""

    def told(what: str, done: float, total: float | None, unit: str = "") -> None:
        progress("embeddings", before + done, n, unit)

    return told


def _next(folder: Path) -> Path:
    numbers = [path.stem.removeprefix("part-") for path in folder.glob("part-*.parquet")]
    return folder / f"part-{1 + max((int(n) for n in numbers if n.isdecimal()), default=-1):05d}.parquet"


def _write(path: Path, keys: list[str], values: Halves) -> None:
    flat = pa.array(values.astype(np.float16, copy=False).ravel())
    table = pa.table({"key": keys, "vector": pa.FixedSizeListArray.from_arrays(flat, values.shape[1])})
    with replacing(path) as aside:
        pq.write_table(table, aside)


def _read(folder: Path) -> dict[str, Halves]:
    """What the parts of a folder hold, by key; a part that is damaged is made again."""
    found: dict[str, Halves] = {}
    for path in sorted(folder.glob("part-*.parquet")):
        try:
            table = pq.read_table(path).combine_chunks()
            column = table["vector"].combine_chunks()
            values = column.values.to_numpy(zero_copy_only=False).reshape(len(column), -1)
            found |= dict(zip(table["key"].to_pylist(), values, strict=True))
        except (OSError, KeyError, ValueError, AttributeError, pa.ArrowException):
            continue
    return found
