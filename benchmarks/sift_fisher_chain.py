"""From grey pictures to Fisher vectors on one core: dense SIFT, root, PCA, Fisher; against VLFeat's parts and NumPy."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.fisher import DRIVER, N_PICTURES, PX, Driver, pictures, vocabulary
from benchmarks.row import Sides, Timed
from topfive.systems.features.dense_sift import DenseSift, grey

TITLE = "dense SIFT (3 sizes) + PCA + Fisher, K = 64, D = 64, real pictures of 64 px, one core"
GOAL = ">= 175 pictures/s a core (later 600)"
# Not smoothed, which is in VLFeat's favour: its smoothing is a library's call apart.
SIFT = DenseSift((3, 4, 6), step_px=3, magnif=1e6, root=True)
DSIFT = """
#define main one_call
#include "vlfeat_referee.c"
#undef main
#include <time.h>
int main(void) {
  int *size = take(4, 5);  /* pictures, side, step, largest bin, number of bins */
  int pictures = size[0], side = size[1], *bins = take(4, size[4]);
  float *data = take(4, (size_t)pictures * side * side), *found = 0, *norms = 0;
  int all = 0, at = 0, *count = malloc(sizeof(int) * size[4]);
  VlDsiftFilter **filter = malloc(sizeof(*filter) * size[4]);
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int j = 0; j < size[4]; ++j) {
    int first = 3 * (size[3] - bins[j]) / 2;
    filter[j] = vl_dsift_new_basic(side, side, size[2], bins[j]);
    vl_dsift_set_flat_window(filter[j], VL_TRUE);
    vl_dsift_set_window_size(filter[j], 1.5);
    vl_dsift_set_bounds(filter[j], first, first, side - 1, side - 1);
    all += count[j] = vl_dsift_get_keypoint_num(filter[j]);
  }
  found = malloc(sizeof(float) * 128 * all * pictures);
  norms = malloc(sizeof(float) * all * pictures);
  for (int i = 0; i < pictures; ++i)
    for (int j = 0; j < size[4]; ++j) {
      vl_dsift_process(filter[j], data + (size_t)i * side * side);
      memcpy(found + (size_t)at * 128, vl_dsift_get_descriptors(filter[j]), sizeof(float) * 128 * count[j]);
      for (int p = 0; p < count[j]; ++p)
        norms[at + p] = (float)vl_dsift_get_keypoints(filter[j])[p].norm;
      at += count[j];
    }
  clock_gettime(CLOCK_MONOTONIC, &b);
  float seconds = (b.tv_sec - a.tv_sec) + 1e-9f * (b.tv_nsec - a.tv_nsec);
  give(&seconds, 4, 1);
  give(found, 4, (size_t)all * pictures * 128);
  give(norms, 4, (size_t)all * pictures);
  return 0;
}
"""


def sides(rng: np.random.Generator) -> Sides:
    images = grey(pictures(N_PICTURES))
    projection, mixture = vocabulary(SIFT.describe(images), rng)
    describe, encode = Driver(DSIFT), Driver(DRIVER)

    def peer() -> Timed:
        size = np.array([N_PICTURES, PX, SIFT.step_px, max(SIFT.bins_px), len(SIFT.bins_px), *SIFT.bins_px], np.int32)
        describing, answer = describe(size, images)
        n = len(answer) // (N_PICTURES * 129)
        found = answer[: N_PICTURES * n * 128].reshape(N_PICTURES, n, 128)
        contrast = answer[N_PICTURES * n * 128 :].reshape(N_PICTURES, n)
        with threadpool_limits(1):
            began = time.perf_counter()
            data = np.empty((N_PICTURES, n, 64), np.float32)
            for i, (values, norms) in enumerate(zip(found, contrast, strict=True)):
                values = np.where(norms[:, None] < SIFT.contrast, np.float32(0), values)
                values /= np.maximum(values.sum(axis=1, keepdims=True), np.float32(1e-7))
                data[i] = projection(np.sqrt(values, out=values))
            rooting = time.perf_counter() - began
        size = np.array([n, 64, len(mixture.weights), 3, N_PICTURES], np.int32)
        encoding, vectors = encode(size, mixture.weights, mixture.means, mixture.variances, data)
        return Timed(vectors.reshape(N_PICTURES, -1), describing + rooting + encoding, N_PICTURES)

    def ours() -> Timed:
        with threadpool_limits(1):
            began = time.perf_counter()
            vectors = [mixture.encode(projection(SIFT.describe(image[None])[0])) for image in images]
            return Timed(np.concatenate(vectors), time.perf_counter() - began, N_PICTURES)

    def same(a: Any, b: Any) -> bool:
        # Of length 1. VLFeat's fast roots move descriptors by 1e-5, and the root of what is next to 0 by more.
        return bool(np.linalg.norm(a - b, axis=1).max() < 0.02)

    return Sides("VLFeat's dsift and fisher, NumPy between", peer, ours, same, unit="pictures")
