"""Any system under any test protocol: it answers for every crop, and its probabilities are averaged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.loading import CroppedPictures, Pictures, crops, show, size_of
from topfive.records import PROTOCOLS, BadInput, Progress, Protocol, digest_json, silent
from topfive.systems.system import Fitted

ONE_CROP = "1-crop"
"""What the View shows: the protocol of a plain prediction."""
_TOGETHER = 1_024
"""Crops whose answers are held at once: memory stays flat however many pictures and crops there are."""


def protocol_named(name: str) -> Protocol | None:
    """The protocol of this name, None for `1-crop`; raises BadInput naming those there are."""
    if name == ONE_CROP:
        return None
    if name not in PROTOCOLS:
        raise BadInput(
            f"no test protocol is called {name!r}",
            where="--crops",
            fix=f"Protocols: {', '.join((ONE_CROP, *PROTOCOLS))}",
        )
    return PROTOCOLS[name]


def fingerprint(fitted: Fitted, protocol: Protocol | None) -> str:
    """Digest of all that happens to a picture before its scores: the View, and the crops where there are more."""
    return fitted.view.digest if protocol is None else digest_json([fitted.view.digest, protocol.digest])


def scores_under(
    fitted: Fitted, pictures: Pictures, protocol: Protocol, *, batch_size: int = 64, progress: Progress = silent
) -> NDArray[np.float32]:
    """Logarithms of the mean probability over a picture's crops, float32 [n, K].

    Networks with a `dense` forward are shown whole pictures under a dense protocol. The mean of probabilities is what
    AlexNet, GoogLeNet and VGG averaged.
    """
    protocol.check()
    if protocol.crops == "dense" and hasattr(fitted, "device") and hasattr(getattr(fitted, "network", None), "dense"):
        return _dense(fitted, pictures, protocol, progress)
    out = np.empty((len(pictures), len(fitted.classes)), dtype=np.float32)
    largest = len(crops(protocol, fitted.view.crop_px, *size_of(pictures, 0))) if len(pictures) else 1
    start = 0
    while start < len(pictures):
        n = max(1, min(len(pictures) - start, _TOGETHER // largest))
        part = CroppedPictures(pictures.take(np.arange(start, start + n)), protocol, fitted.view.crop_px)
        largest = max(largest, int(np.diff(part.starts).max()))
        shares = _softmax(fitted.scores(part, batch_size=batch_size))
        sums = np.add.reduceat(shares, part.starts[:-1], axis=0)
        out[start : start + n] = _log(sums / np.diff(part.starts)[:, None])
        start += n
        progress(f"predicting, {protocol.name}", start, len(pictures), "images")
    return out


def _dense(fitted: Any, pictures: Pictures, protocol: Protocol, progress: Progress) -> NDArray[np.float32]:
    """One picture at a time, since each has its own size."""
    import torch

    from topfive.systems.engine.pixels import floats

    out = np.empty((len(pictures), len(fitted.classes)), dtype=np.float32)
    for i in range(len(pictures)):
        image = pictures.decoded(i, fitted.view)
        total = np.zeros(len(fitted.classes))
        plan = crops(protocol, fitted.view.crop_px, *size_of(pictures, i), whole=True)
        with torch.inference_mode():
            for crop in plan:
                inputs = floats(show(image, crop, fitted.view)[None], fitted.view, fitted.device)
                total += _softmax(fitted.network.dense(inputs).float().cpu().numpy())[0]
        out[i] = _log(total / len(plan))
        progress(f"predicting, {protocol.name}", i + 1, len(pictures), "images")
    return out


def _softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    from scipy.special import softmax

    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def _log(shares: NDArray[np.float64]) -> NDArray[np.float32]:
    # Below float32's smallest normal number a share counts as that number: infinity cannot be ranked.
    return np.log(np.maximum(shares, np.finfo(np.float32).tiny)).astype(np.float32)
