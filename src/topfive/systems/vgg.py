"""VGG: depth out of 3x3 convolutions alone; the runner-up of ILSVRC2014's classification, and features used for years.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
arXiv:1409.1556 (2014). Two 3x3 layers see as far as one of 5x5 with fewer weights and one ReLU more; from 11 to 19
layers the error falls. Seven networks erred by 7.3 % (top-5, test, dense) in the contest, two by 6.8 % afterwards.

    topfive train vgg DATASET --out RUN

`A` to `E` are table 1's networks (`D` is known as VGG-16, `E` as VGG-19), `A-LRN` is A with response normalisation.
`tiny` took 52 s of one core's time for 1,811 pictures of 96 px, and erred by 33.8 % (top-1; 7.7 % top-5) on 2,000
others of a twin made for tuning, where chance errs by 95 %.

Layers have torchvision's names, and give its `vgg11`, `vgg13`, `vgg16` and `vgg19` with the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.features.dense_scores import dense_scores
from topfive.systems.features.explanations import ExplainedNetwork
from topfive.systems.features.response_norm import ResponseNorm
from topfive.systems.system import FitLog, System

Special = Literal["none", "lrn", "ones"]


class VGG(nn.Module):
    """Table 1: stages of `depths` convolutions with `widths` channels, each ended by a 2/2 maximum, then full layers.

    `special`: with `ones` the last convolution of the third and later stages is 1x1 (network C), with `lrn` the first
    is followed by response normalisation (A-LRN). Inputs are [n, 3, input_px, input_px], in grey levels about their
    mean.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        input_px: int = 224,
        depths: tuple[int, ...] = (2, 2, 3, 3, 3),
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        special: Special = "none",
        hidden: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.depths = tuple(depths)
        layers: list[nn.Module] = []
        inputs = 3
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            for i in range(depth):
                kernel = 1 if special == "ones" and stage >= 2 and i == depth - 1 else 3
                layers += [nn.Conv2d(inputs, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
                if special == "lrn" and stage == i == 0:
                    layers.append(ResponseNorm())
                inputs = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.side = input_px // 2 ** len(depths)
        self.classifier = nn.Sequential(
            nn.Linear(inputs * self.side**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                assert layer.bias is not None
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes]."""
        return self.classifier(self.features(x).flatten(1))  # type: ignore[no-any-return]

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes] of pictures of the crop's size or larger, the full layers applied at every place.

        Section 3.2: the map of class scores is averaged; its places are 32 px apart.
        """
        return dense_scores(self.features(x), self.full_layers(), self.side)

    def full_layers(self) -> list[nn.Linear]:
        """The three full layers, the classes' one last."""
        return [layer for layer in self.classifier if isinstance(layer, nn.Linear)]

    def convolutions(self) -> dict[tuple[int, int], nn.Conv2d]:
        """Each convolution by its stage and its place in it, counted from 0."""
        places = [(stage, i) for stage, depth in enumerate(self.depths) for i in range(depth)]
        found = [layer for layer in self.features if isinstance(layer, nn.Conv2d)]
        return dict(zip(places, found, strict=True))


@torch.no_grad()
def begin_from(network: VGG, run: Path) -> VGG:
    """Section 3.1: the first four convolutions and the three full layers begin as those of a shallower fitted network.

    By place in their stage, since shapes fit only so: A's conv1_1, conv2_1, conv3_1 and conv3_2. Raises BadInput where
    the run holds no VGG or one of other shapes or classes.
    """
    folder = run / "weights"
    shallow = FittedNetwork.load(folder, system="vgg", build=VGG).network
    assert isinstance(shallow, VGG)
    first, ours = list(shallow.convolutions().items())[:4], network.convolutions()
    pairs: list[tuple[str, nn.Conv2d | nn.Linear, nn.Conv2d | nn.Linear | None]] = [
        (f"conv{stage + 1}_{i + 1}", layer, ours.get((stage, i))) for (stage, i), layer in first
    ]
    pairs += [
        (f"fc{6 + i}", *both) for i, both in enumerate(zip(shallow.full_layers(), network.full_layers(), strict=True))
    ]
    for name, theirs, layer in pairs:
        if layer is None or theirs.bias is None or layer.bias is None or layer.weight.shape != theirs.weight.shape:
            there = "no such layer" if layer is None else f"{list(layer.weight.shape)}"
            raise BadInput(
                f"has {list(theirs.weight.shape)} weights in {name}, the new network {there}",
                where=run,
                fix="Use a run of variant A with the same widths, crop and classes",
            )
        layer.weight.copy_(theirs.weight)
        layer.bias.copy_(theirs.bias)
    return network


@dataclass(frozen=True, kw_only=True)
class VGGRecipe(Training):
    """The network's shape beside the numbers of its training."""

    depths: tuple[int, ...] = (2, 2, 3, 3, 3)
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    special: Special = "none"
    hidden: int = 4096
    dropout: float = 0.5
    init_from: str = ""
    """Run folder of a fitted A whose outer layers the network begins with; all others are Glorot's."""

    def architecture(self) -> dict[str, Any]:
        """The arguments of `VGG` besides the number of classes."""
        return {
            "input_px": self.view.crop_px,
            "depths": self.depths,
            "widths": self.widths,
            "special": self.special,
            "hidden": self.hidden,
            "dropout": self.dropout,
        }


# Inputs in grey levels about ImageNet's mean, as published: with Glorot's weights a signal of unit scale would reach
# the full layers of D a thousand times weaker.
_GREY_LEVELS = (1 / 255, 1 / 255, 1 / 255)

# Section 3.1; the short side is drawn from [256, 512] px.
PUBLISHED = VGGRecipe(
    view=View(256, 224, "bilinear", mean=(0.485, 0.456, 0.406), std=_GREY_LEVELS),
    train_resize_px=512,
    train_crop_px=224,
    smallest_scale=0.5,
    epochs=74,
    batch_size=256,
    lr=0.01,
    weight_decay=5e-4,
    schedule="step",
    drops=(0.4, 0.7, 0.9),
    colour_sigma=0.1,
)

# AdamW, since 1,800 pictures give about 1,200 updates; zoomed by up to 1.25, colour shifted, dropout, as published.
TINY = VGGRecipe(
    view=View(72, 64, "bilinear", mean=(0.485, 0.456, 0.406), std=_GREY_LEVELS),
    train_resize_px=84,
    train_crop_px=64,
    smallest_scale=0.8,
    epochs=40,
    batch_size=64,
    optimiser="adamw",
    lr=0.001,
    weight_decay=5e-4,
    schedule="linear",
    warmup=0.1,
    clip_norm=5.0,
    colour_sigma=0.1,
    depths=(1, 1, 2, 2, 2),
    widths=(16, 24, 32, 48, 64),
    hidden=256,
    dropout=0.3,
)


def fit(
    train: Pictures, tune: Pictures, recipe: VGGRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""

    def build(**shape: Any) -> VGG:
        return begin_from(VGG(**shape), Path(recipe.init_from)) if recipe.init_from else VGG(**shape)

    fitted = fit_network(build, train, tune, recipe, system="vgg", seed=seed, log=log, device=device)
    return ExplainedNetwork.of(fitted)


def load(folder: Path) -> FittedNetwork:
    """Read a fitted VGG from its folder."""
    return ExplainedNetwork.load(folder, system="vgg", build=VGG)


SYSTEM = System(
    title="VGG",
    year=2014,
    paper="Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR 2015, "
    "arXiv:1409.1556",
    claim=Claim(
        metric="top5_error",
        value=0.073,
        edition="ILSVRC2012",
        split="test",
        protocol="contest entry of seven networks, dense, no other data",
        source="arXiv:1409.1556, table 7",
        crops="dense",
        n_networks=7,
        extra_data="none",
    ),
    variants={
        "tiny": TINY,
        "A": replace(PUBLISHED, depths=(1, 1, 2, 2, 2)),
        "A-LRN": replace(PUBLISHED, depths=(1, 1, 2, 2, 2), special="lrn"),
        "B": replace(PUBLISHED, depths=(2, 2, 2, 2, 2)),
        "C": replace(PUBLISHED, special="ones"),
        "D": PUBLISHED,
        "E": replace(PUBLISHED, depths=(2, 2, 4, 4, 4)),
    },
    fit=fit,
    load=load,
    needs=("torch",),
    n_parameters=138_357_544,
    network=lambda: VGG(1000, **PUBLISHED.architecture()),
)
