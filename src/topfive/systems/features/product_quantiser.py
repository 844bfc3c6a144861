"""Product quantisation: a long vector as one byte for every few of its values, each the nearest of up to 256 centroids.

Jegou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011; for Fisher vectors Sanchez and
Perronnin, "High-dimensional signature compression for large-scale image classification", CVPR 2011. With sub-vectors of
8 values and 256 centroids a value takes 1 bit instead of 32.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]

_PER_CENTROID = 4
"""Training vectors that a centroid needs at least; with fewer it is little but a copy of one of them."""


@dataclass(frozen=True)
class ProductQuantiser:
    """`centroids` float32 [S, C, G]: for each of S sub-vectors of G consecutive values, C points of that space."""

    centroids: Floats

    @property
    def dimension(self) -> int:
        """Values of a vector."""
        return int(self.centroids.shape[0] * self.centroids.shape[2])

    @property
    def bits(self) -> float:
        """Bits a value that the codes hold; in a file each code takes a whole byte."""
        return float(np.log2(self.centroids.shape[1]) / self.centroids.shape[2])

    def encode(self, vectors: Floats) -> Codes:
        """The nearest centroid of each sub-vector (of equals the first), float32 [n, d] to uint8 [n, S]."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise BadInput(f"has shape {list(vectors.shape)}, not [n, {self.dimension}]", where="product quantiser")
        codes = np.empty((len(vectors), len(self.centroids)), dtype=np.uint8)
        _assign(np.ascontiguousarray(vectors), self.centroids, codes)
        return codes

    def decode(self, codes: Codes) -> Floats:
        """The centroids that codes name, uint8 [n, S] to float32 [n, d]."""
        out = np.empty((len(codes), self.dimension), dtype=np.float32)
        _look_up(codes, self.centroids, out)
        return out

    def lost(self, vectors: Floats) -> float:
        """The share of the vectors' squared lengths that coding loses, in [0, 1]; 0 for vectors of zeros."""
        error = np.square(vectors - self.decode(self.encode(vectors)), dtype=np.float64).sum()
        return float(error / max(np.square(vectors, dtype=np.float64).sum(), 1e-30))


def affordable(n_vectors: int, most: int = 256) -> int:
    """The largest power of two of centroids, up to `most`, with four training vectors for each."""
    if n_vectors < 2 * _PER_CENTROID:
        raise BadInput(
            f"{n_vectors} vectors are too few to learn 2 centroids from",
            where="product quantiser",
            fix="Give 8 or more",
        )
    return 1 << (min(most, n_vectors // _PER_CENTROID).bit_length() - 1)


def fit_quantiser(
    columns: Iterable[Floats],
    *,
    seed: int,
    n_centroids: int = 256,
    length: int = 8,
    iterations: int = 10,
    workers: int = 1,
) -> ProductQuantiser:
    """Learn by k-means, each sub-vector by itself; `columns` are the training vectors, some of their values at a time.

    Each part is float32 [n, a multiple of `length`]: vectors larger than memory are never whole. Raises BadInput for
    more than 256 centroids, more than vectors, or a part of another width. The same for any number of threads and any
    cut into parts.
    """
    if not 1 <= n_centroids <= 256:
        raise BadInput(f"{n_centroids} centroids do not fit into a byte", where="product quantiser", fix="1 to 256")
    found: list[Floats] = []
    done = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="quantiser") as pool:
        for part in columns:
            n, width = part.shape
            if width % length or n < n_centroids:
                raise BadInput(
                    f"cannot learn {n_centroids} centroids of {length} values from {n} vectors of {width}",
                    where="product quantiser",
                )
            # [sub-vectors, n, length]: what one k-means reads lies together.
            apart = np.ascontiguousarray(part.reshape(n, -1, length).transpose(1, 0, 2), dtype=np.float32)

            def learn(place: int, apart: Floats = apart, first: int = done) -> Floats:
                drawn = np.random.default_rng([seed, first + place]).permutation(len(apart[place]))[:n_centroids]
                centroids: Floats = apart[place, drawn]
                _cluster(apart[place], centroids, iterations)
                return centroids

            found += pool.map(learn, range(len(apart)))
            done += len(apart)
    if not found:
        raise BadInput("has no vectors to learn from", where="product quantiser")
    return ProductQuantiser(np.stack(found))


@njit(nogil=True, cache=True, fastmath={"contract"})  # type: ignore[untyped-decorator]
def _nearest(point: Floats, turned: Floats, distance: Floats) -> int:
    """The place of the nearest of `turned` float32 [G, C]; `distance` [C] is filled with squared distances."""
    length, count = turned.shape
    distance[:] = 0.0
    for g in range(length):
        value, row = point[g], turned[g]
        for c in range(count):
            difference = value - row[c]
            distance[c] += difference * difference
    best, least = 0, distance[0]
    for c in range(1, count):
        if distance[c] < least:
            best, least = c, distance[c]
    return best


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _assign(vectors: Floats, centroids: Floats, codes: Codes) -> None:
    """Fill uint8 [n, S]."""
    subs, count, length = centroids.shape
    turned = np.empty((length, count), dtype=np.float32)
    distance = np.empty(count, dtype=np.float32)
    for s in range(subs):
        for g in range(length):
            for c in range(count):
                turned[g, c] = centroids[s, c, g]
        for i in range(len(vectors)):
            codes[i, s] = _nearest(vectors[i, s * length : (s + 1) * length], turned, distance)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _look_up(codes: Codes, centroids: Floats, out: Floats) -> None:
    """Fill float32 [n, d]."""
    subs, _, length = centroids.shape
    for i in range(len(codes)):
        for s in range(subs):
            row, code = out[i, s * length : (s + 1) * length], codes[i, s]
            for g in range(length):
                row[g] = centroids[s, code, g]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _cluster(points: Floats, centroids: Floats, iterations: int) -> None:
    """Lloyd's rounds, in place; a centroid without points moves to the point that lies farthest from its own."""
    n, length = points.shape
    count = len(centroids)
    turned, distance = np.empty((length, count), dtype=np.float32), np.empty(count, dtype=np.float32)
    away = np.empty(n, dtype=np.float32)
    for _ in range(iterations):
        for g in range(length):
            for c in range(count):
                turned[g, c] = centroids[c, g]
        sums, members = np.zeros((count, length)), np.zeros(count)
        for i in range(n):
            nearest = _nearest(points[i], turned, distance)
            away[i] = distance[nearest]
            members[nearest] += 1
            for g in range(length):
                sums[nearest, g] += points[i, g]
        for c in range(count):
            if members[c] > 0:
                for g in range(length):
                    centroids[c, g] = sums[c, g] / members[c]
            else:
                farthest = np.argmax(away)
                centroids[c] = points[farthest]
                away[farthest] = 0.0
