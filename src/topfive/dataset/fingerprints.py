"""Fingerprints: what a picture is recognised by again, after another compression or at another size.

Every picture is decoded once and reduced to 32 x 32 px; all that is compared afterwards comes from that reduction and
from the digest of the full pixels. Fingerprints are kept in parts as they are made, by what the bytes are, so that a
stopped run goes on where it was and a set that has grown reads its new pictures only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.dataset.ahead import map_ahead
from topfive.dataset.parts import cut
from topfive.dataset.pieces import Pieces
from topfive.loading import Later, Pictures, decode, is_remote, run_parts
from topfive.records import BadInput, Dataset, Manifest, Progress, held_folder, replacing, silent

SIDE_PX = 32
LUMA_PX, CHROMA_PX = 16, 8
THUMB = LUMA_PX**2 + 2 * CHROMA_PX**2
"""Values of a thumbnail: brightness at 16 x 16, two colour differences at 8 x 8."""

_LOOKS = 1
"""Counts the definitions of a fingerprint; parts of another definition are not read."""
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

    `known` is another dataset folder whose fingerprints are taken for pictures with the same bytes. `workers` processes
    decode, or threads where it is little, or the cores of the `cluster` (an address as `run_parts` takes it). A picture
    that does not decode has none. Raises BadInput where a container is missing, and where the folder cannot be written
    or is being written.
    """
    if workers < 1:
        raise BadInput(f"{workers} processes cannot decode", where="workers", fix="Use 1 or more")
    keys = picture_keys(dataset.root, dataset.manifest)
    folder = dataset.root / _FOLDER
    made = _Filling(keys)
    for place in (folder,) if known is None else (known / _FOLDER, folder):
        for names, part in _read(place):
            made.put(names, part)
    missing = made.missing()
    if not len(missing):
        return made.whole()
    progress("fingerprints", made.n_there(), len(keys), "images")
    parts = list(cut(missing, dataset.manifest.column("size")))
    looked = run_parts(_made, Later(Pieces(dataset).of, parts), workers=workers, cluster=cluster)
    with held_folder(folder), closing(looked):
        for number, (rows, part) in enumerate(zip(parts, looked, strict=True), _next_number(folder)):
            names = [keys[row] for row in rows]
            _write(folder / f"part-{number:05d}.parquet", names, part)
            made.put(names, part)
            progress("fingerprints", made.n_there(), len(keys), "images")
    return made.whole()


def keep_fingerprints(dataset: Dataset, prints: Fingerprints) -> None:
    """Write the fingerprints of a set's rows into its folder, where a later set that grew from it finds them."""
    keys = picture_keys(dataset.root, dataset.manifest)
    folder = dataset.root / _FOLDER
    with held_folder(folder):
        for number, start in enumerate(range(0, len(keys), _KEPT)):
            some = prints.take(np.arange(start, min(start + _KEPT, len(keys))))
            _write(folder / f"part-{number:05d}.parquet", keys[start : start + _KEPT], some)


def _next_number(folder: Path) -> int:
    numbers = [path.stem.removeprefix("part-") for path in folder.glob("part-*.parquet")]
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)


def picture_keys(root: Path, manifest: Manifest) -> list[str]:
    """What the bytes of each row are: their SHA-256, else the place they lie at, one name from any set's folder."""
    places = (manifest.column(name) for name in ("sha256", "container", "offset", "size"))
    where = {box: box if is_remote(box) else str(root / box) for box in set(manifest.column("container"))}
    return [digest or f"{where[box]}:{at}:{size}" for digest, box, at, size in zip(*places, strict=True)]


def _made(piece: Dataset, threads: int) -> Fingerprints:
    """Those of a piece's pictures, by so many threads."""
    pictures = Pictures(piece, piece.manifest, labels=False)
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

    for _ in map_ahead(look, range(0, n, _RUN), threads):
        pass
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


def _read(folder: Path) -> Iterator[tuple[list[str], Fingerprints]]:
    """What the parts of a folder hold, one after another; one that is damaged or of another definition is left out."""
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
            keys = table["key"].to_pylist()
        except (OSError, KeyError, ValueError, pa.ArrowException):
            continue
        yield keys, part


def _fixed(column: pa.ChunkedArray, width: int) -> NDArray[np.uint8]:
    parts = []
    for chunk in column.chunks:
        start = chunk.offset * width
        values = np.frombuffer(chunk.buffers()[1], dtype=np.uint8)[start : start + len(chunk) * width]
        parts.append(values.reshape(-1, width))
    return np.concatenate(parts) if parts else np.empty((0, width), dtype=np.uint8)


class _Filling:
    """Fingerprints of a set's rows as they come, by their keys and in any order; rows of one key are one picture."""

    def __init__(self, keys: list[str]) -> None:
        n = len(keys)
        self._row: dict[str, int] = {}
        self._same = np.array([self._row.setdefault(key, row) for row, key in enumerate(keys)], dtype=np.int64)
        self._there = np.zeros(n, dtype=np.bool_)
        self._out = Fingerprints(
            np.zeros(n, dtype=np.bool_),
            np.zeros(n, dtype="V16"),
            np.zeros(n, dtype=np.uint64),
            np.zeros((n, THUMB), dtype=np.uint8),
        )

    def put(self, keys: list[str], part: Fingerprints) -> None:
        """Take those of a part that are of this set."""
        row = np.array([self._row.get(key, -1) for key in keys], dtype=np.int64)
        places = np.flatnonzero(row >= 0)
        self._set(row[places], part, places)
        self._there[row[places]] = True

    def missing(self) -> NDArray[np.int64]:
        """A row of each picture that has not come."""
        return np.flatnonzero((self._same == np.arange(len(self._same))) & ~self._there)

    def n_there(self) -> int:
        """Rows that have theirs."""
        return int(np.count_nonzero(self._there[self._same]))

    def whole(self) -> Fingerprints:
        """All of them."""
        rows = np.flatnonzero(self._same != np.arange(len(self._same)))
        self._set(rows, self._out, self._same[rows])
        return self._out

    def _set(self, rows: NDArray[np.int64], part: Fingerprints, places: NDArray[np.int64]) -> None:
        for name in ("known", "pixels", "hash", "thumb"):
            getattr(self._out, name)[rows] = getattr(part, name)[places]
