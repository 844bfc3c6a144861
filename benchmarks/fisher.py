"""Fisher vectors of many descriptors on one core, against VLFeat's `vl_fisher` (needs gcc and libvlfeat-dev)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import Sides, Timed

TITLE = "Fisher encoding, K = 64, D = 64, 941 descriptors a picture, one core"
GOAL = "5x VLFeat, equal within 1e-3"
REFEREE = Path(__file__).resolve().parents[1] / "tests" / "systems"
N_PICTURES = 40
DRIVER = """
#define main one_call
#include "vlfeat_referee.c"
#undef main
#include <time.h>
int main(void) {
  int *size = take(4, 5);
  int n = size[0], d = size[1], k = size[2];
  float *weights = take(4, k), *means = take(4, (size_t)k * d), *variances = take(4, (size_t)k * d);
  float *data = take(4, (size_t)n * d * size[4]), *out = malloc(sizeof(float) * 2 * k * d * size[4]);
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


def sides(rng: np.random.Generator) -> Sides:
    k, d, n = 64, 64, 941
    weights = rng.dirichlet(np.full(k, 5.0)).astype(np.float32)
    means, spread = rng.standard_normal((k, d), dtype=np.float32), rng.uniform(0.5, 1.5, (k, d)).astype(np.float32)
    chosen = rng.integers(0, k, (N_PICTURES, n))
    data = means[chosen] + spread[chosen] * rng.standard_normal((N_PICTURES, n, d), dtype=np.float32)
    variances = spread**2
    held: dict[str, Any] = {}

    def peer() -> Timed:
        if not held:
            held["folder"] = tempfile.TemporaryDirectory()
            source, held["program"] = (Path(held["folder"].name) / name for name in ("driver.c", "driver"))
            source.write_text(DRIVER, encoding="ascii")
            command = ["gcc", "-O2", "-I", str(REFEREE), "-o", str(held["program"]), str(source), "-lvl", "-lm"]
            subprocess.run(command, check=True)
        given = [np.array([n, d, k, 3, N_PICTURES], np.int32), weights, means, variances, data]
        done = subprocess.run(
            [held["program"]],
            input=b"".join(part.tobytes() for part in given),
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        found = np.frombuffer(done.stdout, dtype=np.float32)
        return Timed(found[1:].reshape(N_PICTURES, -1), float(found[0]), N_PICTURES)

    def ours() -> Timed:
        import time

        from threadpoolctl import threadpool_limits

        from topfive.systems.features.fisher import Mixture

        mixture = Mixture(weights, means, variances)
        with threadpool_limits(1):
            began = time.perf_counter()
            vectors = np.concatenate([mixture.encode(picture) for picture in data])
            return Timed(vectors, time.perf_counter() - began, N_PICTURES)

    def same(a: Any, b: Any) -> bool:
        return bool(np.abs(a - b).max() < 1e-3)

    return Sides("VLFeat's `vl_fisher`", peer, ours, same, unit="pictures")
