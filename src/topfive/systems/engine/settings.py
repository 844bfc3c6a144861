"""Training: every number that decides how a network is trained, as one frozen record that recipes extend."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from topfive.records import BadInput, View


@dataclass(frozen=True, kw_only=True)
class Training:
    """The fields stand in the order in which they act: what the network sees, then how it is moved.

    Pictures are kept with their short side at `train_resize_px` (centre square). `crop` cuts them: `random` takes a
    square of `train_crop_px`, of a picture zoomed by a factor drawn from [`smallest_scale`, 1]; `area` takes a share
    drawn from [`smallest_area`, 1] with an aspect ratio from [3/4, 4/3] (GoogLeNet's crop). `sizes` are the crop's
    sides in as many equal stages of the run, the last of them `train_crop_px` (EfficientNetV2 grows strength with size:
    stage i of n has the share `weakest` + (1 - `weakest`) i / (n - 1) of `rand_magnitude`, `mixup` and `cutmix`).
    """

    view: View
    train_resize_px: int
    train_crop_px: int
    crop: Literal["random", "area"] = "random"
    smallest_scale: float = 1.0
    smallest_area: float = 0.08
    mirror: bool = True
    sizes: tuple[int, ...] = ()
    weakest: float = 1.0
    colour_sigma: float = 0.0
    """Deviation of AlexNet's shift along the principal colours."""
    jitter: float = 0.0
    """Howard's brightness, contrast and saturation in random order, each by a factor from [1 - jitter, 1 + jitter]."""
    rand_ops: int = 0
    """RandAugment: operations a picture, at `rand_magnitude`, of which 10 is full strength."""
    rand_magnitude: float = 9.0
    erasing: float = 0.0
    """Share of pictures of which a rectangle is erased."""
    mixup: float = 0.0
    cutmix: float = 0.0
    """The Beta distribution's two equal parameters; where both are set, half of the pairs each."""

    epochs: int
    batch_size: int
    accumulate: int = 1
    """A batch is worked in this many parts, with the gradient of the whole."""
    optimiser: Literal["sgd", "adamw", "rmsprop", "lars", "lamb"] = "sgd"
    lr: float
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float
    decay_all: bool = True
    """Weight decay on biases and normalisation too, as the older papers do."""
    layer_decay: float = 1.0
    """Each layer's rate is that of the one above it times this (fine-tuning)."""
    schedule: Literal["step", "cosine", "linear", "exponential"]
    warmup: float = 0.0
    """Share of the run in which the rate rises."""
    drops: tuple[float, ...] = (0.5, 0.75)
    """Fractions of the run after which `step` divides the rate by ten."""
    rate_factor: float = 0.97
    rate_epochs: float = 2.4
    """`exponential` multiplies the rate by `rate_factor` every `rate_epochs`."""
    loss: Literal["cross_entropy", "binary"] = "cross_entropy"
    """`binary`: each class is a yes-or-no question; mixed pictures keep the shares of their labels."""
    label_smoothing: float = 0.0
    auxiliary: float = 0.3
    """Weight of each auxiliary head's loss, for networks that return a tuple in training."""
    clip_norm: float = 0.0
    average_decay: float = 0.0
    """Decay of a moving average of the weights, which is then what is kept."""
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    sync_norm: bool = False
    """Batch normalisation over all processes."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    init: str = ""
    """Run folder whose weights the network begins with, all but its last layer."""
    freeze: bool = False
    """Only the last layer learns."""
    cache_mb: int = 4096
    """Pictures stay in memory up to this size."""
    checkpoint_minutes: float = 10.0

    @property
    def train_view(self) -> View:
        """How training pictures are kept before random crops are cut from them."""
        return replace(self.view, resize_px=self.train_resize_px, crop_px=self.train_resize_px)

    def stage(self, epoch: int) -> int:
        """Which of `sizes` an epoch belongs to, counted from 0."""
        return min(len(self.sizes) - 1, epoch * len(self.sizes) // self.epochs) if self.sizes else 0

    def crop_px(self, epoch: int) -> int:
        """Side of the crops in an epoch."""
        return self.sizes[self.stage(epoch)] if self.sizes else self.train_crop_px

    def strength(self, epoch: int) -> float:
        """Share of the augmentation's full strength in an epoch."""
        if len(self.sizes) < 2:
            return 1.0
        return self.weakest + (1.0 - self.weakest) * self.stage(epoch) / (len(self.sizes) - 1)

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be trained with."""
        self.view.check()
        kinds = get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            numbers = [x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, float)]
            if not all(map(math.isfinite, numbers)):
                raise self._refusal(field.name)
            allowed = get_args(kinds[field.name])
            if isinstance(getattr(self, field.name), str) and allowed and getattr(self, field.name) not in allowed:
                raise self._refusal(field.name)
        for name, fits in _FITS.items():
            if not fits(self):
                raise self._refusal(name)

    def _refusal(self, name: str) -> BadInput:
        return BadInput(f"cannot train with {name} = {getattr(self, name)}", where="recipe", row=name)


_FITS: dict[str, Callable[[Any], bool]] = {
    "epochs": lambda s: s.epochs >= 1,
    "batch_size": lambda s: s.batch_size >= 2,
    "accumulate": lambda s: 1 <= s.accumulate <= s.batch_size // 2,
    "train_crop_px": lambda s: 1 <= s.train_crop_px <= s.train_resize_px,
    "smallest_scale": lambda s: 0 < s.smallest_scale <= 1 and s.train_crop_px <= s.smallest_scale * s.train_resize_px,
    "smallest_area": lambda s: 0 < s.smallest_area <= 1,
    "sizes": lambda s: not s.sizes or (min(s.sizes) >= 1 and s.sizes[-1] == s.train_crop_px == max(s.sizes)),
    "weakest": lambda s: 0 <= s.weakest <= 1,
    "jitter": lambda s: 0 <= s.jitter < 1,
    "rand_ops": lambda s: s.rand_ops >= 0,
    "rand_magnitude": lambda s: 0 <= s.rand_magnitude <= 30,
    "erasing": lambda s: 0 <= s.erasing <= 1,
    "mixup": lambda s: s.mixup >= 0,
    "cutmix": lambda s: s.cutmix >= 0,
    "lr": lambda s: s.lr > 0,
    "momentum": lambda s: 0 <= s.momentum < 1,
    "nesterov": lambda s: not (s.nesterov and s.momentum == 0),
    "weight_decay": lambda s: s.weight_decay >= 0,
    "layer_decay": lambda s: 0 < s.layer_decay <= 1,
    "warmup": lambda s: 0 <= s.warmup < 1,
    "drops": lambda s: list(s.drops) == sorted(s.drops),
    "rate_factor": lambda s: 0 < s.rate_factor <= 1,
    "rate_epochs": lambda s: s.rate_epochs > 0,
    "label_smoothing": lambda s: 0 <= s.label_smoothing < 1,
    "auxiliary": lambda s: s.auxiliary >= 0,
    "clip_norm": lambda s: s.clip_norm >= 0,
    "average_decay": lambda s: 0 <= s.average_decay < 1,
    "colour_sigma": lambda s: s.colour_sigma >= 0,
    "checkpoint_minutes": lambda s: s.checkpoint_minutes >= 0,
}
