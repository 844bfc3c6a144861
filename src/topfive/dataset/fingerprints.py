"""Fingerprints: what a picture is recognised by again, after another compression or at another size.

Every picture is decoded once and reduced to 32 x 32 px; all that is compared afterwards comes from that reduction and
from the digest of the full pixels. Fingerprints are kept in parts as they are made, by what the bytes are, so that a
stopped run goes on where it was and a set that has grown reads its new pictures only.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.dataset.opened import opened
from topfive.loading import Pictures, decode, is_remote, run_parts
from topfive.records import BadInput, Dataset, Manifest, Progress, held_folder, replacing, silent

SIDE_PX = 32
LUMA_PX, CHROMA_PX = 16, 8
THUMB = LUMA_PX**2 + 2 * CHROMA_PX**2
"""Values of a thumbnail: brightness at 16 x 16, two colour differences at 8 x 8."""

_LOOKS = 1
"""Counts the definitions of a fingerprint; parts of another definition are not read."""
_PART = 2_048
"""Pictures a part: what a run that is stopped loses at most, and what is in memory as Python objects at once."""
_KEPT = 65_536
"""Pictures a part of a set whose fingerprints were all there."""
_RUN = 32
"""Pictures a thread takes at a time."""
_FOLDER = "fingerprints"


@dataclass(frozen=True)
class Fingerprints:
    """Row by row of a manifest: `known` bool [n] (false where the picture does not decode), `pixels` void16 [n] (digest
    of size and RGB values), `hash` uint64 [n] (signs of low frequencies), `thumb` uint8 [n, THUMB]."""

    known: NDArray[np.bool_]
    pixels: NDArray[np.void]
    hash: NDArray[np.uint64]
    thumb: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.known)

    def take(self, rows: NDArray[np.int64]) -> Fingerprints:
        """Those of the rows at these positions."""
        return Fingerprints(self.known[rows], self.pixels[rows], self.hash[rows], self.thumb[rows])


def fingerprints(
    dataset: Dataset,
    *,
    known: Path | None = None,
    workers: int = 2,
    cluster: str = "",
    progress: Progress = silent,
) -> Fingerprints:
    """Fingerprints of every picture of a set, read from its folder where they were made before, else made there.

    `known` is another dataset folder whose fingerprints are taken for pictures with the same bytes. `workers` threads
    decode, here or on each core of the `cluster` (an address as `run_parts` takes it). A picture that does not decode
    has none. Raises BadInput where a container is missing, and where the folder cannot be written or is being written.
    """
    if workers < 1:
        raise BadInput(f"{workers} threads cannot decode", where="workers", fix="Use 1 or more")
    keys = _keys(dataset.root, dataset.manifest)
    folder = dataset.root / _FOLDER
    made = _read(folder)
    if known is not None:
        made = _read(known / _FOLDER) | made
    missing = np.array([row for row, key in enumerate(keys) if key not in made], dtype=np.int64)
    if not len(missing):
        return _joined([made[key] for key in keys])
    done, total = len(keys) - len(missing), len(keys)
    progress("fingerprints", done, total, "images")
    parts = [missing[start : start + _PART] for start in range(0, len(missing), _PART)]
    job = partial(_made_elsewhere, dataset.root) if cluster else partial(_made_here, dataset, workers)
    with held_folder(folder):
        number = _next_number(folder)
        for rows, part in zip(parts, run_parts(job, parts, cluster=cluster), strict=True):
            names = [keys[row] for row in rows]
            _write(folder / f"part-{number:05d}.parquet", names, part)
            made |= {name: (part, place) for place, name in enumerate(names)}
            number += 1
            done += len(rows)
            progress("fingerprints", done, total, "images")
    return _joined([made[key] for key in keys])


def keep_fingerprints(dataset: Dataset, prints: Fingerprints) -> None:
    """Write the fingerprints of a set's rows into its folder, where a later set that grew from it finds them."""
    keys = _keys(dataset.root, dataset.manifest)
    folder = dataset.root / _FOLDER
    with held_folder(folder):
        for number, start in enumerate(range(0, len(keys), _KEPT)):
            some = prints.take(np.arange(start, min(start + _KEPT, len(keys))))
            _write(folder / f"part-{number:05d}.parquet", keys[start : start + _KEPT], some)


def _next_number(folder: Path) -> int:
    numbers = [path.stem.removeprefix("part-") for path in folder.glob("part-*.parquet")]
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)


def _made_here(dataset: Dataset, workers: int, rows: NDArray[np.int64]) -> Fingerprints:
    with ThreadPoolExecutor(workers, thread_name_prefix="fingerprint") as pool:
        return _make(Pictures(dataset, dataset.manifest.take(rows), labels=False), pool)


def _made_elsewhere(root: Path, rows: NDArray[np.int64]) -> Fingerprints:
    """As `_made_here`, by a process that has only the set's place."""
    return _made_here(opened(root), 1, rows)


def _keys(root: Path, manifest: Manifest) -> list[str]:
    """What the bytes of each row are: their SHA-256, else the place they lie at, one name from any set's folder."""
    places = (manifest.column(name) for name in ("sha256", "container", "offset", "size"))
    where = {box: box if is_remote(box) else str(root / box) for box in set(manifest.column("container"))}
    return [digest or f"{where[box]}:{at}:{size}" for digest, box, at, size in zip(*places, strict=True)]


