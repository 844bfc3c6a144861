"""Principal components of descriptors: fewer values, without the correlations that a diagonal mixture cannot see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Projection:
    """`axes` float32 [D, d] are orthonormal columns, largest variance first; `mean` float32 [D]."""

    mean: Floats
    axes: Floats

    def __call__(self, values: Floats) -> Floats:
        """Project float32 [..., D] to [..., d]."""
        return values @ self.axes - self.mean @ self.axes


def fit_projection(values: Floats, n_axes: int) -> Projection:
    """The `n_axes` directions of largest variance of float32 [n, D]; raises BadInput where there are not so many."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if n_axes > min(values.shape):
        raise BadInput(
            f"{n_axes} axes cannot be found in {values.shape[0]} descriptors of {values.shape[1]} values",
            where="PCA",
            fix="Ask for fewer axes or sample more descriptors",
        )
    # One thread: with more, sums are added in another order, and one seed would give several vocabularies.
    with threadpool_limits(1):
        found = PCA(n_axes, svd_solver="covariance_eigh").fit(values)
    return Projection(found.mean_.astype(np.float32), np.ascontiguousarray(found.components_.T, dtype=np.float32))
