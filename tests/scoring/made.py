"""Predictions, truths and a small hierarchy that the tests of scoring share."""

from __future__ import annotations

import numpy as np

from topfive.records import ClassList, Predictions, Truth
from topfive.scoring import Hierarchy


def class_list(n: int) -> ClassList:
    return ClassList(tuple(f"n{i:08d}" for i in range(n)), tuple(f"class {i}" for i in range(n)))


def from_top(top: list[list[int]], n_classes: int, ids: list[str] | None = None) -> Predictions:
    """Predictions without logits."""
    index = np.array(top, dtype=np.int32)
    falling = np.tile(np.arange(index.shape[1], 0, -1, dtype=np.float32), (len(top), 1))
    return Predictions(tuple(ids or [f"i{i}" for i in range(len(top))]), index, falling, class_list(n_classes))


def from_sets(sets: list[list[int]], n_classes: int, name: str = "original") -> Truth:
    return Truth.from_sets([f"i{i}" for i in range(len(sets))], sets, class_list(n_classes), name)


def random_case(seed: int, n: int, n_classes: int, most: int = 1, ties: bool = False) -> tuple[Predictions, Truth]:
    """Logits and a truth of up to `most` labels an image (where more than one, some have none)."""
    rng = np.random.default_rng(seed)
    logits = (rng.integers(0, 4, (n, n_classes)) if ties else rng.normal(0, 2, (n, n_classes))).astype(np.float32)
    ids = tuple(f"i{i}" for i in range(n))
    least = 1 if most == 1 else 0
    sets = [rng.permutation(n_classes)[: rng.integers(least, most + 1)].tolist() for _ in ids]
    sets[0] = sets[0] or [0]
    return Predictions.from_logits(ids, logits, class_list(n_classes)), from_sets(sets, n_classes)


def tree() -> Hierarchy:
    """Six classes: 0 and 1 below `pair` (6), 2 below both `pair` and `odd` (7), 3 below `odd`, 4 and 5 below the root.

    pair and odd lie below `things` (8), things and the leaves 4, 5 below `root` (9). Full heights are larger: class 0
    has something below it, and `odd` a long branch without classes.
    """
    above = {0: [6], 1: [6], 2: [6, 7], 3: [7], 4: [9], 5: [9], 6: [8], 7: [8], 8: [9], 9: []}
    below = {
        0: [0],
        1: [1],
        2: [2],
        3: [3],
        4: [4],
        5: [5],
        6: [0, 1, 2],
        7: [2, 3],
        8: [0, 1, 2, 3],
        9: list(range(6)),
    }
    return Hierarchy(
        n_classes=6,
        wnids=(*class_list(6).wnids, "n90000006", "n90000007", "n90000008", "n90000009"),
        names=(*class_list(6).names, "pair", "odd", "things", "root"),
        parent_start=np.cumsum([0, *(len(above[i]) for i in range(10))]).astype(np.int32),
        parents=np.array([parent for i in range(10) for parent in above[i]], dtype=np.int32),
        leaf_start=np.cumsum([0, *(len(below[i]) for i in range(10))]).astype(np.int32),
        leaves=np.array([leaf for i in range(10) for leaf in below[i]], dtype=np.int32),
        heights=np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 3], dtype=np.int32),
        full_heights=np.array([1, 0, 0, 0, 0, 0, 2, 4, 5, 6], dtype=np.int32),
    )
