"""Crops of many sizes and looks, a batch at a time on tensors; what a crop is depends on (seed, epoch, position) alone.

Cutting, mirroring, resizing and blurring are linear along rows and along columns, so a crop is rows x picture x
columns: two matrices a picture, and no loop over pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from topfive.loading import draws
from topfive.records import View

Chance = Callable[[str], torch.Tensor]
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Look:
    """How a crop's colours are changed: largest `jitter` of brightness, contrast, saturation and hue (for 80 %), and
    the shares that lose their colour, are blurred by up to `blur_px`, or have values from 0.5 up inverted."""

    jitter: tuple[float, float, float, float]
    grey: float
    blur_px: float
    blur_share: float = 1.0
    solarise: float = 0.0


@dataclass(frozen=True)
class Crops:
    """Squares of `px`, cut from a share of the picture drawn from `area`, with an aspect ratio from [3/4, 4/3]."""

    px: int
    area: tuple[float, float]
    look: Look


def crops(
    images: torch.Tensor,
    kind: Crops,
    view: View,
    purpose: str,
    seed: int,
    epoch: int,
    positions: NDArray[np.integer[Any]],
) -> torch.Tensor:
    """One crop of each picture: uint8 [n, h, w, 3] to standardised float32 [n, 3, px, px]. `purpose` names the draw."""

    def chance(what: str) -> torch.Tensor:
        uniform = (draws(f"{purpose} {what}", seed, epoch, positions) >> np.uint64(11)).astype(np.float64) / 2.0**53
        return torch.from_numpy(uniform.astype(np.float32)).to(images.device)

    pixels = images.permute(0, 3, 1, 2).float() / 255.0
    rows, columns = _cut(kind, pixels.shape[2], pixels.shape[3], chance)
    cut = rows[:, None] @ pixels @ columns[:, None].transpose(2, 3)
    seen = recolour(cut, kind.look, chance)
    mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in (view.mean, view.std))
    return (seen - mean) / std


def _cut(kind: Crops, height: int, width: int, chance: Chance) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrices [n, px, height] and [n, px, width] that cut, mirror, resize and blur."""
    low, high = kind.area
    area = (low + (high - low) * chance("area")) * height * width
    aspect = torch.exp((2.0 * chance("aspect") - 1.0) * math.log(4.0 / 3.0))
    # A box that is too long for the picture is cut to it; torchvision draws anew up to ten times.
    tall, wide = (area / aspect).sqrt().clamp(max=float(height)), (area * aspect).sqrt().clamp(max=float(width))
    rows = resampling((height - tall) * chance("top"), tall, height, kind.px)
    columns = resampling((width - wide) * chance("left"), wide, width, kind.px)
    columns = torch.where((chance("mirror") < 0.5)[:, None, None], columns.flip(1), columns)
    if kind.look.blur_px:
        sigma = torch.where(
            chance("blur") < kind.look.blur_share, (0.05 + 0.95 * chance("sigma")) * kind.look.blur_px, 0.0
        )
        blur = blurring(sigma, kind.px)
        rows, columns = blur @ rows, blur @ columns
    return rows, columns


def resampling(start: torch.Tensor, length: torch.Tensor, n_in: int, n_out: int) -> torch.Tensor:
    """Weights [n, n_out, n_in] that resize [start, start + length) to n_out values: Pillow's bilinear filter, which
    widens where it shrinks."""
    places = torch.arange(n_out, device=start.device) + 0.5
    step = (length / n_out)[:, None]
    centre = start[:, None] + places * step
    inputs = torch.arange(n_in, device=start.device) + 0.5
    weights = (1.0 - (centre[:, :, None] - inputs).abs() / step.clamp(min=1.0)[:, :, None]).clamp(min=0.0)
    return weights / weights.sum(dim=2, keepdim=True)


def blurring(sigma: torch.Tensor, n: int) -> torch.Tensor:
    """Gaussian weights [len(sigma), n, n] that sum to one in each row; a deviation of 0 changes nothing."""
    place = torch.arange(n, device=sigma.device, dtype=torch.float32)
    distance = (place[:, None] - place).square() / (2.0 * sigma.clamp(min=0.05).square())[:, None, None]
    weights = torch.exp(-distance)
    return weights / weights.sum(dim=2, keepdim=True)


def recolour(pixels: torch.Tensor, look: Look, chance: Chance) -> torch.Tensor:
    """float32 [n, 3, h, w] in [0, 1] to the same with its look changed.

    Brightness, saturation and hue are one 3 x 3 matrix a picture (hue turns about the axis of greys); contrast follows.
    """
    n = len(pixels)
    on = (chance("jitter") < 0.8).float()
    light, contrast, saturation = (
        1.0 + on * limit * (2.0 * chance(name) - 1.0)
        for name, limit in zip(("light", "contrast", "saturation"), look.jitter[:3], strict=True)
    )
    saturation = torch.where(chance("grey") < look.grey, torch.zeros_like(saturation), saturation)
    to_grey = torch.tensor(_LUMA, device=pixels.device).expand(3, 3)
    eye = torch.eye(3, device=pixels.device)
    turned = _turns(on * look.jitter[3] * (2.0 * chance("hue") - 1.0))
    faded = saturation[:, None, None] * eye + (1.0 - saturation)[:, None, None] * to_grey
    mixed = (light[:, None, None] * faded @ turned) @ pixels.reshape(n, 3, -1)
    mean = (mixed.mean(dim=2, keepdim=True) * to_grey[:1].T).sum(dim=1, keepdim=True)
    mixed = (mean + contrast[:, None, None] * (mixed - mean)).clamp(0.0, 1.0).reshape(pixels.shape)
    if look.solarise:
        chosen = (chance("solarise") < look.solarise)[:, None, None, None]
        mixed = torch.where(chosen & (mixed >= 0.5), 1.0 - mixed, mixed)
    return mixed


def _turns(share: torch.Tensor) -> torch.Tensor:
    """Rotations [n, 3, 3] of RGB about the axis of greys by this share of a full turn (Rodrigues' formula)."""
    angle = (2.0 * math.pi * share)[:, None, None]
    third = torch.full((3, 3), 1.0 / 3.0, device=share.device)
    eye = torch.eye(3, device=share.device)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=share.device) / math.sqrt(3.0)
    return torch.cos(angle) * eye + torch.sin(angle) * across + (1.0 - torch.cos(angle)) * third
