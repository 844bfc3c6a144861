"""Three truths over one predictions file of 50,000 images: errors at 1 and 5 under each, and every class."""

from __future__ import annotations

import numpy as np

from benchmarks.row import Sides
from topfive.records import ClassList, Predictions, Truth
from topfive.scoring import score

TITLE = "original, ReaL-like and corrected truths and per class, 50,000 images"
GOAL = "<= 10 ms more than top-1 and top-5"

N, K = 50_000, 1000
Counts = list[tuple[int, int, int, list[int]]]
"""For each truth: images, right at 1, right at 5, right at 1 by class."""


def sides(rng: np.random.Generator) -> Sides:
    labels = rng.integers(0, K, N)
    top = (labels[:, None] + np.stack([rng.permutation(12)[:5] for _ in range(N)]) - 2).astype(np.int32) % K
    ids = tuple(f"ILSVRC2012_val_{i:08d}" for i in range(1, N + 1))
    classes = ClassList(tuple(f"n{i:08d}" for i in range(K)), tuple(map(str, range(K))))
    # ReaL's shape: 6 % of the images without a label, 16 % with two or more.
    sizes = rng.choice(5, size=N, p=[0.063, 0.788, 0.11, 0.029, 0.01])
    real = [((label + np.arange(size)) % K).tolist() for label, size in zip(labels, sizes, strict=True)]
    corrected = [[int(label)] if keep else [] for label, keep in zip(labels, rng.random(N) > 0.02, strict=True)]
    truths = [
        Truth.single(ids, labels.astype(np.int32), classes),
        Truth.from_sets(ids, real, classes, "real"),
        Truth.from_sets(ids, corrected, classes, "corrected"),
    ]
    made = Predictions(ids, top, np.tile(-np.arange(5, dtype=np.float32), (N, 1)), classes)
    sets = [[truth.of(row).tolist() for row in range(N)] for truth in truths]

    def peer() -> Counts:
        found = []
        for allowed in sets:
            n = right1 = right5 = 0
            by_class = [0] * K
            for guesses, own in zip(top.tolist(), allowed, strict=True):
                if own:
                    hits = [guess in own for guess in guesses]
                    n, right1, right5 = n + 1, right1 + hits[0], right5 + any(hits)
                    for label in own:
                        by_class[label] += hits[0]
            found.append((n, right1, right5, by_class))
        return found

    def ours() -> Counts:
        found = []
        for truth in truths:
            scores = score(made, truth)
            counts = [scores.per_class.get(wnid, (0, 0, 0))[1] for wnid in classes.wnids]
            found.append((scores.n, scores.top1_correct, scores.top5_correct, counts))
        return found

    return Sides("image by image, as timm's scorer of ReaL goes", peer, ours, lambda a, b: a == b)
