"""Fisher vectors: how a picture's descriptors would move the means and variances of a mixture of Gaussians.

Perronnin, Sanchez and Mensink, "Improving the Fisher kernel for large-scale image classification", ECCV 2010. Layout
and normalisation are those of VLFeat's `vl_fisher`. Posteriors and gradients are two matrix products a picture.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
_FLOOR = 1e-4
"""Least variance as a share of the largest (VLFeat): a component that has collapsed on few descriptors stays finite."""
_NEGLIGIBLE = np.float32(1e-6)
"""Shares of a descriptor below this count as none (VLFeat): roots would make much of them."""
_NARROW = 100.0
"""Squared mean by variance from which gradients are summed about the mean: single precision is 6e-8 of the square."""
# Sums may be reordered (16 at a time); NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


def _compiled(function: Any) -> Any:
    return njit(nogil=True, cache=True, fastmath=_FAST)(function)


def _without_nan(function: Any) -> Any:
    return njit(nogil=True, cache=True, fastmath={"nnan"})(function)


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
    def _likelihood(self) -> tuple[Floats, Floats]:
        """[x, x^2] @ the first + the second is log(weight x density) up to a constant: [2D, K] and [K]."""
        precision = 1.0 / self.variances.astype(np.float64)
        constant = np.log(self.weights) - 0.5 * (np.log(self.variances) + self.means**2 * precision).sum(axis=1)
        slopes = np.concatenate([(self.means * precision).T, -0.5 * precision.T])
        return slopes.astype(np.float32), constant.astype(np.float32)

    @cached_property
    def _scales(self) -> tuple[Doubles, Doubles, Doubles]:
        """What makes gradients of sums around the means, of x and x^2 [K, D] and of 1 [K], float64."""
        variances, roots = self.variances.astype(np.float64), np.sqrt(self.weights.astype(np.float64))
        below = np.sqrt(2.0) * roots
        return 1.0 / (np.sqrt(variances) * roots[:, None]), 1.0 / (variances * below[:, None]), 1.0 / below

    @cached_property
    def _narrow(self) -> NDArray[np.int64]:
        """The components whose spread is small beside the mean: sums of squares about 0 would lose it."""
        return np.flatnonzero((np.square(self.means, dtype=np.float64) / self.variances).max(axis=1) > _NARROW)

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
        posteriors = self._posteriors(moments, _NEGLIGIBLE)
        vectors = np.zeros((len(regions), 2, *self.means.shape), dtype=np.float32)
        for vector, region in zip(vectors, regions, strict=True):
            inside = posteriors[region]
            if len(inside):
                near = moments[region]
                _gradient(inside.T @ near, inside, near, (self.means, self._narrow), self._scales, vector)
        flat = vectors.reshape(len(regions), -1)
        return improve(flat) if improved else flat

    def posteriors(self, descriptors: Floats) -> Floats:
        """The share of each component in each descriptor, float32 [N, D] to [N, K], rows adding up to 1."""
        return self._posteriors(self._moments(descriptors), np.float32(0))

    def _moments(self, descriptors: Floats) -> Floats:
        """x and x^2 of each descriptor, float32 [N, 2D]."""
        dimension = self.means.shape[1]
        moments = np.empty((len(descriptors), 2 * dimension), dtype=np.float32)
        moments[:, :dimension] = descriptors
        np.square(descriptors, out=moments[:, dimension:])
        return moments

    def _posteriors(self, moments: Floats, least: np.float32) -> Floats:
        slopes, constant = self._likelihood
        posteriors = np.asarray(moments @ slopes)
        _level(posteriors, constant)
        np.exp(posteriors, out=posteriors)
        _share(posteriors, least)
        return posteriors


@_without_nan
def _largest(row: Floats) -> Any:
    # That no value is NaN is supposed here alone, where 16 are compared at a time for it: a NaN stays one in its row.
    largest = row[0]
    for j in range(len(row)):
        largest = max(largest, row[j])
    return largest


@_compiled
def _level(scores: Floats, constant: Floats) -> None:
    """Add `constant` to each row, then take away what is largest in it."""
    n, k = scores.shape
    for i in range(n):
        row = scores[i]
        for j in range(k):
            row[j] += constant[j]
        largest = _largest(row)
        for j in range(k):
            row[j] -= largest


@_compiled
def _share(values: Floats, least: np.float32) -> None:
    """Divide each row by its sum; what is less than `least` then becomes 0."""
    n, k = values.shape
    for i in range(n):
        row, total = values[i], np.float32(0)
        for j in range(k):
            total += row[j]
        total = np.float32(1) / total
        for j in range(k):
            share = row[j] * total
            row[j] = np.float32(0) if share < least else share


@_compiled
def _gradient(
    sums: Floats,
    posteriors: Floats,
    moments: Floats,
    mixture: tuple[Floats, NDArray[np.int64]],
    scales: tuple[Doubles, Doubles, Doubles],
    out: Floats,
) -> None:
    """Into [2, K, D] from posteriors [n, K], moments [n, 2D] and the sums of these weighed by those, [K, 2D].

    `mixture` is the means and which components are narrow.
    """
    means, narrow = mixture
    n, (k, d) = len(posteriors), means.shape
    mean_scale, variance_scale, count_scale = scales
    counts = np.zeros(k)
    for i in range(n):
        row = posteriors[i]
        for j in range(k):
            counts[j] += row[j]
    for j in range(k):
        count = counts[j]
        for t in range(d):
            first, second, mean = np.float64(sums[j, t]), np.float64(sums[j, d + t]), np.float64(means[j, t])
            squares = second - 2.0 * mean * first + count * mean * mean
            out[0, j, t] = (first - count * mean) * mean_scale[j, t] / n
            out[1, j, t] = (squares * variance_scale[j, t] - count * count_scale[j]) / n
    away, squared = np.empty(d), np.empty(d)
    for j in narrow:
        away[:], squared[:] = 0.0, 0.0
        for i in range(n):
            share = np.float64(posteriors[i, j])
            if share != 0:
                for t in range(d):
                    step = np.float64(moments[i, t]) - np.float64(means[j, t])
                    away[t] += share * step
                    squared[t] += share * step * step
        for t in range(d):
            out[0, j, t] = away[t] * mean_scale[j, t] / n
            out[1, j, t] = (squared[t] * variance_scale[j, t] - counts[j] * count_scale[j]) / n


def improve(vectors: Floats) -> Floats:
    """Signed square root, then length 1, of each row of float32 [n, L]; a row of zeros stays one."""
    improved = np.empty_like(vectors, order="C")
    _improve(np.ascontiguousarray(vectors), improved)
    return improved


@_compiled
def _improve(vectors: Floats, out: Floats) -> None:
    for i in range(len(vectors)):
        values, row, mass = vectors[i], out[i], np.float64(0)
        for j in range(len(row)):
            mass += abs(values[j])
        scale = np.float32(1.0 / max(np.sqrt(mass), 1e-12))
        for j in range(len(row)):
            root = np.sqrt(abs(values[j])) * scale
            row[j] = root if values[j] > 0 else -root


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
