"""How evenly images spread over classes, countries or licences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topfive.records import Balance


def balance(counts: NDArray[np.int64]) -> Balance | None:
    """Gini, entropy and effective numbers of counts [n], zeros included; None where all are zero or there is none."""
    total = int(counts.sum())
    if total == 0:
        return None
    ordered = np.sort(counts)
    n = len(ordered)
    rank = np.arange(1, n + 1)
    shares = ordered[ordered > 0] / total
    entropy = float(-(shares * np.log(shares)).sum())
    fewest, most = int(ordered[0]), int(ordered[-1])
    return Balance(
        n=n,
        n_without=int((ordered == 0).sum()),
        fewest=fewest,
        median=float(np.median(ordered)),
        most=most,
        ratio=most / fewest if fewest else None,
        gini=float(((2 * rank - n - 1) * ordered).sum() / (n * total)),
        entropy=abs(entropy),
        effective=float(np.exp(entropy)),
        effective_squares=float(1.0 / (shares**2).sum()),
    )
