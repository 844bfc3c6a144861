"""GoogLeNet: modules that look at several scales side by side, 22 layers with few weights; the winner of ILSVRC2014.

Szegedy et al., "Going deeper with convolutions", CVPR 2015, arXiv:1409.4842 (2014). New were the Inception module with
1x1 convolutions that thin the maps before costly ones, global average pooling instead of full layers, and auxiliary
heads that send gradients into the middle. Seven networks at 144 crops erred by 6.67 % (top-5, test), one at one crop by
10.07 % (val).

    topfive train googlenet DATASET --out RUN

`published` is table 1's network. torchvision's `googlenet` is another: batch normalisation, no response normalisation,
and 3x3 where the paper has 5x5.
`tiny` took 64 s of one core's time for 1,811 pictures of 96 px, and erred by 34.7 % (top-1; 6.6 % top-5) on 2,000
others of a twin made for tuning, where chance errs by 95 %.

Rate, batch, weight decay and initial weights were not published: those here are chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.features.explanations import ExplainedNetwork
from topfive.systems.features.response_norm import ResponseNorm
from topfive.systems.system import FitLog, System

Row = tuple[int, int, int, int, int, int]

TABLE: dict[str, Row] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Table 1: channels of 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; pool projection."""

_HEADS = ("4a", "4d")
"""Modules whose maps the auxiliary heads read."""


class Inception(nn.Module):
    """Figure 2b: 1x1, 3x3, 5x5 and a 3x3 maximum side by side, the costly ones on maps thinned by 1x1 convolutions."""

    def __init__(self, inputs: int, row: Row) -> None:
        super().__init__()
        one, thin3, three, thin5, five, pooled = row
        self.one = nn.Conv2d(inputs, one, 1)
        self.thin3 = nn.Conv2d(inputs, thin3, 1)
        self.three = nn.Conv2d(thin3, three, 3, padding=1)
        self.thin5 = nn.Conv2d(inputs, thin5, 1)
        self.five = nn.Conv2d(thin5, five, 5, padding=2)
        self.pooled = nn.Conv2d(inputs, pooled, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, inputs, h, w] to the four branches' maps, [n, one + three + five + pooled, h, w]."""
        three = self.three(functional.relu(self.thin3(x)))
        five = self.five(functional.relu(self.thin5(x)))
        pooled = self.pooled(functional.max_pool2d(x, 3, 1, 1))
        return functional.relu(torch.cat([self.one(x), three, five, pooled], 1))


class Head(nn.Module):
    """An auxiliary classifier: 5x5/3 average, 1x1 convolution, full layer, dropout, the classes."""

    def __init__(self, inputs: int, side: int, width: int, hidden: int, dropout: float, n_classes: int) -> None:
        super().__init__()
        side = (side - 5) // 3 + 1
        self.conv = nn.Conv2d(inputs, width, 1)
        self.fc1 = nn.Linear(width * side**2, hidden)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes] from maps [n, inputs, side, side]."""
        x = functional.relu(self.conv(functional.avg_pool2d(x, 5, 3)))
        x = self.dropout(functional.relu(self.fc1(x.flatten(1))))
        return self.fc2(x)  # type: ignore[no-any-return]


class GoogLeNet(nn.Module):
    """Table 1 with all channels times `width`, and of its modules those named; a 3/2 maximum stands between stages.

    Inputs are [n, 3, h, w] in grey levels about their mean, of any size but in training with `heads`, whose full layers
    want `input_px`.
    """

    other_heads: ClassVar[tuple[str, ...]] = ("heads",)

    def __init__(
        self,
        n_classes: int,
        *,
        input_px: int = 224,
        modules: tuple[str, ...] = tuple(TABLE),
        width: float = 1.0,
        heads: bool = True,
        dropout: float = 0.4,
        head_dropout: float = 0.7,
    ) -> None:
        super().__init__()
        _check(modules, width)

        def wide(channels: int) -> int:
            return max(1, round(width * channels))

        self.conv1 = nn.Conv2d(3, wide(64), 7, 2, 3)
        self.norm1 = ResponseNorm()
        self.thin2 = nn.Conv2d(wide(64), wide(64), 1)
        self.conv2 = nn.Conv2d(wide(64), wide(192), 3, padding=1)
        self.norm2 = ResponseNorm()
        self.inception = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        inputs, side, stage = wide(192), _pooled(_pooled((input_px - 1) // 2 + 1)), "3"
        for name in modules:
            if name[0] != stage:
                side, stage = _pooled(side), name[0]
            one, thin3, three, thin5, five, pooled = (wide(channels) for channels in TABLE[name])
            self.inception[name] = Inception(inputs, (one, thin3, three, thin5, five, pooled))
            inputs = one + three + five + pooled
            if heads and name in _HEADS:
                self.heads[name] = Head(inputs, side, wide(128), wide(1024), head_dropout, n_classes)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs, n_classes)
        self._initialise()

    def _initialise(self) -> None:
        """Uniform weights of variance 1 / fan-in and biases of 0.2, as the public replica in Caffe began (recalled).

        The paper is silent. He's weights keep a signal of grey levels so large that a rate of 0.01 is past stability.
        """
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                assert layer.bias is not None
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")
                nn.init.constant_(layer.bias, 0.0 if name == "fc" or name.endswith("fc2") else 0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Logits [n, n_classes]; in training with those of the auxiliary heads behind them."""
        x = self.norm1(_pool(functional.relu(self.conv1(x))))
        x = functional.relu(self.conv2(functional.relu(self.thin2(x))))
        x = _pool(self.norm2(x))
        stage, answers = "3", []
        for name, module in self.inception.items():
            if name[0] != stage:
                x, stage = _pool(x), name[0]
            x = module(x)
            if self.training and name in self.heads:
                answers.append(self.heads[name](x))
        logits = self.fc(self.dropout(x.mean((2, 3))))
        return (logits, *answers) if answers else logits

    # The average before the last layer takes maps of any size: a larger picture is tested densely as it is.
    dense = forward


