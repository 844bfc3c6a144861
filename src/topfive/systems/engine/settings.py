"""Training: every number that decides how a network is trained, as one frozen record that recipes extend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from topfive.records import BadInput, View


@dataclass(frozen=True, kw_only=True)
class Training:
    """Training pictures keep their short side at `train_resize_px` (centre square); crops of `train_crop_px` are cut.

    `schedule`: the rate rises linearly over the first `warmup` of the run, then `step` divides it by ten after each
    fraction of the run in `drops`, `cosine` and `linear` bring it to zero. `smallest_scale` s below 1 zooms each
    batch by a factor drawn from [s, 1]. `decay_all` puts weight decay on biases and normalisation too, as the papers
    do. `clip_norm`, `average_decay` (of an exponential moving average of the weights) and `colour_sigma` (of
    AlexNet's colour shift along the principal components) are off at 0. Pictures stay in memory up to `cache_mb`.
    """

    view: View
    train_resize_px: int
    train_crop_px: int
    smallest_scale: float = 1.0
    epochs: int
    batch_size: int
    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: float
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float
    decay_all: bool = True
    schedule: Literal["step", "cosine", "linear"]
    warmup: float = 0.0
    drops: tuple[float, ...] = (0.5, 0.75)
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    average_decay: float = 0.0
    colour_sigma: float = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    cache_mb: int = 4096

    @property
    def train_view(self) -> View:
        """How training pictures are kept before random crops are cut from them."""
        return replace(self.view, resize_px=self.train_resize_px, crop_px=self.train_resize_px)

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be trained with."""
        self.view.check()
        wrong = {
            "epochs": self.epochs < 1,
            "batch_size": self.batch_size < 2,
            "train_crop_px": not 1 <= self.train_crop_px <= self.train_resize_px,
            "smallest_scale": not 0 < self.smallest_scale <= 1 or self.train_crop_px > self.largest_crop_px,
            "lr": not self.lr > 0,
            "momentum": not 0 <= self.momentum < 1,
            "nesterov": self.nesterov and self.momentum == 0,
            "weight_decay": not self.weight_decay >= 0,
            "warmup": not 0 <= self.warmup < 1,
            "drops": list(self.drops) != sorted(self.drops),
            "label_smoothing": not 0 <= self.label_smoothing < 1,
            "clip_norm": not self.clip_norm >= 0,
            "average_decay": not 0 <= self.average_decay < 1,
            "colour_sigma": not self.colour_sigma >= 0,
            "optimiser": self.optimiser not in ("sgd", "adamw"),
            "schedule": self.schedule not in ("step", "cosine", "linear"),
            "precision": self.precision not in ("fp32", "bf16"),
        }
        for name, bad in wrong.items():
            if bad:
                raise BadInput(f"cannot train with {name} = {getattr(self, name)}", where="recipe", row=name)

    @property
    def largest_crop_px(self) -> int:
        """The side of the largest region that a crop may show after zooming, never more than the picture's."""
        return min(self.train_resize_px, round(self.train_crop_px / self.smallest_scale))
