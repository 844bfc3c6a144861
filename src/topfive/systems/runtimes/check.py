"""Does the fast path answer as the reference does? Asked of a few pictures before the work begins."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, WorkFailed

PICTURES = 256
_CHANCE = 0.001
"""A runtime as good as it declares fails once in a thousand checks."""


def spread(ids: Sequence[str], n: int = PICTURES) -> NDArray[np.int64]:
    """Positions of the n ids with the smallest hash, ascending: the same pictures in any order of the set."""
    keys = [hashlib.blake2b(image_id.encode(), digest_size=8).digest() for image_id in ids]
    return np.sort(np.array(sorted(range(len(ids)), key=keys.__getitem__)[:n], dtype=np.int64))


def chance_of(agreed: int, n: int, rate: float) -> float:
    """Probability that at most `agreed` of n pictures agree where each agrees with probability `rate` (binomial)."""
    from scipy.special import bdtr

    return float(bdtr(agreed, n, rate))


def check_answers(reference: NDArray[Any], found: NDArray[Any], *, rate: float, where: str) -> int:
    """How many first guesses of logits [n, K] are the same.

    Raises WorkFailed where so few would agree at `rate` in less than one case of a thousand, or where an answer is no
    number: of the model, if the reference's is none either.
    """
    if reference.shape != found.shape:
        raise BadInput(f"gives scores {list(found.shape)}, the reference {list(reference.shape)}", where=where)
    remedy = "Use --precision fp32 or another --runtime, or --no-check to use it all the same"
    if not np.isfinite(reference).all():
        raise WorkFailed("the model gives scores that are no numbers, by the reference path too. See to its weights")
    if not np.isfinite(found).all():
        raise WorkFailed(f"{where}: gives scores that are no numbers. {remedy}")
    n = len(found)
    agreed = int((reference.argmax(axis=1) == found.argmax(axis=1)).sum())
    if chance_of(agreed, n, rate) < _CHANCE:
        raise WorkFailed(
            f"{where}: its first guess is the reference path's on {agreed} of {n} pictures, where it declares "
            f"{100 * rate:.1f} % (p < {_CHANCE}). {remedy}"
        )
    return agreed
