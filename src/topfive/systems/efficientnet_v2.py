"""EfficientNetV2: networks searched for the time they take to train, on pictures that grow while they learn.

Tan and Le, "EfficientNetV2: smaller models and faster training", ICML 2021, arXiv:2104.00298. New were Fused-MBConv (a
plain 3x3 convolution for the depthwise one) in the early stages and progressive learning: small pictures with weak
augmentation first, large ones with strong augmentation last. EfficientNetV2-XL, pretrained on ImageNet-21k, errs by
12.7 % (top-1, val).

    topfive train efficientnet_v2 DATASET --out RUN

`s`, `m` and `l` train on ImageNet alone; `xl` fine-tunes what `--set init=RUN` names.

`tiny` took 26 s of one core's time for 1,000 pictures of 64 px, and erred by 56.3 % (top-1; 14.7 % top-5) on 245 others
of ten classes of Tiny ImageNet, where chance errs by 90 %.

The networks are timm's with TensorFlow's padding and normalisation, layer for layer those of the authors' release.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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

# Stages as timm writes them: cn and er are Fused-MBConv (without and with expansion), ir is MBConv; then repeats,
# kernel, stride, expansion, channels, share of the gate.
S = (
    "cn_r2_k3_s1_e1_c24_skip",
    "er_r4_k3_s2_e4_c48",
    "er_r4_k3_s2_e4_c64",
    "ir_r6_k3_s2_e4_c128_se0.25",
    "ir_r9_k3_s1_e6_c160_se0.25",
    "ir_r15_k3_s2_e6_c256_se0.25",
)
M = (
    "cn_r3_k3_s1_e1_c24_skip",
    "er_r5_k3_s2_e4_c48",
    "er_r5_k3_s2_e4_c80",
    "ir_r7_k3_s2_e4_c160_se0.25",
    "ir_r14_k3_s1_e6_c176_se0.25",
    "ir_r18_k3_s2_e6_c304_se0.25",
    "ir_r5_k3_s1_e6_c512_se0.25",
)
L = (
    "cn_r4_k3_s1_e1_c32_skip",
    "er_r7_k3_s2_e4_c64",
    "er_r7_k3_s2_e4_c96",
    "ir_r10_k3_s2_e4_c192_se0.25",
    "ir_r19_k3_s1_e6_c224_se0.25",
    "ir_r25_k3_s2_e6_c384_se0.25",
    "ir_r7_k3_s1_e6_c640_se0.25",
)
XL = (
    "cn_r4_k3_s1_e1_c32_skip",
    "er_r8_k3_s2_e4_c64",
    "er_r8_k3_s2_e4_c96",
    "ir_r16_k3_s2_e4_c192_se0.25",
    "ir_r24_k3_s1_e6_c256_se0.25",
    "ir_r32_k3_s2_e6_c512_se0.25",
    "ir_r8_k3_s1_e6_c640_se0.25",
)
SMALL = (
    "cn_r1_k3_s1_e1_c16_skip",
    "er_r1_k3_s2_e4_c16",
    "er_r2_k3_s2_e4_c24",
    "ir_r2_k3_s2_e4_c40_se0.25",
    "ir_r2_k3_s1_e6_c56_se0.25",
)


def efficientnet_v2(
    n_classes: int,
    *,
    stages: tuple[str, ...] = XL,
    stem: int = 32,
    head: int = 1280,
    dropout: float = 0.0,
    drop_path: float = 0.2,
    norm_momentum: float = 0.01,
) -> nn.Module:
    """timm's EfficientNet of these stages, between a 3x3 `stem` of stride 2 and a 1x1 `head`.

    Blocks are left out with chance 0 in the first to nearly `drop_path` in the last. `norm_momentum` is the share of a
    batch in the running statistics.
    """
    network: nn.Module = EfficientNet(
        block_args=decode_arch_def([[stage] for stage in stages]),
        num_classes=n_classes,
        num_features=head,
        stem_size=stem,
        round_chs_fn=round_channels,
        pad_type="same",
        act_layer=nn.SiLU,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3, momentum=norm_momentum),
        drop_rate=dropout,
        drop_path_rate=drop_path,
    )
    return network


@dataclass(frozen=True, kw_only=True)
class EfficientNetV2Recipe(Training):
    """The network's shape beside the numbers of its training."""

    stages: tuple[str, ...] = XL
    stem: int = 32
    head: int = 1280
    dropout: float = 0.0
    drop_path: float = 0.2
    norm_momentum: float = 0.01

    def architecture(self) -> dict[str, Any]:
        """The arguments of `efficientnet_v2` besides the number of classes."""
        return {
            "stages": self.stages,
            "stem": self.stem,
            "head": self.head,
            "dropout": self.dropout,
            "drop_path": self.drop_path,
            "norm_momentum": self.norm_momentum,
        }


