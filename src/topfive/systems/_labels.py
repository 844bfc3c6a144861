"""The labels that a landmark learns from."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput


def labels_of(pictures: Pictures, split: Literal["train", "tune"]) -> NDArray[np.int64]:
    """The class_index of every image of the split, int64 [n]; raises BadInput naming the first image without one."""
    if pictures.class_index is None or len(pictures) == 0:
        raise BadInput("has no labelled images to learn from", where=split)
    bad = np.flatnonzero(pictures.class_index < 0)
    if len(bad):
        raise BadInput("has no label", where=split, row=f"image {pictures.ids[bad[0]]}")
    return pictures.class_index.astype(np.int64)
