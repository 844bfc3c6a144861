"""AlexNet: the network that won ILSVRC2012 by ten points, on the pixels themselves.

Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012. New
were ReLU at this size, two groups of filters (on two GPUs), response normalisation, overlapping pooling, dropout, and
colour shifts along the principal components. One network erred by 18.2 % (top-5, val, ten crops); five by 16.4 % and
seven with more data by 15.3 % on test, where the next entry had 26.2 %.

    topfive train alexnet DATASET --out RUN

`tiny` took 46 s of one core's time for 1,811 pictures of 96 px, and erred by 36.6 % (top-1; 7.7 % top-5) on 2,000
others of a twin made for tuning, where chance errs by 95 %.

Written from the paper; docs/landmarks/alexnet.md says where its text leaves a choice, and what was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from topfive.loading import Pictures
from topfive.records import Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.engine.two_groups import gathered
from topfive.systems.features.dense_scores import dense_scores
from topfive.systems.features.explanations import ExplainedNetwork
from topfive.systems.features.response_norm import ResponseNorm
from topfive.systems.system import FitLog, System


class AlexNet(nn.Module):
    """Five convolutions, three of them in groups, and three full layers; `widths` are the convolutions' channels.

    Inputs are [n, 3, input_px, input_px], in grey levels about their mean.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        input_px: int = 224,
        stem: tuple[int, int, int] = (11, 4, 2),
        widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
        hidden: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        a, b, c, d, e = widths
        kernel, stride, padding = stem
        self.conv1 = nn.Conv2d(3, a, kernel, stride, padding)
        self.norm1 = ResponseNorm()
        self.conv2 = nn.Conv2d(a, b, 5, padding=2, groups=2)
        self.norm2 = ResponseNorm()
        self.conv3 = nn.Conv2d(b, c, 3, padding=1)
        self.conv4 = nn.Conv2d(c, d, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(d, e, 3, padding=1, groups=2)
        side = (input_px + 2 * padding - kernel) // stride + 1
        for _ in range(3):
            side = (side - 3) // 2 + 1
        self.side = side
        self.fc6 = nn.Linear(e * side * side, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, n_classes)
        self.dropout = nn.Dropout(dropout)
        self._initialise()

    def _initialise(self) -> None:
        """Section 5: N(0, 0.01), biases one in conv2, conv4, conv5 and the hidden full layers, else zero.

        A narrower layer sums fewer inputs; its deviation grows so that its output varies as much as the published one.
        """
        for name, fan_in in _FAN_IN.items():
            layer = self.get_submodule(name)
            assert isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None
            nn.init.normal_(layer.weight, 0.0, 0.01 * math.sqrt(fan_in / layer.weight[0].numel()))
            nn.init.constant_(layer.bias, 1.0 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes]."""
        x = self.dropout(functional.relu(self.fc6(self.maps(x).flatten(1))))
        x = self.dropout(functional.relu(self.fc7(x)))
        return self.fc8(x)  # type: ignore[no-any-return]

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """The last convolution's maps after pooling, [n, widths[4], h, w]."""
        x = functional.max_pool2d(self.norm1(functional.relu(self.conv1(x))), 3, 2)
        x = functional.max_pool2d(self.norm2(functional.relu(self.conv2(x))), 3, 2)
        x = functional.relu(self.conv3(x))
        x = functional.relu(self.conv4(x))
        return functional.max_pool2d(functional.relu(self.conv5(x)), 3, 2)

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes] of pictures of the crop's size or larger, the full layers applied at every place."""
        return dense_scores(self.maps(x), (self.fc6, self.fc7, self.fc8), self.side)


