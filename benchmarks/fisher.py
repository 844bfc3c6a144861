"""Fisher vectors of real pictures' descriptors on one core, against VLFeat's `vl_fisher` (gcc and libvlfeat-dev)."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.peers.timm_validate import samples
from benchmarks.row import Sides, Timed
from topfive.systems.features.dense_sift import DenseSift, grey
from topfive.systems.features.fisher import Mixture, fit_mixture
from topfive.systems.features.pca import Projection, fit_projection

TITLE = "Fisher encoding, K = 64, D = 64, 941 descriptors a real picture of 64 px, one core"
GOAL = "5x VLFeat, equal within 1e-3"
REFEREE = Path(__file__).resolve().parents[1] / "tests" / "systems"
N_PICTURES, PX = 60, 64
DRIVER = """
#define main one_call
#include "vlfeat_referee.c"
#undef main
#include <time.h>
int main(void) {
  int *size = take(4, 5);
  int n = size[0], d = size[1], k = size[2];
  float *weights = take(4, k), *means = take(4, (size_t)k * d), *variances = take(4, (size_t)k * d);
  float *data = take(4, (size_t)n * d * size[4]), *out = calloc(2 * (size_t)k * d * size[4], sizeof(float));
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < size[4]; ++i)
    vl_fisher_encode(out + (size_t)i * 2 * k * d, VL_TYPE_FLOAT, means, d, k, variances, weights,
                     data + (size_t)i * n * d, n, size[3]);
  clock_gettime(CLOCK_MONOTONIC, &b);
  float seconds = (b.tv_sec - a.tv_sec) + 1e-9f * (b.tv_nsec - a.tv_nsec);
  give(&seconds, 4, 1);
  give(out, 4, (size_t)2 * k * d * size[4]);
  return 0;
}
"""


class Driver:
    """A C program on VLFeat that is built once: numbers in, its seconds and an answer out."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __call__(self, *given: Any) -> tuple[float, Any]:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory()
            path = Path(self._folder.name) / "driver.c"
            path.write_text(self._source, encoding="ascii")
            built = ["gcc", "-O2", "-I", str(REFEREE), "-o", str(path.with_suffix("")), str(path), "-lvl", "-lm"]
            subprocess.run(built, check=True)
        done = subprocess.run(
            [Path(self._folder.name) / "driver"],
            input=b"".join(part.tobytes() for part in given),
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        found = np.frombuffer(done.stdout, dtype=np.float32)
        return float(found[0]), found[1:]


def pictures(n: int) -> Any:
    """The first n real pictures as uint8 [n, 64, 64, 3], whatever their shape was."""
    made: list[Any] = []
    with tarfile.open(samples()) as archive:
        for member in archive:
            if member.isfile() and len(made) < n and (file := archive.extractfile(member)) is not None:
                with Image.open(io.BytesIO(file.read())) as image:
                    made.append(np.asarray(image.convert("RGB").resize((PX, PX), Image.Resampling.BICUBIC)))
    return np.stack(made)


def vocabulary(descriptors: Any, rng: np.random.Generator) -> tuple[Projection, Mixture]:
    """64 axes and 64 Gaussians of descriptors [..., 128]: the same in every process."""
    flat = descriptors.reshape(-1, descriptors.shape[-1])
    flat = flat[rng.permutation(len(flat))[:10_000]]
    projection = fit_projection(flat, 64)
    return projection, fit_mixture(projection(flat), 64, seed=0, iterations=10)


def sides(rng: np.random.Generator) -> Sides:
    images = grey(pictures(N_PICTURES))
    found = np.concatenate([DenseSift((px,), 3, root=True).describe(images) for px in (3, 4, 6)], axis=1)
    projection, mixture = vocabulary(found, rng)
    with threadpool_limits(1):
        data = np.stack([projection(each) for each in found])
    driver = Driver(DRIVER)

    def peer() -> Timed:
        size = np.array([*data.shape[1:], len(mixture.weights), 3, N_PICTURES], np.int32)
        seconds, vectors = driver(size, mixture.weights, mixture.means, mixture.variances, data)
        return Timed(vectors.reshape(N_PICTURES, -1), seconds, N_PICTURES)

    def ours() -> Timed:
        with threadpool_limits(1):
            began = time.perf_counter()
            vectors = np.concatenate([mixture.encode(picture) for picture in data])
            return Timed(vectors, time.perf_counter() - began, N_PICTURES)

    def same(a: Any, b: Any) -> bool:
        return bool(np.abs(a - b).max() < 1e-3)

    return Sides("VLFeat's `vl_fisher`", peer, ours, same, unit="pictures")
