"""ConvNeXt: a residual network rebuilt with what had made transformers good, and once more their equal.

Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545. Patches for a
stem, 7x7 depthwise convolutions, layer normalisation, GELU, one residual of four times the width, LayerScale, and the
transformers' recipe: AdamW, mixup, cutmix, RandAugment, erasing, stochastic depth. ConvNeXt-XL, pretrained on
ImageNet-22k, errs by 12.2 % (top-1, val, 384 px).

    topfive train convnext DATASET --out RUN

`t`, `s`, `b` and `l` train on ImageNet alone at 224 px; `xl` fine-tunes at 384 px what `--set init=RUN` names.

`tiny` took 43 s of one core's time for 1,000 pictures of 64 px, and erred by 62.0 % (top-1; 16.3 % top-5) on 245 others
of ten classes of Tiny ImageNet, where chance errs by 90 %.

The networks are timm's, which are the authors'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from timm.models import ConvNeXt
from torch import nn

from topfive.loading import Pictures
from topfive.records import Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.features.explanations import ExplainedNetwork
from topfive.systems.system import FitLog, System

Four = tuple[int, int, int, int]


def convnext(
    n_classes: int,
    *,
    depths: Four = (3, 3, 27, 3),
    widths: Four = (256, 512, 1024, 2048),
    drop_path: float = 0.4,
    layer_scale: float = 1e-6,
    head_scale: float = 1.0,
) -> nn.Module:
    """timm's ConvNeXt of four stages; blocks are left out with chance 0 in the first to `drop_path` in the last.

    `layer_scale` is the first value of each channel's factor on a block, `head_scale` multiplies the first head.
    """
    network: nn.Module = ConvNeXt(
        num_classes=n_classes,
        depths=depths,
        dims=widths,
        drop_path_rate=drop_path,
        ls_init_value=layer_scale,
        head_init_scale=head_scale,
    )
    return network


@dataclass(frozen=True, kw_only=True)
class ConvNeXtRecipe(Training):
    """The network's shape beside the numbers of its training."""

    depths: Four = (3, 3, 27, 3)
    widths: Four = (256, 512, 1024, 2048)
    drop_path: float = 0.4
    layer_scale: float = 1e-6
    head_scale: float = 1.0

    def architecture(self) -> dict[str, Any]:
        """The arguments of `convnext` besides the number of classes."""
        return {
            "depths": self.depths,
            "widths": self.widths,
            "drop_path": self.drop_path,
            "layer_scale": self.layer_scale,
            "head_scale": self.head_scale,
        }


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Table 5 of the paper; the first 20 of 300 epochs raise the rate.
BASE = ConvNeXtRecipe(
    view=View(256, 224, "bicubic", mean=_MEAN, std=_STD),
    train_resize_px=256,
    train_crop_px=224,
    crop="area",
    rand_ops=2,
    rand_magnitude=9.0,
    erasing=0.25,
    mixup=0.8,
    cutmix=1.0,
    epochs=300,
    batch_size=4096,
    optimiser="adamw",
    lr=4e-3,
    weight_decay=0.05,
    decay_all=False,
    schedule="cosine",
    warmup=20 / 300,
    label_smoothing=0.1,
    average_decay=0.9999,
    depths=(3, 3, 27, 3),
    widths=(128, 256, 512, 1024),
    drop_path=0.5,
)

# Table 6, from ImageNet-22k at 384 px: no mixing, hardly any decay, a head that begins near zero.
XLARGE = replace(
    BASE,
    view=View(384, 384, "bicubic", mean=_MEAN, std=_STD),
    train_resize_px=384,
    train_crop_px=384,
    mixup=0.0,
    cutmix=0.0,
    epochs=30,
    batch_size=512,
    lr=5e-5,
    weight_decay=1e-8,
    layer_decay=0.8,
    warmup=0.0,
    widths=(256, 512, 1024, 2048),
    drop_path=0.4,
    head_scale=0.001,
)

TINY = ConvNeXtRecipe(
    view=View(96, 80, "bicubic", mean=_MEAN, std=_STD),
    train_resize_px=96,
    train_crop_px=80,
    epochs=30,
    batch_size=64,
    optimiser="adamw",
    lr=4e-3,
    weight_decay=0.05,
    decay_all=False,
    schedule="cosine",
    warmup=0.1,
    label_smoothing=0.1,
    average_decay=0.99,
    depths=(1, 1, 3, 1),
    widths=(24, 48, 96, 192),
    drop_path=0.05,
)


def fit(
    train: Pictures, tune: Pictures, recipe: ConvNeXtRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    return ExplainedNetwork.of(
        fit_network(convnext, train, tune, recipe, system="convnext", seed=seed, log=log, device=device)
    )


def load(folder: Path) -> FittedNetwork:
    """Read a fitted ConvNeXt from its folder."""
    return ExplainedNetwork.load(folder, system="convnext", build=convnext)


SYSTEM = System(
    title="ConvNeXt",
    year=2022,
    paper="Liu et al., A ConvNet for the 2020s, CVPR 2022, arXiv:2201.03545",
    claim=Claim(
        metric="top1_error",
        value=0.122,
        edition="ILSVRC2012",
        split="val",
        protocol="one ConvNeXt-XL, pretrained on ImageNet-22k, fine-tuned and tested at 384 px, 1 crop",
        source="arXiv:2201.03545, table 1: 87.8 % (recalled)",
        crops="1",
        n_networks=1,
        extra_data="ImageNet-22k",
    ),
    variants={
        "tiny": TINY,
        "t": replace(BASE, depths=(3, 3, 9, 3), widths=(96, 192, 384, 768), drop_path=0.1),
        "s": replace(BASE, widths=(96, 192, 384, 768), drop_path=0.4),
        "b": BASE,
        "l": replace(BASE, widths=(192, 384, 768, 1536)),
        "xl": XLARGE,
    },
    fit=fit,
    load=load,
    needs=("torch", "timm"),
    n_parameters=350_196_968,
    network=lambda: convnext(1000, **XLARGE.architecture()),
)
