"""ResNet: blocks that learn what to add to their input, so that depth stops hurting; the winner of ILSVRC2015.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, arXiv:1512.03385. ResNet-152 alone
errs by 4.49 % (top-5, val, multi-scale dense testing); the contest's 3.57 % on test is that of six networks, two of
them of 152 layers.

    topfive train resnet DATASET --out RUN

`tiny` took 56 s of one core's time for 1,811 pictures of 96 px, and erred by 35.3 % (top-1; 7.9 % top-5) on 2,000
others of a twin made for tuning, where chance errs by 95 %.

Basic and bottleneck blocks, option B shortcuts, the stride of a stage in its first 1x1 convolution: as published.
torchvision and timm carry that stride in the 3x3 convolution, which is why bottleneck networks here are not theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional

from topfive.loading import Pictures
from topfive.records import Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.features.explanations import ExplainedNetwork
from topfive.systems.system import FitLog, System


class Basic(nn.Module):
    """Two 3x3 convolutions beside the shortcut (figure 5, left)."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, inputs, h, w] to [n, width, h / stride, w / stride]."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions, four times wider outside (figure 5, right); the first 1x1 carries the stride."""

    expansion: ClassVar[int] = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, inputs, h, w] to [n, 4 width, h / stride, w / stride]."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + self.downsample(x))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Option B: a 1x1 projection where the shape changes, else the identity."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """Table 1: a stem of `stem` = (kernel, stride), stages of `blocks`, global average pooling, one full layer.

    Stage i has `width` * 2^i channels (four times that outside bottlenecks). `pool` is the stem's 3/2 maximum.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        block: Literal["basic", "bottleneck"] = "bottleneck",
        blocks: tuple[int, ...] = (3, 8, 36, 3),
        width: int = 64,
        stem: tuple[int, int] = (7, 2),
        pool: bool = True,
    ) -> None:
        super().__init__()
        kind = Basic if block == "basic" else Bottleneck
        kernel, stride = stem
        self.conv1 = nn.Conv2d(3, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, 2, 1) if pool else nn.Identity()
        inputs = width
        self.n_stages = len(blocks)
        for stage, depth in enumerate(blocks):
            layers = []
            for i in range(depth):
                layers.append(kind(inputs, width * 2**stage, 2 if stage > 0 and i == 0 else 1))
                inputs = width * 2**stage * kind.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes]."""
        x = self.pool(functional.relu(self.bn1(self.conv1(x))))
        for stage in range(self.n_stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]

    # The full layer after an average is the average of full layers at every place: any size is tested densely.
    dense = forward


@dataclass(frozen=True, kw_only=True)
class ResNetRecipe(Training):
    """The network's shape beside the numbers of its training."""

    block: Literal["basic", "bottleneck"] = "bottleneck"
    blocks: tuple[int, ...] = (3, 8, 36, 3)
    width: int = 64
    stem: tuple[int, int] = (7, 2)
    pool: bool = True

    def architecture(self) -> dict[str, Any]:
        """The arguments of `ResNet` besides the number of classes."""
        return {
            "block": self.block,
            "blocks": self.blocks,
            "width": self.width,
            "stem": self.stem,
            "pool": self.pool,
        }


# Section 3.4. The short side is drawn from [256, 480] px for each picture.
PUBLISHED = ResNetRecipe(
    view=View(256, 224, "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    train_resize_px=480,
    train_crop_px=224,
    smallest_scale=256 / 480,
    epochs=120,
    batch_size=256,
    lr=0.1,
    weight_decay=1e-4,
    schedule="step",
    drops=(0.5, 0.75),
    colour_sigma=0.1,
)

TINY = ResNetRecipe(
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
    block="basic",
    blocks=(2, 2, 2, 2),
    width=16,
    stem=(5, 2),
)


def fit(
    train: Pictures, tune: Pictures, recipe: ResNetRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    fitted = fit_network(ResNet, train, tune, recipe, system="resnet", seed=seed, log=log, device=device)
    return ExplainedNetwork.of(fitted)


def load(folder: Path) -> FittedNetwork:
    """Read a fitted ResNet from its folder."""
    return ExplainedNetwork.load(folder, system="resnet", build=ResNet)


SYSTEM = System(
    title="ResNet",
    year=2015,
    paper="He, Zhang, Ren and Sun, Deep residual learning for image recognition, CVPR 2016, arXiv:1512.03385",
    claim=Claim(
        metric="top5_error",
        value=0.0449,
        edition="ILSVRC2012",
        split="val",
        protocol="one ResNet-152, dense at short sides 224, 256, 384, 480, 640, no other data",
        source="arXiv:1512.03385, table 4",
        crops="dense, 5 scales",
        n_networks=1,
        extra_data="none",
    ),
    variants={
        "tiny": TINY,
        "18": replace(PUBLISHED, block="basic", blocks=(2, 2, 2, 2)),
        "34": replace(PUBLISHED, block="basic", blocks=(3, 4, 6, 3)),
        "50": replace(PUBLISHED, blocks=(3, 4, 6, 3)),
        "101": replace(PUBLISHED, blocks=(3, 4, 23, 3)),
        "152": PUBLISHED,
    },
    fit=fit,
    load=load,
    needs=("torch",),
    n_parameters=60_192_808,
    network=lambda: ResNet(1000, **PUBLISHED.architecture()),
)
