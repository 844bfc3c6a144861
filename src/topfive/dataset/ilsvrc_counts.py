"""How many training pictures each of ILSVRC2012's 1,000 classes has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COUNTS = Path(__file__).parent / "data" / "ilsvrc2012_train_counts.txt"
"""One number a line; `num_train_images` of the development kit's meta.mat."""


@cache
def ilsvrc_train_counts() -> NDArray[np.int64]:
    """Training pictures of each class as `ilsvrc_classes` has them, int64 [1000]: 732 to 1,300, in all 1,281,167."""
    counts = np.array(COUNTS.read_text(encoding="ascii").split(), dtype=np.int64)
    counts.setflags(write=False)
    return counts
