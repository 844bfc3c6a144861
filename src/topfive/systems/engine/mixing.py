"""Mixup and CutMix: neighbours in a batch are blended, or one gets a rectangle of the other; the labels follow.

Zhang et al., arXiv:1710.09412; Yun et al., arXiv:1905.04899. Partners are the 2j-th and the (2j + 1)-th picture of a
batch: shuffled order makes neighbours strangers, and pairs stay together on any number of processes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from topfive.loading import draws, uniform


def mix(
    inputs: torch.Tensor,
    labels: torch.Tensor,
    n_classes: int,
    alphas: tuple[float, float],
    *,
    seed: int,
    epoch: int,
    positions: NDArray[np.integer[Any]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixed inputs [n, 3, h, w] and their label shares [n, K]; an odd last picture stays as it is.

    `alphas` are mixup's and CutMix's Beta parameters, 0 where one is off; where both are on, each pair draws one.
    """
    from scipy.stats import beta

    shares = torch.nn.functional.one_hot(labels, n_classes).to(inputs.dtype)
    n_pairs = len(inputs) // 2
    if n_pairs == 0:
        return inputs, shares
    first = positions[0 : 2 * n_pairs : 2]
    mixup, cutmix = alphas
    cuts = uniform(draws("mix kind", seed, epoch, first)) < 0.5 if mixup and cutmix else np.full(n_pairs, cutmix > 0)
    alpha = np.where(cuts, cutmix, mixup)
    kept = beta.ppf(uniform(draws("mix share", seed, epoch, first)), alpha, alpha)
    even, odd = inputs[0 : 2 * n_pairs : 2].clone(), inputs[1 : 2 * n_pairs : 2].clone()
    out = inputs.clone()
    a, b = out[0 : 2 * n_pairs : 2], out[1 : 2 * n_pairs : 2]
    blended = np.flatnonzero(~cuts)
    if len(blended):
        share = torch.from_numpy(kept[blended].astype(np.float32)).to(inputs.device).view(-1, 1, 1, 1)
        a[blended] = share * even[blended] + (1.0 - share) * odd[blended]
        b[blended] = share * odd[blended] + (1.0 - share) * even[blended]
    height, width = inputs.shape[2:]
    middle_y = uniform(draws("mix row", seed, epoch, first)) * height
    middle_x = uniform(draws("mix column", seed, epoch, first)) * width
    for pair in np.flatnonzero(cuts):
        high, wide = height * np.sqrt(1.0 - kept[pair]) / 2.0, width * np.sqrt(1.0 - kept[pair]) / 2.0
        top, bottom = (int(np.clip(middle_y[pair] + side, 0, height)) for side in (-high, high))
        left, right = (int(np.clip(middle_x[pair] + side, 0, width)) for side in (-wide, wide))
        a[pair, :, top:bottom, left:right] = odd[pair, :, top:bottom, left:right]
        b[pair, :, top:bottom, left:right] = even[pair, :, top:bottom, left:right]
        # The rectangle may be cut off by the border: the labels follow the pixels that were really replaced.
        kept[pair] = 1.0 - (bottom - top) * (right - left) / (height * width)
    share = torch.from_numpy(kept.astype(np.float32)).to(inputs.device).view(-1, 1)
    own, partner = shares[0 : 2 * n_pairs : 2].clone(), shares[1 : 2 * n_pairs : 2].clone()
    shares[0 : 2 * n_pairs : 2] = share * own + (1.0 - share) * partner
    shares[1 : 2 * n_pairs : 2] = share * partner + (1.0 - share) * own
    return out, shares