class AlexNetHalf(nn.Module):
    """What one of the paper's two GPUs holds: half of each layer's filters and units (figure 2), as process `rank`.

    The other half runs in the other process of the group. Both return all logits of `whole`, in training mode with the
    dropout of a torch generator that stands alike in both. The third convolution and the full layers see both halves;
    for normalisation two maps on each side of the border cross too, since its sum runs over the whole layer.
    """

    def __init__(self, whole: AlexNet, rank: int) -> None:
        super().__init__()
        self.rank, self.norm, self.dropout = rank, whole.norm1, whole.dropout
        layers = (whole.conv1, whole.conv2, whole.conv3, whole.conv4, whole.conv5)
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = (
            _half_convolution(layer, rank) for layer in layers
        )
        self.fc6, self.fc7, self.fc8 = (
            nn.Linear(layer.in_features, _halves(layer)[rank], device="meta")
            for layer in (whole.fc6, whole.fc7, whole.fc8)
        )
        self.sizes = {name: _halves(whole.get_submodule(name)) for name in _FAN_IN}
        state = {name: tensor.tensor_split(2)[rank].clone() for name, tensor in whole.state_dict().items()}
        self.load_state_dict(state, assign=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes], the same in both processes."""
        sizes = self.sizes
        x = functional.max_pool2d(self._normalised(functional.relu(self.conv1(x))), 3, 2)
        x = functional.max_pool2d(self._normalised(functional.relu(self.conv2(x))), 3, 2)
        x = functional.relu(self.conv3(gathered(x, sizes["conv2"])))
        x = functional.relu(self.conv4(x))
        x = functional.max_pool2d(functional.relu(self.conv5(x)), 3, 2)
        x = functional.relu(self.fc6(gathered(x, sizes["conv5"]).flatten(1)))
        x = functional.relu(self.fc7(self.dropout(gathered(x, sizes["fc6"]))))
        return gathered(self.fc8(self.dropout(gathered(x, sizes["fc7"]))), sizes["fc8"], alike=True)

    def _normalised(self, a: torch.Tensor) -> torch.Tensor:
        near = self.norm.n // 2
        border = a[:, -near:] if self.rank == 0 else a[:, :near]
        others = gathered(border, (near, near))
        if self.rank == 0:
            return self.norm(torch.cat([a, others[:, near:]], dim=1))[:, :-near]  # type: ignore[no-any-return]
        return self.norm(torch.cat([others[:, :near], a], dim=1))[:, near:]  # type: ignore[no-any-return]


def _halves(layer: nn.Module) -> tuple[int, int]:
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    n = len(layer.weight)
    return n - n // 2, n // 2


def _half_convolution(layer: nn.Conv2d, rank: int) -> nn.Conv2d:
    """Without groups: the inputs of a grouped filter are those of its own half."""
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    n = _halves(layer)[rank]
    return nn.Conv2d(layer.weight.shape[1], n, kernel, stride, int(layer.padding[0]), device="meta")


def joined(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state of the whole network from those of its two halves."""
    return {name: torch.cat([tensor, second[name]]) for name, tensor in first.items()}


_FAN_IN = {
    "conv1": 363,
    "conv2": 1200,
    "conv3": 2304,
    "conv4": 1728,
    "conv5": 1728,
    "fc6": 9216,
    "fc7": 4096,
    "fc8": 4096,
}
"""Inputs that each unit of the published layers sums."""


@dataclass(frozen=True, kw_only=True)
class AlexNetRecipe(Training):
    """The network's shape beside the numbers of its training."""

    stem: tuple[int, int, int] = (11, 4, 2)
    widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)
    hidden: int = 4096
    dropout: float = 0.5

    def architecture(self) -> dict[str, Any]:
        """The arguments of `AlexNet` besides the number of classes."""
        return {
            "input_px": self.view.crop_px,
            "stem": self.stem,
            "widths": self.widths,
            "hidden": self.hidden,
            "dropout": self.dropout,
        }


# Inputs in grey levels about ImageNet's mean, as published (there about the mean image): response normalisation and
# N(0, 0.01) weights are no-ops or dead at unit scale.
_GREY_LEVELS = (1 / 255, 1 / 255, 1 / 255)

PUBLISHED = AlexNetRecipe(
    view=View(256, 224, "bilinear", mean=(0.485, 0.456, 0.406), std=_GREY_LEVELS),
    train_resize_px=256,
    train_crop_px=224,
    epochs=90,
    batch_size=128,
    lr=0.01,
    weight_decay=5e-4,
    schedule="step",
    drops=(0.33, 0.67, 0.89),
    colour_sigma=0.1,
)

# AdamW, since 1,800 pictures give about 1,200 updates, and five ReLU layers without normalisation begin on a plateau:
# on drawn shapes SGD at rates of 0.01 to 0.1 was still at chance after 20 of 30 epochs, AdamW had left by the tenth.
TINY = AlexNetRecipe(
    view=View(96, 80, "bilinear", mean=(0.485, 0.456, 0.406), std=_GREY_LEVELS),
    train_resize_px=96,
    train_crop_px=80,
    epochs=40,
    batch_size=64,
    optimiser="adamw",
    lr=0.001,
    weight_decay=5e-4,
    schedule="linear",
    warmup=0.1,
    clip_norm=5.0,
    colour_sigma=0.1,
    stem=(9, 3, 0),
    widths=(32, 64, 96, 96, 64),
    hidden=256,
    dropout=0.3,
)


def fit(
    train: Pictures, tune: Pictures, recipe: AlexNetRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    fitted = fit_network(AlexNet, train, tune, recipe, system="alexnet", seed=seed, log=log, device=device)
    return ExplainedNetwork.of(fitted)


def load(folder: Path) -> FittedNetwork:
    """Read a fitted AlexNet from its folder."""
    return ExplainedNetwork.load(folder, system="alexnet", build=AlexNet)


SYSTEM = System(
    title="AlexNet",
    year=2012,
    paper="Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional neural networks, NIPS 2012",
    claim=Claim(
        metric="top5_error",
        value=0.182,
        edition="ILSVRC2012",
        split="val",
        protocol="one network, ten 224 px crops, no other data",
        source="Krizhevsky et al., NIPS 2012, table 2",
        crops="10",
        n_networks=1,
        extra_data="none",
    ),
    variants={"tiny": TINY, "published": PUBLISHED},
    fit=fit,
    load=load,
    needs=("torch",),
    n_parameters=60_965_224,
    network=lambda: AlexNet(1000, **PUBLISHED.architecture()),
)
