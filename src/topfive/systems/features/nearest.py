"""Nearest neighbours by dot product, exactly: a coarse product finds who can be among them, a fine one decides.

Half-precision products of all pairs are four times faster than single ones where the processor has them. Their error is
bounded, so the rows that may belong to the k best are known; those few are multiplied again in double precision, by
compiled loops on all threads. The product of all pairs is half of the time that remains.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]

_BLOCK = 512
"""Queries at a time: their products with 20,000 rows are 20 MB. Of 256 the product is 12 % slower."""
_PART = 1024
"""Rows whose rounding errors are measured at a time: all at once would fill 100 MB anew, 60 ms of page faults."""


def nearest(queries: Floats, rows: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """The k rows of greatest dot product with each query, best first, int64 [m, k], and the products, float32 [m, k].

    `queries` [m, d], `rows` [n, d]. A product is the float32 nearest to the double one; among equals the lower row is
    first. Raises BadInput where k is not in 1 .. n or a number is not finite.
    """
    import torch

    m, d = queries.shape
    n = len(rows)
    if rows.shape[1:] != (d,):
        raise BadInput(f"queries of {d} values have rows of shape {list(rows.shape)}", where="nearest")
    if not 1 <= k <= n:
        raise BadInput(f"{k} neighbours are not to be found among {n} rows", where="nearest")
    queries, rows = (np.ascontiguousarray(part, dtype=np.float32) for part in (queries, rows))
    fast = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    kind, unit = (torch.bfloat16, 2.0**-8) if fast else (torch.float32, 2.0**-24)
    coarse_rows, lengths, errors = _coarse(rows, kind)
    longest, rounded = float(lengths.max()), float(errors.max())
    coarse_queries, length, error = _coarse(queries, kind)
    if not np.isfinite(longest) or not bool(torch.isfinite(length).all()):
        raise BadInput("holds numbers that are not finite", where="nearest")
    # Rounded inputs (Cauchy and Schwarz), d additions in single precision, and the rounded product itself.
    wrong = 1.02 * (error * longest + length * (rounded + 2.0**-22 * d * longest))
    index, similarity = np.empty((m, k), dtype=np.int64), np.empty((m, k), dtype=np.float32)
    settle, workers = _compiled(), torch.get_num_threads()
    whole = torch.empty((min(m, _BLOCK), n), dtype=kind)
    integer = torch.int16 if fast else torch.int32
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, m, _BLOCK):
            stop = min(m, start + _BLOCK)
            products = torch.mm(coarse_queries[start:stop], coarse_rows.T, out=whole[: stop - start])
            bar = products.topk(k, dim=1, sorted=False).values.float().amin(dim=1)
            bar = bar - 2.0 * (wrong[start:stop] + unit * bar.abs()) - 1e-30
            bars = (bar - unit * bar.abs()).to(kind).view(integer).numpy()
            found = products.view(integer).numpy()

            def part(block: slice, start: int = start, found: Any = found, bars: Any = bars) -> None:
                own = slice(start + block.start, start + block.stop)
                settle(found[block], bars[block], queries[own], rows, index[own], similarity[own])

            edges = np.linspace(0, stop - start, workers + 1).astype(int).tolist()
            list(pool.map(part, [slice(a, b) for a, b in pairwise(edges)]))
    return index, similarity


def _coarse(values: Floats, kind: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows in a coarser kind, their lengths, and the lengths of what rounding changed."""
    import torch

    exact = torch.from_numpy(values)
    coarse = exact.to(kind)
    wrong = [(a - b).norm(dim=1) for a, b in zip(torch.split(exact, _PART), torch.split(coarse, _PART), strict=True)]
    return coarse, exact.norm(dim=1), torch.cat(wrong)


def _settle(products: Any, bars: Any, queries: Any, rows: Any, index: Any, similarity: Any) -> None:
    """The k best of each query among the rows whose coarse product reaches its bar; both are floats' bits."""
    k, n, d = index.shape[1], products.shape[1], rows.shape[1]
    sign, low = (15, 0x7FFF) if products.itemsize == 2 else (31, 0x7FFFFFFF)
    candidates, exact = np.empty(n, np.int64), np.empty(n, np.float32)
    for i in range(len(products)):
        # A float's bits are ordered as integers once those of negative numbers are turned.
        bar = bars[i] ^ ((bars[i] >> sign) & low)
        count = 0
        for j in range(n):
            if products[i, j] ^ ((products[i, j] >> sign) & low) >= bar:
                candidates[count] = j
                count += 1
        for c in range(count):
            row, query, total = rows[candidates[c]], queries[i], 0.0
            for x in range(d):
                total += np.float64(row[x]) * np.float64(query[x])
            exact[c] = -total
        best = np.argsort(exact[:count], kind="mergesort")[:k]  # stable: among equals the lower row
        for place in range(k):
            index[i, place] = candidates[best[place]]
            similarity[i, place] = -exact[best[place]]


@cache
def _compiled() -> Callable[..., None]:
    from numba import njit

    # Sums may be reordered, eight at a time, the same way for every row.
    compiled: Callable[..., None] = njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})(_settle)
    return compiled
