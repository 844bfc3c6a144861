"""100,000 pictures in a tar of 100 tars, each found by its offset in the file: an index of names, offsets and sizes."""

from __future__ import annotations

import atexit
import contextlib
import io
import shutil
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.row import Sides, Timed
from topfive.dataset.nested import Inner, read_inner
from topfive.dataset.tar import read_tar
from topfive.records import silent

TITLE = "index of a nested tar, 100 x 1,000 members"
GOAL = ">= 3x"
_Rows = tuple[list[str], list[int], list[int]]


def sides(rng: np.random.Generator) -> Sides:
    folder = Path(tempfile.mkdtemp(prefix="topfive-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = _written(folder / "nested.tar", rng)

    def peer() -> Timed:
        from ratarmountcore.mountsource.formats.tar import SQLiteIndexedTar

        began = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            mounted = SQLiteIndexedTar(str(path), recursive=True, writeIndex=False, indexFilePath=":memory:")
        taken = time.perf_counter() - began
        wanted = "SELECT path, name, offset, size FROM files WHERE name LIKE '%.JPEG' ORDER BY offset"
        rows = [tuple(row) for row in mounted.index.get_connection().execute(wanted)]
        mounted.close()
        names = [f"{inner.strip('/')}/{name}" for inner, name, _, _ in rows]
        return Timed((names, [row[2] for row in rows], [row[3] for row in rows]), taken)

    def ours() -> Timed:
        began = time.perf_counter()
        inner = [Inner(one.name, str(path), one.offset, one.size, 0) for one in read_tar(path).members]
        images, _ = read_inner(inner, "train", folder, silent)
        taken = time.perf_counter() - began
        return Timed((images.path.to_pylist(), images.offset.tolist(), images.size.tolist()), taken)

    return Sides("ratarmount, recursive, index in memory", peer, ours, _same)


def _same(peer: _Rows, ours: _Rows) -> bool:
    # It shows an archive within as a folder of the archive's name.
    return len(ours[0]) == 100_000 and peer == ours


def _written(path: Path, rng: np.random.Generator) -> Path:
    sizes = rng.integers(500, 6000, (100, 1000))
    noise = rng.bytes(6144)
    with path.open("wb") as file:
        for row, inside in enumerate(sizes):
            names = [f"n{row:08d}_{place}.JPEG" for place in range(len(inside))]
            inner = [_member(name, noise[:size]) for name, size in zip(names, inside.tolist(), strict=True)]
            file.write(_member(f"n{row:08d}.tar", b"".join([*inner, bytes(1024)])))
        file.write(bytes(1024))
    return path


def _member(name: str, data: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)
