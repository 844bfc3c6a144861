"""The tune split: a part of train that choices are made on, so that none is made on val or test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.shares import shares
from topfive.records import Manifest

_SHARE = 0.1
_SALT = "topfive tune 1"


def tune_rows(manifest: Manifest) -> NDArray[np.bool_]:
    """Which rows are held out of train, bool [n]: a tenth of its groups, by a hash of the group's name.

    Near-duplicates share a group, so they stay on one side; a set that grows moves no image from side to side.
    """
    groups = manifest.column("group")
    ids = manifest.column("image_id")
    drawn = shares((group or image_id for group, image_id in zip(groups, ids, strict=True)), _SALT)
    return np.asarray((drawn < _SHARE) & (manifest.column("split") == "train"), dtype=np.bool_)
