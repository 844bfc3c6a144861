"""SENet: each block weighs its channels by what the whole picture holds; the winner of ILSVRC2017, the last contest.

Hu, Shen, Albanie, Sun and Wu, "Squeeze-and-excitation networks", CVPR 2018, arXiv:1709.01507. A gate squeezes every
channel to its mean and excites the channels by two small layers and a sigmoid, for well under a hundredth more work.
The contest's 2.251 % (top-5, test) is of an ensemble whose members are not listed; SENet-154, one of them, errs alone
by 4.47 % on val at 224 px.

    topfive train senet DATASET --out RUN

`50` is SE-ResNet-50, `154` the contest's SENet-154, both of timm's blocks; `tiny` is a narrow SE-ResNet-18.

`tiny` took 27 s of one core's time for 1,000 pictures of 64 px, and erred by 47.3 % (top-1; 12.7 % top-5) on 245 others
of ten classes of Tiny ImageNet, where chance errs by 90 %.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from timm import models
from torch import nn
from torch.nn import functional

from topfive.loading import Pictures
from topfive.records import Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.features.explanations import ExplainedNetwork
from topfive.systems.system import FitLog, System

Kind = Literal["basic", "bottleneck", "senet154"]


class Basic(nn.Module):
    """Two 3x3 convolutions, the gate, the sum; the paper has no ReLU before the gate, timm's `SEResNetBlock` has."""

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        inputs: int,
        width: int,
        groups: int,
        reduction: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.se_module = models.senet.SEModule(width, reduction)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, inputs, h, w] to [n, width, h / stride, w / stride]."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.se_module(self.bn2(self.conv2(y)))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


_BLOCKS: dict[str, Any] = {
    "basic": Basic,
    "bottleneck": models.senet.SEResNetBottleneck,
    "senet154": models.senet.SEBottleneck,
}


class SENet(nn.Module):
    """A stem, four stages of gated blocks, global average pooling, one full layer; names as in timm's networks.

    Stage i has `width` * 2^i channels (four times that outside bottlenecks), and a gate a `reduction`-th of them
    inside. `senet154` blocks come with `width` groups, a stem of three 3x3 convolutions and 3x3 shortcuts.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        block: Kind = "senet154",
        blocks: tuple[int, ...] = (3, 8, 36, 3),
        width: int = 64,
        reduction: int = 16,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        deep = block == "senet154"
        self.layer0 = _deep_stem(width) if deep else _plain_stem(width)
        # Caffe's pooling, in which the authors trained: no padding, the last window may reach over the edge.
        self.pool0 = nn.MaxPool2d(3, 2, ceil_mode=True)
        kind, groups = _BLOCKS[block], width if deep else 1
        inputs = 2 * width if deep else width
        self.n_stages = len(blocks)
        for stage, depth in enumerate(blocks):
            channels, layers = width * 2**stage, []
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                downsample = None
                if i == 0 and (stride != 1 or inputs != channels * kind.expansion):
                    kernel = 3 if deep and stage > 0 else 1
                    downsample = _shortcut(inputs, channels * kind.expansion, kernel, stride)
                layers.append(kind(inputs, channels, groups, reduction, stride, downsample))
                inputs = channels * kind.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(inputs, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes]."""
        x = self.pool0(self.layer0(x))
        for stage in range(self.n_stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return self.last_linear(self.dropout(x.mean((2, 3))))  # type: ignore[no-any-return]


def _plain_stem(width: int) -> nn.Module:
    """One 7x7 convolution of stride 2."""
    parts = [
        ("conv1", nn.Conv2d(3, width, 7, 2, 3, bias=False)),
        ("bn1", nn.BatchNorm2d(width)),
        ("relu1", nn.ReLU(inplace=True)),
    ]
    return nn.Sequential(OrderedDict(parts))


def _deep_stem(width: int) -> nn.Module:
    """Three 3x3 convolutions, the first of stride 2, to `width`, `width` and twice `width` channels."""
    parts: list[tuple[str, nn.Module]] = []
    for i, (inputs, outputs) in enumerate(((3, width), (width, width), (width, 2 * width)), start=1):
        parts.append((f"conv{i}", nn.Conv2d(inputs, outputs, 3, 2 if i == 1 else 1, 1, bias=False)))
        parts.append((f"bn{i}", nn.BatchNorm2d(outputs)))
        parts.append((f"relu{i}", nn.ReLU(inplace=True)))
    return nn.Sequential(OrderedDict(parts))


def _shortcut(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


@dataclass(frozen=True, kw_only=True)
class SENetRecipe(Training):
    """The network's shape beside the numbers of its training."""

    block: Kind = "senet154"
    blocks: tuple[int, ...] = (3, 8, 36, 3)
    width: int = 64
    reduction: int = 16
    dropout: float = 0.2

    def architecture(self) -> dict[str, Any]:
        """The arguments of `SENet` besides the number of classes."""
        return {
            "block": self.block,
            "blocks": self.blocks,
            "width": self.width,
            "reduction": self.reduction,
            "dropout": self.dropout,
        }


# Section 6.1: 100 epochs, the rate divided by ten every 30. Label smoothing and dropout are SENet-154's alone.
SENET_154 = SENetRecipe(
    view=View(256, 224, "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    train_resize_px=256,
    train_crop_px=224,
    crop="area",
    epochs=100,
    batch_size=1024,
    lr=0.6,
    weight_decay=1e-4,
    schedule="step",
    drops=(0.3, 0.6, 0.9),
    label_smoothing=0.1,
)

TINY = SENetRecipe(
    view=View(96, 80, "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    train_resize_px=96,
    train_crop_px=80,
    epochs=30,
    batch_size=64,
    lr=0.1,
    weight_decay=1e-3,
    schedule="linear",
    warmup=0.1,
    colour_sigma=0.1,
    label_smoothing=0.1,
    block="basic",
    blocks=(2, 2, 2, 2),
    width=16,
    reduction=4,
)


def fit(
    train: Pictures, tune: Pictures, recipe: SENetRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    return ExplainedNetwork.of(
        fit_network(SENet, train, tune, recipe, system="senet", seed=seed, log=log, device=device)
    )


def load(folder: Path) -> FittedNetwork:
    """Read a fitted SENet from its folder."""
    return ExplainedNetwork.load(folder, system="senet", build=SENet)


SYSTEM = System(
    title="SENet",
    year=2017,
    paper="Hu, Shen, Albanie, Sun and Wu, Squeeze-and-excitation networks, CVPR 2018, arXiv:1709.01507",
    claim=Claim(
        metric="top5_error",
        value=0.02251,
        edition="ILSVRC2012",
        split="test",
        protocol="the contest's ensemble of 2017, members not listed, several scales and crops, no other data",
        source="arXiv:1709.01507, section on the contest of 2017",
        crops="multi-scale multi-crop",
        n_networks=None,
        extra_data="none",
    ),
    variants={
        "tiny": TINY,
        "50": replace(SENET_154, block="bottleneck", blocks=(3, 4, 6, 3), dropout=0.0, label_smoothing=0.0),
        "154": SENET_154,
    },
    fit=fit,
    load=load,
    needs=("torch", "timm"),
    n_parameters=115_088_984,
    network=lambda: SENet(1000, **SENET_154.architecture()),
)
