"""EfficientNet: one small network found by search, scaled in depth, width and resolution together.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019, arXiv:1905.11946.
The baseline B0 is of inverted residuals (MBConv) with squeeze-and-excitation and swish; B1 to B7 grow its three
sizes at once. EfficientNet-B7 errs by 15.7 % (top-1, val, 600 px) on ImageNet alone, with an eighth of the weights of
the best network before it.

    topfive train efficientnet DATASET --out RUN

`b0` to `b7` are the published sizes, each with its resolution and dropout.

`tiny` took 42 s of one core's time for 1,000 pictures of 64 px, and erred by 65.3 % (top-1; 21.2 % top-5) on 245 others
of ten classes of Tiny ImageNet, where chance errs by 90 %.

The networks are timm's with TensorFlow's padding and normalisation, weight for weight the authors'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from timm.models import EfficientNet
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from torch import nn

from topfive.loading import Pictures
from topfive.records import Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.features.explanations import ExplainedNetwork
from topfive.systems.system import FitLog, System

STAGES = (
    "ds_r1_k3_s1_e1_c16_se0.25",
    "ir_r2_k3_s2_e6_c24_se0.25",
    "ir_r2_k5_s2_e6_c40_se0.25",
    "ir_r3_k3_s2_e6_c80_se0.25",
    "ir_r3_k5_s1_e6_c112_se0.25",
    "ir_r4_k5_s2_e6_c192_se0.25",
    "ir_r1_k3_s1_e6_c320_se0.25",
)
"""B0, table 1 of the paper, as timm writes it: repeats, kernel, stride, expansion, channels, share of the gate."""


def efficientnet(
    n_classes: int,
    *,
    width: float = 2.0,
    depth: float = 3.1,
    dropout: float = 0.5,
    drop_path: float = 0.2,
    norm_momentum: float = 0.01,
) -> nn.Module:
    """B0 with channels times `width` (to multiples of 8) and repeats times `depth` (rounded up).

    Blocks are left out with chance 0 in the first to nearly `drop_path` in the last. `norm_momentum` is the share of a
    batch in the running statistics; TensorFlow's 0.99 is one of 0.01.
    """
    rounded = partial(round_channels, multiplier=width)
    network: nn.Module = EfficientNet(
        block_args=decode_arch_def([[stage] for stage in STAGES], depth),
        num_classes=n_classes,
        num_features=rounded(1280),
        stem_size=32,
        round_chs_fn=rounded,
        pad_type="same",
        act_layer=nn.SiLU,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3, momentum=norm_momentum),
        drop_rate=dropout,
        drop_path_rate=drop_path,
    )
    return network


@dataclass(frozen=True, kw_only=True)
class EfficientNetRecipe(Training):
    """The network's shape beside the numbers of its training."""

    width: float = 2.0
    depth: float = 3.1
    dropout: float = 0.5
    drop_path: float = 0.2
    norm_momentum: float = 0.01

    def architecture(self) -> dict[str, Any]:
        """The arguments of `efficientnet` besides the number of classes."""
        return {
            "width": self.width,
            "depth": self.depth,
            "dropout": self.dropout,
            "drop_path": self.drop_path,
            "norm_momentum": self.norm_momentum,
        }


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _published(px: int, width: float, depth: float, dropout: float) -> EfficientNetRecipe:
    """Section 5.2: the same training for each size; only resolution and dropout grow."""
    return EfficientNetRecipe(
        # The authors' test crop leaves 16 px on each side.
        view=View(px + 32, px, "bicubic", mean=_MEAN, std=_STD),
        train_resize_px=px + 32,
        train_crop_px=px,
        crop="area",
        rand_ops=2,
        rand_magnitude=9.0,
        epochs=350,
        batch_size=4096,
        optimiser="rmsprop",
        lr=0.256,
        momentum=0.9,
        weight_decay=1e-5,
        decay_all=False,
        schedule="exponential",
        warmup=5 / 350,
        rate_factor=0.97,
        rate_epochs=2.4,
        label_smoothing=0.1,
        average_decay=0.9999,
        sync_norm=True,
        width=width,
        depth=depth,
        dropout=dropout,
    )


B7 = _published(600, 2.0, 3.1, 0.5)

# AdamW and running statistics that follow faster: 1,800 pictures give about 2,300 updates, too few for 0.01 to settle.
TINY = EfficientNetRecipe(
    view=View(96, 80, "bicubic", mean=_MEAN, std=_STD),
    train_resize_px=96,
    train_crop_px=80,
    epochs=20,
    batch_size=16,
    optimiser="adamw",
    lr=3e-3,
    weight_decay=0.02,
    decay_all=False,
    schedule="cosine",
    warmup=0.1,
    label_smoothing=0.1,
    average_decay=0.99,
    width=0.25,
    depth=0.5,
    dropout=0.1,
    drop_path=0.05,
    norm_momentum=0.1,
)


def fit(
    train: Pictures, tune: Pictures, recipe: EfficientNetRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    return ExplainedNetwork.of(
        fit_network(efficientnet, train, tune, recipe, system="efficientnet", seed=seed, log=log, device=device)
    )


def load(folder: Path) -> FittedNetwork:
    """Read a fitted EfficientNet from its folder."""
    return ExplainedNetwork.load(folder, system="efficientnet", build=efficientnet)


SYSTEM = System(
    title="EfficientNet",
    year=2019,
    paper="Tan and Le, EfficientNet: rethinking model scaling for CNNs, ICML 2019, arXiv:1905.11946",
    claim=Claim(
        metric="top1_error",
        value=0.157,
        edition="ILSVRC2012",
        split="val",
        protocol="one EfficientNet-B7, 1 crop of 600 px, no other data",
        source="arXiv:1905.11946, table 2: 84.3 % (recalled)",
        crops="1",
        n_networks=1,
        extra_data="none",
    ),
    variants={
        "tiny": TINY,
        "b0": _published(224, 1.0, 1.0, 0.2),
        "b1": _published(240, 1.0, 1.1, 0.2),
        "b2": _published(260, 1.1, 1.2, 0.3),
        "b3": _published(300, 1.2, 1.4, 0.3),
        "b4": _published(380, 1.4, 1.8, 0.4),
        "b5": _published(456, 1.6, 2.2, 0.4),
        "b6": _published(528, 1.8, 2.6, 0.5),
        "b7": B7,
    },
    fit=fit,
    load=load,
    needs=("torch", "timm"),
    n_parameters=66_347_960,
    network=lambda: efficientnet(1000, **B7.architecture()),
)
