"""Distortions of a batch on its way in: Howard's photometric jitter before normalisation, random erasing after it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from topfive.loading import draws, integers, uniform

_ORDERS = np.array(list(permutations(range(3))))
_GREY = (0.299, 0.587, 0.114)


def jitter(
    pixels: torch.Tensor, strength: float, *, seed: int, epoch: int, positions: NDArray[np.integer[Any]]
) -> torch.Tensor:
    """Brightness, contrast and saturation of float [n, 3, h, w] in [0, 1], each by a factor from [1 - s, 1 + s].

    Their order is drawn for each picture; values are cut to [0, 1] after each (Howard, arXiv:1312.5402).
    """
    n = len(positions)
    order = _ORDERS[integers(draws("jitter order", seed, epoch, positions), len(_ORDERS))]
    factors = np.stack([uniform(draws(f"jitter {kind}", seed, epoch, positions)) for kind in range(3)], axis=1)
    factors = 1.0 + strength * (2.0 * factors - 1.0)
    weights = torch.tensor(_GREY, device=pixels.device).view(1, 3, 1, 1)
    for turn in range(3):
        kinds = torch.from_numpy(order[:, turn]).to(pixels.device).view(n, 1, 1, 1)
        chosen = np.take_along_axis(factors, order[:, turn : turn + 1], axis=1).astype(np.float32)
        factor = torch.from_numpy(chosen).to(pixels.device).view(n, 1, 1, 1)
        grey = (pixels * weights).sum(1, keepdim=True)
        # What the picture is blended with: black, its mean grey level, its own grey picture.
        other = torch.where(kinds == 0, 0.0, torch.where(kinds == 1, grey.mean((2, 3), keepdim=True), grey))
        pixels = (pixels * factor + other * (1.0 - factor)).clamp(0.0, 1.0)
    return pixels


def erase(
    inputs: torch.Tensor, share: float, *, seed: int, epoch: int, positions: NDArray[np.integer[Any]]
) -> torch.Tensor:
    """Zero (the mean colour, after normalisation) in a rectangle of `share` of the pictures, in place.

    It covers 2 to 33 % of the picture, with a side ratio from [0.3, 3.3]: torchvision's numbers for Zhong et al.,
    arXiv:1708.04896.
    """
    height, width = inputs.shape[2:]

    def drawn(what: str) -> NDArray[np.float64]:
        return uniform(draws(f"erase {what}", seed, epoch, positions))

    area = height * width * (0.02 + 0.31 * drawn("area"))
    ratio = 0.3 * (3.3 / 0.3) ** drawn("ratio")
    high = np.clip(np.rint(np.sqrt(area * ratio)), 1, height).astype(int)
    wide = np.clip(np.rint(np.sqrt(area / ratio)), 1, width).astype(int)
    top = (drawn("top") * (height - high + 1)).astype(int)
    left = (drawn("left") * (width - wide + 1)).astype(int)
    for row in np.flatnonzero(drawn("whether") < share):
        inputs[row, :, top[row] : top[row] + high[row], left[row] : left[row] + wide[row]] = 0.0
    return inputs