def _view(px: int) -> View:
    """From 320 px on the authors' release resizes the whole picture to a square and cuts nothing off."""
    return View(px, px, "bilinear", squash=True)


# Section 5.1, with the release's final strengths (the smallest are 5 of RandAugment's, for which `weakest` stands).
# The rate, 0.016 for each 256 pictures, is multiplied by 0.97 every 2.4 epochs after five of warm-up.
SIZE_S = EfficientNetV2Recipe(
    view=_view(384),
    train_resize_px=384,
    train_crop_px=300,
    crop="area",
    smallest_area=0.05,
    sizes=(128, 185, 243, 300),
    weakest=0.5,
    rand_ops=2,
    rand_magnitude=10.0,
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
    stages=S,
    stem=24,
    dropout=0.2,
)
SIZE_M = replace(
    SIZE_S,
    view=_view(480),
    train_resize_px=480,
    train_crop_px=384,
    sizes=(128, 213, 299, 384),
    weakest=1 / 3,
    rand_magnitude=15.0,
    mixup=0.2,
    cutmix=0.2,
    stages=M,
    dropout=0.3,
)
SIZE_L = replace(SIZE_M, weakest=0.25, rand_magnitude=20.0, mixup=0.5, cutmix=0.5, stages=L, stem=32, dropout=0.4)

# The release's fine-tuning: one size, a constant rate of 0.0005 for each 256 pictures, erasing, no other strength.
SIZE_XL = replace(
    SIZE_S,
    view=_view(512),
    train_resize_px=512,
    train_crop_px=512,
    crop="random",
    sizes=(),
    weakest=1.0,
    rand_ops=0,
    erasing=1.0,
    epochs=15,
    batch_size=512,
    lr=0.001,
    rate_factor=1.0,
    warmup=1 / 15,
    average_decay=0.9996,
    stages=XL,
    stem=32,
    dropout=0.0,
)

TINY = EfficientNetV2Recipe(
    view=View(96, 80, "bilinear"),
    train_resize_px=96,
    train_crop_px=80,
    sizes=(48, 64, 80),
    epochs=30,
    batch_size=64,
    optimiser="adamw",
    lr=4e-3,
    weight_decay=0.02,
    decay_all=False,
    schedule="cosine",
    warmup=0.1,
    label_smoothing=0.1,
    average_decay=0.99,
    stages=SMALL,
    stem=16,
    head=256,
    dropout=0.1,
    drop_path=0.05,
    norm_momentum=0.1,
)


def fit(
    train: Pictures, tune: Pictures, recipe: EfficientNetV2Recipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    return ExplainedNetwork.of(
        fit_network(efficientnet_v2, train, tune, recipe, system="efficientnet_v2", seed=seed, log=log, device=device)
    )


def load(folder: Path) -> FittedNetwork:
    """Read a fitted EfficientNetV2 from its folder."""
    return ExplainedNetwork.load(folder, system="efficientnet_v2", build=efficientnet_v2)


SYSTEM = System(
    title="EfficientNetV2",
    year=2021,
    paper="Tan and Le, EfficientNetV2: smaller models and faster training, ICML 2021, arXiv:2104.00298",
    claim=Claim(
        metric="top1_error",
        value=0.127,
        edition="ILSVRC2012",
        split="val",
        protocol="one EfficientNetV2-XL, pretrained on ImageNet-21k, fine-tuned and tested at 512 px, whole picture",
        source="arXiv:2104.00298, table 7: 87.3 % (recalled)",
        crops="1",
        n_networks=1,
        extra_data="ImageNet-21k",
    ),
    variants={"tiny": TINY, "s": SIZE_S, "m": SIZE_M, "l": SIZE_L, "xl": SIZE_XL},
    fit=fit,
    load=load,
    needs=("torch", "timm"),
    n_parameters=208_119_808,
    network=lambda: efficientnet_v2(1000, **SIZE_XL.architecture()),
)
