"""Fisher vectors: how a picture's descriptors would move the means and variances of a mixture of Gaussians.

Perronnin, Sanchez and Mensink, "Improving the Fisher kernel for large-scale image classification", ECCV 2010. Layout
and normalisation are those of VLFeat's `vl_fisher`. Posteriors and gradients are two matrix products a picture.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]
_FLOOR = 1e-4
"""Least variance as a share of the largest (VLFeat): a component that has collapsed on few descriptors stays finite."""


@dataclass(frozen=True)
class Mixture:
    """K Gaussians with diagonal covariance: `weights` [K] (sum 1), `means` and `variances` [K, D], float32."""

    weights: Floats
    means: Floats
    variances: Floats

    @property
    def length(self) -> int:
        """Values of one Fisher vector: 2 K D."""
        return 2 * self.means.size

    @cached_property
    def _likelihood(self) -> Floats:
        """What moments [x, x^2, 1] are multiplied with to give log(weight x density), up to a constant: [2D + 1, K]."""
        precision = 1.0 / self.variances.astype(np.float64)
        constant = np.log(self.weights) - 0.5 * (np.log(self.variances) + self.means**2 * precision).sum(axis=1)
        return np.concatenate(
            [(self.means * precision).T, -0.5 * precision.T, constant[None]], dtype=np.float32, casting="same_kind"
        )

    def encode(
        self,
        descriptors: Floats,
        regions: Sequence[NDArray[np.integer] | slice] = (slice(None),),
        *,
        improved: bool = True,
    ) -> Floats:
        """One Fisher vector for each region, float32 [N, D] to [R, 2 K D]: means' gradients first, then variances'.

        A region lists the descriptors in it. `improved` takes signed roots and sets each region's length to 1. A region
        without descriptors is all zeros.
        """
        moments = self._moments(descriptors)
        posteriors = self._posteriors(moments)
        vectors = np.zeros((len(regions), self.length), dtype=np.float32)
        for vector, region in zip(vectors, regions, strict=True):
            inside = moments[region]
            if len(inside):
                vector[:] = self._gradient(posteriors[region].T @ inside, len(inside))
        return improve(vectors) if improved else vectors

    def posteriors(self, descriptors: Floats) -> Floats:
        """The share of each component in each descriptor, float32 [N, D] to [N, K], rows adding up to 1."""
        return self._posteriors(self._moments(descriptors))

    def _moments(self, descriptors: Floats) -> Floats:
        """x, x^2 and 1 of each descriptor, float32 [N, 2D + 1]."""
        dimension = self.means.shape[1]
        moments = np.empty((len(descriptors), 2 * dimension + 1), dtype=np.float32)
        moments[:, :dimension] = descriptors
        np.square(descriptors, out=moments[:, dimension:-1])
        moments[:, -1] = 1.0
        return moments

    def _posteriors(self, moments: Floats) -> Floats:
        posteriors = moments @ self._likelihood
        posteriors -= posteriors.max(axis=1, keepdims=True, initial=-np.inf)
        np.exp(posteriors, out=posteriors)
        posteriors /= posteriors.sum(axis=1, keepdims=True)
        return np.asarray(posteriors)

    def _gradient(self, sums: Floats, n: int) -> Floats:
        """From posterior-weighted sums of x, x^2 and 1, [K, 2D + 1], over n descriptors."""
        dimension = self.means.shape[1]
        total = sums.astype(np.float64)
        first, second, count = total[:, :dimension], total[:, dimension:-1], total[:, -1:]
        spread = np.sqrt(self.variances.astype(np.float64))
        mean = (first - count * self.means) / spread
        variance = (second - 2.0 * self.means * first + count * self.means.astype(np.float64) ** 2) / self.variances
        root = n * np.sqrt(self.weights.astype(np.float64))[:, None]
        return np.concatenate([mean / root, (variance - count) / (root * np.sqrt(2.0))]).reshape(-1).astype(np.float32)


def improve(vectors: Floats) -> Floats:
    """Signed square root, then length 1, along the last axis; a vector of zeros stays one."""
    rooted = np.sign(vectors) * np.sqrt(np.abs(vectors))
    length = np.sqrt(np.square(rooted).sum(axis=-1, keepdims=True))
    return np.asarray(rooted / np.maximum(length, np.float32(1e-12)), dtype=np.float32)


def fit_mixture(descriptors: Floats, n_components: int, *, seed: int, iterations: int = 30) -> Mixture:
    """Fit by expectation-maximisation from k-means, float32 [n, D]; about 1,000 descriptors a component are enough."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if len(descriptors) < 2 * n_components:
        raise BadInput(
            f"{len(descriptors)} descriptors are too few for {n_components} components",
            where="Fisher vector",
            fix="Fit on more pictures, or lower the number of components",
        )
    model = GaussianMixture(n_components, covariance_type="diag", max_iter=iterations, random_state=seed)
    # With several threads k-means adds in another order from run to run, and one seed would give several vocabularies.
    # A limit holds for libraries that are loaded: it comes after the import.
    with threadpool_limits(1), warnings.catch_warnings():
        # A vocabulary need not converge: after 30 rounds the classifier's error no longer moves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(descriptors)
    variances = np.maximum(model.covariances_, _FLOOR * model.covariances_.max())
    return Mixture(*(np.asarray(part, dtype=np.float32) for part in (model.weights_, model.means_, variances)))


def pyramid(centres: Floats, height: int, width: int, levels: Sequence[str]) -> tuple[NDArray[np.int64], ...]:
    """The descriptors of each region of a spatial pyramid; a level `3x1` is three rows and one column of regions."""
    regions: list[NDArray[np.int64]] = []
    for level in levels:
        try:
            rows, columns = (int(part) for part in level.split("x"))
            assert rows > 0 and columns > 0
        except (ValueError, AssertionError) as error:
            raise BadInput(
                f"{level!r} is no level of a pyramid", where="pyramid", fix="Write rows x columns: 3x1"
            ) from error
        row = np.minimum(centres[:, 1] * rows // height, rows - 1)
        column = np.minimum(centres[:, 0] * columns // width, columns - 1)
        regions += [np.flatnonzero((row == i) & (column == j)) for i in range(rows) for j in range(columns)]
    return tuple(regions)
