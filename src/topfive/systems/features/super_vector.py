"""Super-vector coding: where a picture's descriptors lie around each Gaussian, and how many there are.

Zhou, Yu, Zhang and Huang, "Image classification using super-vector coding of local image descriptors", ECCV 2010, with
the soft posteriors and whitened differences of a mixture of Gaussians. Close to the first half of a Fisher vector, with
counts: its parts grow with the root of a Gaussian's share in the picture, a Fisher vector's with the share itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from topfive.systems.features.fisher import Mixture

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SuperVector:
    """A Gaussian k gives `count` sqrt(p) and sqrt(p) times the mean whitened difference, p its share of the region."""

    mixture: Mixture
    count: float = 0.1

    @property
    def length(self) -> int:
        """Values of one region: K (D + 1)."""
        return self.mixture.means.size + len(self.mixture.weights)

    @cached_property
    def _spread(self) -> Floats:
        return np.sqrt(self.mixture.variances)

    def encode(self, descriptors: Floats, regions: Sequence[NDArray[np.integer] | slice] = (slice(None),)) -> Floats:
        """One super-vector a region, float32 [N, D] to [R, K (D + 1)]: Gaussian by Gaussian its count, then its
        differences; all together of length one."""
        posteriors = self.mixture.posteriors(descriptors)
        n_gaussians, dimension = self.mixture.means.shape
        vectors = np.zeros((len(regions), n_gaussians, dimension + 1), dtype=np.float32)
        for vector, region in zip(vectors, regions, strict=True):
            inside = posteriors[region]
            if len(inside):
                total = inside.sum(axis=0, dtype=np.float64)[:, None]
                away = (inside.T @ descriptors[region] - total * self.mixture.means) / self._spread
                # Sum / (n sqrt(p)) with p = total / n; a Gaussian without descriptors has neither.
                vector[:, :1] = self.count * np.sqrt(total / len(inside))
                vector[:, 1:] = away / np.maximum(np.sqrt(total * len(inside)), 1e-12)
        flat = vectors.reshape(len(regions), -1)
        return np.asarray(flat / np.maximum(np.linalg.norm(flat), np.float32(1e-12)))
