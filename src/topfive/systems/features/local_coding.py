"""Local coordinate coding: a descriptor as the best affine sum of the few words nearest to it, with max pooling.

Yu, Zhang and Gong, "Nonlinear learning using local coordinate coding", NIPS 2009, by the closed form of Wang et al.,
"Locality-constrained linear coding for image classification", CVPR 2010: the coefficients sum to one and come from one
small linear system a descriptor, all solved together.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LocalCoding:
    """`words` float32 [K, D]; the `neighbours` nearest describe a descriptor. `ridge` is added to the system's diagonal
    as a share of its trace, and keeps it regular."""

    words: Floats
    neighbours: int = 5
    ridge: float = 1e-4

    def code(self, descriptors: Floats) -> tuple[NDArray[np.int64], Floats]:
        """The nearest words, int64 [N, neighbours], and their coefficients, float32 of sum one, of float32 [N, D]."""
        half = 0.5 * np.square(self.words).sum(axis=1) - descriptors @ self.words.T
        # |x - w|^2 / 2 less |x|^2 / 2, which is the same for all words.
        near = np.argpartition(half, self.neighbours - 1, axis=1)[:, : self.neighbours]
        apart = (self.words[near] - descriptors[:, None]).astype(np.float64)
        system = apart @ apart.transpose(0, 2, 1)
        trace = np.trace(system, axis1=1, axis2=2)
        # A descriptor on all its words at once (trace 0) shares itself evenly.
        system += (self.ridge * trace + 1e-12)[:, None, None] * np.eye(self.neighbours)
        share = np.linalg.solve(system, np.ones((*system.shape[:2], 1)))[..., 0]
        return near, (share / share.sum(axis=1, keepdims=True)).astype(np.float32)

    def encode(self, descriptors: Floats, regions: Sequence[NDArray[np.integer] | slice] = (slice(None),)) -> Floats:
        """The largest coefficient of each word in each region, float32 [N, D] to [R, K]; all together of length one.

        A word that is near no descriptor, or has only negative coefficients, stands at zero.
        """
        near, share = self.code(descriptors)
        pooled = np.zeros((len(regions), len(self.words)), dtype=np.float32)
        for row, region in zip(pooled, regions, strict=True):
            np.maximum.at(row, near[region].reshape(-1), share[region].reshape(-1))
        return np.asarray(pooled / np.maximum(np.linalg.norm(pooled), np.float32(1e-12)))


def fit_words(descriptors: Floats, n_words: int, *, seed: int, iterations: int = 30) -> Floats:
    """Words by k-means, float32 [n, D] to [K, D]; raises BadInput where there are fewer descriptors than words."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if len(descriptors) < n_words:
        raise BadInput(
            f"{len(descriptors)} descriptors are too few for {n_words} words",
            where="local coding",
            fix="Fit on more pictures, or lower the number of words",
        )
    model = KMeans(n_words, init="random", n_init=1, max_iter=iterations, random_state=seed)
    # With several threads k-means adds in another order from run to run: see `fisher.fit_mixture`.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(descriptors)
    return np.asarray(model.cluster_centers_, dtype=np.float32)