def _pool(x: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(x, 3, 2, ceil_mode=True)


def _pooled(side: int) -> int:
    return math.ceil((side - 3) / 2) + 1


def _check(modules: tuple[str, ...], width: float) -> None:
    unknown = [name for name in modules if name not in TABLE]
    if unknown or not modules or list(modules) != sorted(set(modules)):
        raise BadInput(
            f"cannot build {', '.join(unknown or modules) or 'no module at all'}",
            where="recipe",
            row="modules",
            fix=f"Name some of {', '.join(TABLE)} in this order",
        )
    if width <= 0:
        raise BadInput(f"cannot build width {width}", where="recipe", row="width")


@dataclass(frozen=True, kw_only=True)
class GoogLeNetRecipe(Training):
    """The network's shape beside the numbers of its training."""

    modules: tuple[str, ...] = tuple(TABLE)
    width: float = 1.0
    heads: bool = True
    dropout: float = 0.4
    head_dropout: float = 0.7

    def architecture(self) -> dict[str, Any]:
        """The arguments of `GoogLeNet` besides the number of classes."""
        return {
            "input_px": self.view.crop_px,
            "modules": self.modules,
            "width": self.width,
            "heads": self.heads,
            "dropout": self.dropout,
            "head_dropout": self.head_dropout,
        }


# Inputs in grey levels about ImageNet's mean: at unit scale response normalisation does nothing.
_GREY_LEVELS = (1 / 255, 1 / 255, 1 / 255)

# Section 6: the rate falls by 4 % every 8 epochs, weights are averaged, crops have 8 to 100 % of the area, brightness,
# contrast and saturation are changed. The number of epochs, batch, rate and weight decay are chosen.
PUBLISHED = GoogLeNetRecipe(
    view=View(256, 224, "bilinear", mean=(0.485, 0.456, 0.406), std=_GREY_LEVELS),
    train_resize_px=352,
    train_crop_px=224,
    crop="area",
    smallest_area=0.08,
    jitter=0.5,
    colour_sigma=0.1,
    epochs=250,
    batch_size=128,
    lr=0.01,
    weight_decay=2e-4,
    schedule="exponential",
    rate_factor=0.96,
    rate_epochs=8.0,
    auxiliary=0.3,
    average_decay=0.9999,
)

# AdamW, since 1,800 pictures give about 930 updates, and nothing but two response normalisations helps them along.
TINY = GoogLeNetRecipe(
    view=View(96, 80, "bilinear", mean=(0.485, 0.456, 0.406), std=_GREY_LEVELS),
    train_resize_px=96,
    train_crop_px=80,
    colour_sigma=0.1,
    epochs=32,
    batch_size=64,
    optimiser="adamw",
    lr=0.002,
    weight_decay=5e-4,
    schedule="linear",
    warmup=0.1,
    clip_norm=5.0,
    average_decay=0.98,
    auxiliary=0.3,
    modules=("3a", "3b", "4a", "4d", "5b"),
    width=0.25,
    dropout=0.2,
    head_dropout=0.4,
)


def fit(
    train: Pictures, tune: Pictures, recipe: GoogLeNetRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    fitted = fit_network(GoogLeNet, train, tune, recipe, system="googlenet", seed=seed, log=log, device=device)
    return ExplainedNetwork.of(fitted)


def load(folder: Path) -> FittedNetwork:
    """Read a fitted GoogLeNet from its folder."""
    return ExplainedNetwork.load(folder, system="googlenet", build=GoogLeNet)


SYSTEM = System(
    title="GoogLeNet",
    year=2014,
    paper="Szegedy et al., Going deeper with convolutions, CVPR 2015, arXiv:1409.4842",
    claim=Claim(
        metric="top5_error",
        value=0.0667,
        edition="ILSVRC2012",
        split="test",
        protocol="contest entry of seven networks, 144 crops each, no other data",
        source="arXiv:1409.4842, table 2",
        crops="144",
        n_networks=7,
        extra_data="none",
    ),
    variants={"tiny": TINY, "published": PUBLISHED},
    fit=fit,
    load=load,
    needs=("torch",),
    # Of the network that answers: the auxiliary heads, thrown away at test, have 6,379,728 more.
    n_parameters=6_998_552,
    network=lambda: GoogLeNet(1000, **{**PUBLISHED.architecture(), "heads": False}),
)
