"""ZFNet: AlexNet with a finer first layer, found by projecting what each unit sees back to pixels.

Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, arXiv:1311.2901 (2013). The
pictures showed dead filters and aliasing in AlexNet's 11x11 filters of stride 4; 7x7 filters of stride 2 mend both. One
network with wider upper layers errs by 16.1 % (top-5, test, ten crops), six networks by 14.8 %. The contest's 11.7 % is
Clarifai's, whose network nobody has published.

    topfive train zfnet DATASET --out RUN

`published` is the network of figure 3, `b` has 512, 1,024 and 512 maps in its third to fifth layers (table 2).
`tiny` took 51 s of one core's time for 1,811 pictures of 96 px, and erred by 31.9 % (top-1; 6.7 % top-5) on 2,000
others of a twin made for tuning, where chance errs by 95 %.

`deconvolve` projects a unit's activation back; `explain` of the fitted network shows it beside an occlusion map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.engine.pixels import floats
from topfive.systems.features.dense_scores import dense_scores
from topfive.systems.features.explanations import ExplainedNetwork, Picture, about_grey
from topfive.systems.features.response_norm import ResponseNorm
from topfive.systems.system import FitLog, System

_RADIUS = 0.1
"""Root mean square of a filter's weights past which it is scaled back, so that none in the first layer dominates."""


class ZFNet(nn.Module):
    """Figure 3: five convolutions without groups and three full layers; `widths` are the convolutions' channels.

    Inputs are [n, 3, input_px, input_px], in grey levels about their mean.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        input_px: int = 224,
        widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
        hidden: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        a, b, c, d, e = widths
        self.features = nn.Sequential()
        for name, layer in {
            "conv1": nn.Conv2d(3, a, 7, 2, 1),
            "relu1": nn.ReLU(),
            "pool1": nn.MaxPool2d(3, 2, ceil_mode=True),
            "norm1": ResponseNorm(),
            "conv2": nn.Conv2d(a, b, 5, 2),
            "relu2": nn.ReLU(),
            "pool2": nn.MaxPool2d(3, 2, ceil_mode=True),
            "norm2": ResponseNorm(),
            "conv3": nn.Conv2d(b, c, 3, padding=1),
            "relu3": nn.ReLU(),
            "conv4": nn.Conv2d(c, d, 3, padding=1),
            "relu4": nn.ReLU(),
            "conv5": nn.Conv2d(d, e, 3, padding=1),
            "relu5": nn.ReLU(),
            "pool5": nn.MaxPool2d(3, 2, ceil_mode=True),
        }.items():
            self.features.add_module(name, layer)
        self.side = _side(input_px)
        self.fc6 = nn.Linear(e * self.side**2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, n_classes)
        self.dropout = nn.Dropout(dropout)
        self._initialise()

    def _initialise(self) -> None:
        """Section 3: deviations of 0.01, biases zero.

        A narrower layer sums fewer inputs; its deviation grows so that its output varies as much as the published one.
        """
        for name, fan_in in _FAN_IN.items():
            layer = self.get_submodule(name)
            assert isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None
            nn.init.normal_(layer.weight, 0.0, 0.01 * max(1.0, math.sqrt(fan_in / layer.weight[0].numel())))
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes]."""
        x = self.dropout(functional.relu(self.fc6(self.features(x).flatten(1))))
        x = self.dropout(functional.relu(self.fc7(x)))
        return self.fc8(x)  # type: ignore[no-any-return]

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_classes] of pictures of the crop's size or larger, the full layers applied at every place."""
        return dense_scores(self.features(x), (self.fc6, self.fc7, self.fc8), self.side)

    @torch.no_grad()
    def after_step(self) -> None:
        """Scale each convolution filter whose weights' root mean square exceeds 0.1 back to 0.1 (section 3)."""
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                size = layer.weight.square().mean((1, 2, 3), keepdim=True).sqrt()
                layer.weight.mul_(_RADIUS / size.clamp(min=_RADIUS))


_FAN_IN = {
    "features.conv1": 147,
    "features.conv2": 2400,
    "features.conv3": 2304,
    "features.conv4": 3456,
    "features.conv5": 3456,
    "fc6": 9216,
    "fc7": 4096,
    "fc8": 4096,
}
"""Inputs that each unit of the layers of figure 3 sums; those of `b` are more, and keep the deviation of 0.01."""


def _side(input_px: int) -> int:
    """Side of the maps that the full layers read: 6 at 224 px (110, 55, 26, 13 and 13 before)."""
    side = (input_px + 2 - 7) // 2 + 1
    side = math.ceil((side - 3) / 2) + 1
    side = (side - 5) // 2 + 1
    for _ in range(2):
        side = math.ceil((side - 3) / 2) + 1
    return side


