"""RandAugment: a few operations drawn from fourteen, all at one magnitude, the same wherever the picture is worked.

Cubuk et al., arXiv:1909.13719. Magnitudes are on the scale of its authors' code and of timm, where 10 is an operation's
full strength and more goes beyond it (torchvision's class counts to 30 instead). torchvision's functions do the work;
what is drawn is a function of (seed, epoch, position).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as ops

from topfive.loading import draws, integers

_FULL = 10.0

Operation = Callable[[torch.Tensor, float, float], torch.Tensor]
"""Takes a picture uint8 [3, h, w], a strength (1 is full) and a sign of 1 or -1."""


def _affine(picture: torch.Tensor, shift: tuple[float, float] = (0, 0), shear: tuple[float, float] = (0, 0)) -> Any:
    return ops.affine(
        picture,
        angle=0.0,
        translate=[round(shift[0]), round(shift[1])],
        scale=1.0,
        shear=[float(np.degrees(np.arctan(part))) for part in shear],
        interpolation=InterpolationMode.NEAREST,
        center=[0.0, 0.0],
    )


def _factor(strength: float, sign: float) -> float:
    return max(0.0, 1.0 + 0.9 * strength * sign)


_WIDEST_SHIFT = 150.0 / 331.0
_OPERATIONS: dict[str, Operation] = {
    "identity": lambda x, s, sign: x,
    "shear x": lambda x, s, sign: _affine(x, shear=(0.3 * s * sign, 0.0)),
    "shear y": lambda x, s, sign: _affine(x, shear=(0.0, 0.3 * s * sign)),
    "translate x": lambda x, s, sign: _affine(x, shift=(_WIDEST_SHIFT * x.shape[-1] * s * sign, 0.0)),
    "translate y": lambda x, s, sign: _affine(x, shift=(0.0, _WIDEST_SHIFT * x.shape[-2] * s * sign)),
    "rotate": lambda x, s, sign: ops.rotate(x, 30.0 * s * sign, interpolation=InterpolationMode.NEAREST),
    "brightness": lambda x, s, sign: ops.adjust_brightness(x, _factor(s, sign)),
    "colour": lambda x, s, sign: ops.adjust_saturation(x, _factor(s, sign)),
    "contrast": lambda x, s, sign: ops.adjust_contrast(x, _factor(s, sign)),
    "sharpness": lambda x, s, sign: ops.adjust_sharpness(x, _factor(s, sign)),
    "posterise": lambda x, s, sign: ops.posterize(x, max(1, 8 - round(4.0 * s))),
    "solarise": lambda x, s, sign: ops.solarize(x, max(0.0, 255.0 * (1.0 - s))),
    "autocontrast": lambda x, s, sign: ops.autocontrast(x),
    "equalise": lambda x, s, sign: ops.equalize(x),
}


def rand_augment(
    images: NDArray[np.uint8],
    n_ops: int,
    magnitude: float,
    *,
    seed: int,
    epoch: int,
    positions: NDArray[np.integer[Any]],
) -> NDArray[np.uint8]:
    """`n_ops` operations on each picture at `magnitude` (10 is full strength), uint8 [n, h, w, 3] to the same shape."""
    table = list(_OPERATIONS.values())
    chosen = [integers(draws(f"operation {i}", seed, epoch, positions), len(table)) for i in range(n_ops)]
    signs = [1.0 - 2.0 * integers(draws(f"sign {i}", seed, epoch, positions), 2) for i in range(n_ops)]
    out = np.empty_like(images)
    for row, image in enumerate(images):
        picture = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        for operation, sign in zip(chosen, signs, strict=True):
            picture = table[operation[row]](picture, magnitude / _FULL, float(sign[row]))
        out[row] = picture.numpy().transpose(1, 2, 0)
    return out