def _make(pictures: Pictures, pool: ThreadPoolExecutor) -> Fingerprints:
    n = len(pictures)
    known = np.zeros(n, dtype=np.bool_)
    pixels = np.zeros((n, 16), dtype=np.uint8)
    small = np.zeros((n, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)

    def look(first: int) -> None:
        for row in range(first, min(first + _RUN, n)):
            data = pictures.read(row)
            try:
                full = decode(data, "exact")
            except BadInput:
                continue
            known[row] = True
            pixels[row] = np.frombuffer(_pixel_digest(full), dtype=np.uint8)
            small[row] = _reduced(full)

    for job in [pool.submit(look, first) for first in range(0, n, _RUN)]:
        job.result()
    thumb, low = describe(small)
    return Fingerprints(known, pixels.view("V16")[:, 0], low, thumb)


def _pixel_digest(full: NDArray[np.uint8]) -> bytes:
    state = hashlib.blake2b(f"{full.shape}".encode(), digest_size=16)
    state.update(np.ascontiguousarray(full).data)
    return state.digest()


def _reduced(full: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """32 x 32 px whatever the aspect, each a mean of what it covers (Pillow's triangle, widened as it shrinks)."""
    from PIL import Image

    return np.asarray(Image.fromarray(full).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR), dtype=np.uint8)


def describe(small: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Thumbnails uint8 [n, THUMB] and hashes uint64 [n] of reduced pictures uint8 [n, 32, 32, 3].

    A hash holds the signs of the 64 lowest frequencies of brightness (cosine transform, the mean left out), each
    against the picture's median: the perceptual hash in common use, on one picture size.
    """
    rgb = small.astype(np.float32)
    luma = rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    blue = 128.0 + 0.564 * (rgb[..., 2] - luma)
    red = 128.0 + 0.713 * (rgb[..., 0] - luma)
    n = len(small)
    parts = [_pooled(luma, LUMA_PX), _pooled(blue, CHROMA_PX), _pooled(red, CHROMA_PX)]
    thumb = np.concatenate([part.reshape(n, -1) for part in parts], axis=1)
    waves = _COSINES @ luma @ _COSINES.T
    low = waves.reshape(n, -1)[:, _LOWEST]
    bits = low > np.median(low, axis=1, keepdims=True)
    packed = np.ascontiguousarray(np.packbits(bits, axis=1, bitorder="little")).view("<u8")[:, 0].astype(np.uint64)
    return np.clip(np.rint(thumb), 0, 255).astype(np.uint8), packed


def _pooled(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    step = SIDE_PX // side
    return np.asarray(values.reshape(len(values), side, step, side, step).mean(axis=(2, 4)), dtype=np.float32)


def _cosines(n: int, side: int) -> NDArray[np.float32]:
    """The first n waves of the cosine transform of `side` values, [n, side]."""
    at = (np.arange(side) + 0.5) / side
    return np.cos(np.pi * np.arange(n)[:, None] * at).astype(np.float32)


_WAVES = 11
_COSINES = _cosines(_WAVES, SIDE_PX)
_PLACES = [(i + j, i, j) for i in range(_WAVES) for j in range(_WAVES) if i + j > 0]
_LOWEST = np.array([i * _WAVES + j for _, i, j in sorted(_PLACES)[:64]])
"""The 64 waves of least i + j, without the mean."""


def _write(path: Path, keys: list[str], part: Fingerprints) -> None:
    table = pa.table(
        {
            "key": pa.array(keys, type=pa.string()),
            "known": pa.array(part.known),
            "pixels": pa.array(list(map(bytes, part.pixels)), type=pa.binary(16)),
            "hash": pa.array(part.hash),
            "thumb": pa.array(list(map(bytes, part.thumb)), type=pa.binary(THUMB)),
        }
    ).replace_schema_metadata({"topfive.looks": str(_LOOKS)})
    with replacing(path) as aside:
        pq.write_table(table, aside, compression="zstd")


def _read(folder: Path) -> dict[str, tuple[Fingerprints, int]]:
    """What the parts of a folder hold, by key; a part that is damaged or of another definition is made again."""
    found: dict[str, tuple[Fingerprints, int]] = {}
    for path in sorted(folder.glob("part-*.parquet")):
        try:
            table = pq.read_table(path)
            if (table.schema.metadata or {}).get(b"topfive.looks") != str(_LOOKS).encode():
                continue
            n = table.num_rows
            part = Fingerprints(
                np.asarray(table["known"].to_numpy()),
                _fixed(table["pixels"], 16).view("V16").reshape(n),
                np.asarray(table["hash"].to_numpy(), dtype=np.uint64),
                _fixed(table["thumb"], THUMB),
            )
            found |= {key: (part, place) for place, key in enumerate(table["key"].to_pylist())}
        except (OSError, KeyError, ValueError, pa.ArrowException):
            continue
    return found


def _fixed(column: pa.ChunkedArray, width: int) -> NDArray[np.uint8]:
    parts = []
    for chunk in column.chunks:
        start = chunk.offset * width
        values = np.frombuffer(chunk.buffers()[1], dtype=np.uint8)[start : start + len(chunk) * width]
        parts.append(values.reshape(-1, width))
    return np.concatenate(parts) if parts else np.empty((0, width), dtype=np.uint8)


def _joined(found: list[tuple[Fingerprints, int]]) -> Fingerprints:
    """One record of rows that lie in many: they are gathered part by part."""
    n = len(found)
    out = Fingerprints(
        np.zeros(n, dtype=np.bool_),
        np.zeros(n, dtype="V16"),
        np.zeros(n, dtype=np.uint64),
        np.zeros((n, THUMB), dtype=np.uint8),
    )
    by_part: dict[int, tuple[Fingerprints, list[int], list[int]]] = {}
    for row, (part, place) in enumerate(found):
        _, rows, places = by_part.setdefault(id(part), (part, [], []))
        rows.append(row)
        places.append(place)
    for part, rows, places in by_part.values():
        for name in ("known", "pixels", "hash", "thumb"):
            getattr(out, name)[rows] = getattr(part, name)[places]
    return out