@torch.no_grad()
def deconvolve(
    stack: nn.Sequential, inputs: torch.Tensor, layer: str, unit: int | None = None
) -> tuple[int, NDArray[np.float32]]:
    """What one unit of a convolution sees in `inputs` [3, h, w], projected back to them: (unit, float32 [h, w, 3]).

    Section 2.1 of the paper: of the unit's map only the strongest activation is kept, then each layer is undone:
    pooling by its recorded maxima (a pixel that is the maximum of several windows gets their sum), ReLU by ReLU, a
    convolution by its transposed filters; normalisation is passed over. Without a `unit` the one with the strongest
    activation is taken. Raises BadInput where the stack has no such convolution or unit.
    """
    names = [name for name, _ in stack.named_children()]
    if layer not in names or not isinstance(stack.get_submodule(layer), nn.Conv2d):
        convolutions = [name for name, module in stack.named_children() if isinstance(module, nn.Conv2d)]
        raise BadInput(f"is no convolution ({', '.join(convolutions)})", where="layer", row=layer)
    last = names.index(layer) + 1
    if last < len(names) and isinstance(stack[last], nn.ReLU):
        last += 1
    x, undo = inputs[None], []
    for module in stack[:last]:
        before, switches = x.shape, torch.empty(0)
        if isinstance(module, nn.MaxPool2d):
            x, switches = functional.max_pool2d(
                x, module.kernel_size, module.stride, module.padding, ceil_mode=module.ceil_mode, return_indices=True
            )
        else:
            x = module(x)
        undo.append((module, before, switches))
    n_units = x.shape[1]
    if unit is None:
        unit = int(x[0].amax((1, 2)).argmax())
    if not 0 <= unit < n_units:
        raise BadInput(f"has units 0 to {n_units - 1}", where=layer, row=f"unit {unit}")
    strongest = x[0, unit] == x[0, unit].max()
    # Where several places tie, the first: an unlit unit's map is zero everywhere and stays so.
    signal = torch.zeros_like(x).contiguous()
    signal[0, unit].view(-1)[strongest.reshape(-1).int().argmax()] = x[0, unit].max()
    for module, before, switches in reversed(undo):
        signal = _undone(module, signal, before, switches)
    return unit, signal[0].permute(1, 2, 0).cpu().numpy()


def _undone(module: nn.Module, signal: torch.Tensor, before: torch.Size, switches: torch.Tensor) -> torch.Tensor:
    """The signal below a layer that had inputs of shape `before` and, if it pools, its maxima at `switches`."""
    if isinstance(module, nn.MaxPool2d):
        flat = signal.new_zeros(*before[:2], before[2] * before[3])
        return flat.scatter_add_(2, switches.flatten(2), signal.flatten(2)).view(before)
    if isinstance(module, nn.ReLU):
        return functional.relu(signal)
    if isinstance(module, nn.Conv2d):
        return conv2d_input(  # type: ignore[no-any-return,no-untyped-call]
            before, module.weight, signal, module.stride, module.padding, module.dilation, module.groups
        )
    return signal


class FittedZFNet(ExplainedNetwork):
    """A fitted ZFNet; its explanations are the paper's: projections of the strongest units, and an occlusion map."""

    def explain(self, picture: Picture) -> list[tuple[str, Picture]]:
        """Titles and pictures uint8 [h, w, 3] for one picture uint8 [h, w, 3]; raises BadInput for other arrays."""
        shown = super().explain(picture)
        inputs = floats(self.seen(picture)[None], self.view, self.device)[0]
        stack = self.network.get_submodule("features")
        assert isinstance(stack, nn.Sequential)
        for layer in ("conv2", "conv3", "conv4", "conv5"):
            unit, pixels = deconvolve(stack, inputs, layer)
            shown.append((f"What unit {unit} of {layer}, the most active one, sees", about_grey(pixels)))
        return shown


@dataclass(frozen=True, kw_only=True)
class ZFNetRecipe(Training):
    """The network's shape beside the numbers of its training."""

    widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)
    hidden: int = 4096
    dropout: float = 0.5

    def architecture(self) -> dict[str, Any]:
        """The arguments of `ZFNet` besides the number of classes."""
        return {
            "input_px": self.view.crop_px,
            "widths": self.widths,
            "hidden": self.hidden,
            "dropout": self.dropout,
        }


# Inputs in grey levels about ImageNet's mean, as published (there about the mean picture).
_GREY_LEVELS = (1 / 255, 1 / 255, 1 / 255)

# Section 3: ten fixed crops of each picture, here as many random ones as there are epochs; no shifts of colour.
PUBLISHED = ZFNetRecipe(
    view=View(256, 224, "bilinear", mean=(0.485, 0.456, 0.406), std=_GREY_LEVELS),
    train_resize_px=256,
    train_crop_px=224,
    epochs=70,
    batch_size=128,
    lr=0.01,
    weight_decay=5e-4,
    schedule="step",
    drops=(0.4, 0.7, 0.9),
)
B = replace(PUBLISHED, widths=(96, 256, 512, 1024, 512))

# AdamW, since 1,800 pictures give about 1,200 updates, and nothing but two response normalisations helps them along.
TINY = ZFNetRecipe(
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
    widths=(32, 64, 96, 96, 64),
    hidden=256,
    dropout=0.3,
)


def fit(
    train: Pictures, tune: Pictures, recipe: ZFNetRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    fitted = fit_network(ZFNet, train, tune, recipe, system="zfnet", seed=seed, log=log, device=device)
    return FittedZFNet.of(fitted)


def load(folder: Path) -> FittedNetwork:
    """Read a fitted ZFNet from its folder."""
    return FittedZFNet.load(folder, system="zfnet", build=ZFNet)


SYSTEM = System(
    title="ZFNet",
    year=2013,
    paper="Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014, arXiv:1311.2901",
    claim=Claim(
        metric="top5_error",
        value=0.161,
        edition="ILSVRC2012",
        split="test",
        protocol="one network (b), ten 224 px crops, no other data, after the contest",
        source="arXiv:1311.2901, table 2",
        crops="10",
        n_networks=1,
        extra_data="none",
    ),
    variants={"tiny": TINY, "published": PUBLISHED, "b": B},
    fit=fit,
    load=load,
    needs=("torch",),
    n_parameters=107_627_624,
    network=lambda: ZFNet(1000, **B.architecture()),
)
