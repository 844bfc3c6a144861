"""Nearest neighbours by dot product, exactly: a coarse product finds who can be among them, a fine one decides.

Half-precision products of all pairs are four times faster than single ones where the processor has them. Their error is
bounded, so the rows that may belong to the k best are known; those few are multiplied again in double precision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput

Floats = NDArray[np.float32]

_BLOCK = 256
"""Queries at a time: their products with 20,000 rows are 10 MB."""


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
    fast = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    kind, unit = (torch.bfloat16, 2.0**-8) if fast else (torch.float32, 2.0**-24)
    few = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
    coarse_rows = few.to(kind)
    longest = float(few.norm(dim=1).max())
    rounded = float((few - coarse_rows).norm(dim=1).max())
    index, similarity = np.empty((m, k), dtype=np.int64), np.empty((m, k), dtype=np.float32)
    for start in range(0, m, _BLOCK):
        block = torch.from_numpy(np.ascontiguousarray(queries[start : start + _BLOCK], dtype=np.float32))
        coarse_block, length = block.to(kind), block.norm(dim=1)
        if not np.isfinite(longest) or not bool(torch.isfinite(length).all()):
            raise BadInput("holds numbers that are not finite", where="nearest")
        products = coarse_block @ coarse_rows.T
        bar = products.topk(k, dim=1, sorted=False).values.float().amin(dim=1)
        # Rounded inputs (Cauchy and Schwarz), d additions in single precision, and the rounded product itself.
        error = (block - coarse_block).norm(dim=1) * longest + length * (rounded + 2.0**-22 * d * longest)
        bar = bar - 2.0 * (error * 1.02 + unit * bar.abs()) - 1e-30
        places, columns = torch.nonzero(products >= (bar - unit * bar.abs()).to(kind)[:, None], as_tuple=True)
        ends = np.cumsum(np.bincount(places.numpy(), minlength=len(block)))
        wide = block.double().numpy()
        for i, candidates in enumerate(np.split(columns.numpy(), ends[:-1])):
            exact = (rows[candidates].astype(np.float64) @ wide[i]).astype(np.float32)
            best = np.lexsort((candidates, -exact))[:k]
            index[start + i], similarity[start + i] = candidates[best], exact[best]
    return index, similarity
