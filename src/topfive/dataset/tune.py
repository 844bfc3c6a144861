"""The tune split: a part of train that choices are made on, so that none is made on val or test."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from topfive.records import Manifest

_SHARE = 0.1
_SALT = b"topfive tune 1"


def tune_rows(manifest: Manifest) -> NDArray[np.bool_]:
    """Which rows are held out of train, bool [n]: a tenth of its groups, by a hash of the group's name.

    Near-duplicates share a group, so they stay on one side; a set that grows moves no image from side to side.
    """
    groups = manifest.column("group")
    ids = manifest.column("image_id")
    chosen = np.fromiter(
        (_hash(group or image_id) < _SHARE for group, image_id in zip(groups, ids, strict=True)), bool, len(manifest)
    )
    return chosen & np.asarray(manifest.column("split") == "train", dtype=np.bool_)


def _hash(name: str) -> float:
    digest = hashlib.blake2b(name.encode(), digest_size=8, key=_SALT).digest()
    return int.from_bytes(digest, "big") / 2.0**64
