"""DINO: a vision transformer that teaches itself, without a single label, what different views of a picture share.

Caron, Touvron, Misra, Jegou, Mairal, Bojanowski and Joulin, "Emerging properties in self-supervised vision
transformers", ICCV 2021, arXiv:2104.14294. A student sees small and large crops, a teacher (the student's moving
average) large ones; the student learns to say what the teacher says. Centring and sharpening keep them from saying the
same of everything. ViT-B/8, frozen, under a linear layer errs by 19.9 % (top-1, val); DINOv2 (2023) brought this to
13.5 % with 142 million pictures.

    topfive train dino DATASET --out RUN

Labels enter once: when the backbone is frozen, a linear layer is fitted on its features, its penalty chosen on `tune`.
The network is timm's; `s16`, `s8`, `b16` and `b8` are the published sizes.

`tiny` took 137 s of one core's time for 907 pictures of 64 px. On 400 others of a twin of ten classes that nothing was
chosen on, its probe erred by 69.8 % (top-1), that of the same network with random weights by 80.0 %, chance by 90 %.

A fitted one shows where the heads of its last block look: `explain`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional

from topfive.loading import Pictures, apply_view
from topfive.records import BadInput, Claim, View
from topfive.systems._labels import labels_of
from topfive.systems.engine import FittedNetwork, seeded
from topfive.systems.engine.pixels import floats
from topfive.systems.engine.self_distillation import SelfDistillation, distil
from topfive.systems.engine.transfer import take_weights
from topfive.systems.features.probe_heads import choose_penalty
from topfive.systems.system import FitLog, System

_DIMMEST = 0.2
"""Brightness of the least attended patch in an overlay, of 1."""


class Dino(VisionTransformer):  # type: ignore[misc]
    """timm's VisionTransformer for pictures of any size; its head sees the class token and, with `mean_patch`, the mean
    of the patch tokens beside it. Full layers begin with a deviation of `initial_std`."""

    def __init__(
        self,
        n_classes: int,
        *,
        px: tuple[int, int] = (224, 8),
        shape: tuple[int, int, int] = (768, 12, 12),
        mean_patch: bool = False,
        drop_path: float = 0.0,
        initial_std: float = 0.02,
    ) -> None:
        width, depth, heads = shape
        super().__init__(
            img_size=px[0],
            patch_size=px[1],
            embed_dim=width,
            depth=depth,
            num_heads=heads,
            num_classes=n_classes,
            drop_path_rate=drop_path,
            dynamic_img_size=True,
        )
        self.mean_patch = mean_patch
        self.head = nn.Linear(2 * width if mean_patch else width, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=initial_std)
                nn.init.zeros_(module.bias)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """The class token, [n, width]: what the self-supervised part compares."""
        return self.forward_features(x)[:, 0]  # type: ignore[no-any-return]

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Tokens [n, 1 + patches, width] to logits."""
        seen = torch.cat([x[:, 0], x[:, 1:].mean(dim=1)], dim=1) if self.mean_patch else x[:, 0]
        return seen if pre_logits else self.head(seen)


class FittedDino(FittedNetwork):
    """A fitted DINO, which can show its attention."""

    @torch.inference_mode()
    def explain(self, picture: NDArray[np.uint8]) -> list[tuple[str, NDArray[np.uint8]]]:
        """Where the class token looks in the last block: uint8 [crop, crop, 3] for each head, dim where it does not.

        Takes uint8 [h, w, 3]; raises BadInput for anything else.
        """
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            shape, kind = getattr(picture, "shape", ()), getattr(picture, "dtype", type(picture).__name__)
            raise BadInput(f"is no picture uint8 [h, w, 3] but {kind} {list(shape)}", where="explain")
        seen = apply_view(picture, self.view)
        weights = attention(self.network, floats(seen[None], self.view, self.device))[0]
        side = round(weights.shape[1] ** 0.5)
        return [(f"head {i + 1} of the last block", _dimmed(seen, row, side)) for i, row in enumerate(weights)]


def attention(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """How much the class token attends to each patch in the last block, float32 [n, heads, patches]."""
    layer: Any = network.get_submodule("blocks")[-1].attn  # type: ignore[index]
    given: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    try:
        network(inputs)
    finally:
        handle.remove()
    n, tokens, _ = given[0].shape
    q, k, _ = layer.qkv(given[0]).reshape(n, tokens, 3, layer.num_heads, layer.head_dim).permute(2, 0, 3, 1, 4)
    weights = (layer.q_norm(q[:, :, :1]) @ layer.k_norm(k).transpose(-2, -1) * layer.scale).softmax(dim=-1)
    return weights[:, :, 0, 1:].float()  # type: ignore[no-any-return]


def _dimmed(picture: NDArray[np.uint8], weights: torch.Tensor, side: int) -> NDArray[np.uint8]:
    share = (weights / weights.max().clamp_min(1e-12)).reshape(1, 1, side, side)
    mask = functional.interpolate(share, picture.shape[:2], mode="bilinear", align_corners=False)[0, 0]
    bright = _DIMMEST + (1.0 - _DIMMEST) * mask.cpu().numpy()
    return np.asarray(np.rint(picture * bright[..., None]).clip(0, 255).astype(np.uint8))


@dataclass(frozen=True, kw_only=True)
class DinoRecipe(SelfDistillation):
    """The network's shape (width, blocks, heads) beside the numbers of its training; `init` is a run to begin from.

    `penalties` of the linear layer are tried from large to small.
    """

    patch_px: int = 8
    shape: tuple[int, int, int] = (768, 12, 12)
    mean_patch: bool = False
    drop_path: float = 0.0
    initial_std: float = 0.02
    penalties: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03, 0.01)
    init: str = ""

    def architecture(self) -> dict[str, Any]:
        """The arguments of `Dino` besides the number of classes."""
        return {
            "px": (self.global_px, self.patch_px),
            "shape": self.shape,
            "mean_patch": self.mean_patch,
            "drop_path": self.drop_path,
            "initial_std": self.initial_std,
        }

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be trained with."""
        super().check()
        fits = {
            "patch_px": self.patch_px >= 1,
            "global_px": self.global_px % self.patch_px == 0,
            "local_px": self.local_px % self.patch_px == 0,
            "view": self.view.crop_px % self.patch_px == 0,
            "shape": len(self.shape) == 3 and min(self.shape) >= 1 and self.shape[0] % self.shape[2] == 0,
            "penalties": bool(self.penalties) and min(self.penalties) > 0,
        }
        for name, good in fits.items():
            if not good:
                raise BadInput(f"cannot train with {name} = {getattr(self, name)}", where="recipe", row=name)


# The arguments released with ViT-B/8: 300 epochs, 10 of them with a rising rate, 3 with frozen prototypes, 50 with a
# rising temperature (recalled). The rate is 0.0005 for 256 pictures.
B8 = DinoRecipe(
    view=View(256, 224, "bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    train_resize_px=256,
    global_px=224,
    local_px=96,
    n_local=10,
    global_area=(0.25, 1.0),
    local_area=(0.05, 0.25),
    epochs=300,
    batch_size=1024,
    lr=0.002,
    last_lr=2e-6,
    warmup=10 / 300,
    frozen=3 / 300,
    teacher_temperature=(0.03, 0.07),
    teacher_warmup=50 / 300,
    drop_path=0.1,
    mean_patch=True,
)
B16 = replace(
    B8,
    patch_px=16,
    epochs=400,
    lr=0.003,
    warmup=10 / 400,
    frozen=3 / 400,
    clip_norm=0.3,
    teacher_temperature=(0.04, 0.07),
    teacher_warmup=50 / 400,
)
S16 = replace(
    B8,
    patch_px=16,
    shape=(384, 12, 6),
    mean_patch=False,
    epochs=800,
    warmup=10 / 800,
    frozen=1 / 800,
    last_lr=1e-5,
    clip_norm=0.0,
    unit_prototypes=False,
    teacher_temperature=(0.04, 0.07),
    teacher_warmup=30 / 800,
)

# About 700 updates in all, hundreds of times fewer than published. So the teacher follows faster, there are 256
# prototypes, colours change less, blocks begin at the deviation that 0.02 is for 768 channels, and the projection has
# batch normalisation: without it the loss was 5.40 after 174 updates, and equal probabilities have 5.55.
TINY = DinoRecipe(
    view=View(64, 64, "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    train_resize_px=64,
    global_px=48,
    local_px=24,
    n_local=4,
    local_area=(0.1, 0.4),
    grey=0.1,
    blur_px=0.5,
    epochs=24,
    batch_size=32,
    lr=2e-3,
    last_weight_decay=0.1,
    hidden=256,
    head_norm=True,
    bottleneck=64,
    prototypes=256,
    teacher_temperature=(0.04, 0.04),
    momentum=0.97,
    shape=(96, 4, 3),
    initial_std=0.057,
)


def fit(
    train: Pictures, tune: Pictures, recipe: DinoRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedDino:
    """Teach the backbone without labels, freeze it, and fit the linear layer, whose penalty is chosen on `tune`."""
    recipe.check()
    labels, tune_labels = labels_of(train, "train"), labels_of(tune, "tune")
    architecture = recipe.architecture()
    with seeded(seed, "initial weights"):
        network = Dino(len(train.classes), **architecture)
    if recipe.init:
        take_weights(network, Path(recipe.init))
    distil(network, recipe.shape[0], train, recipe, seed=seed, log=log, device=device)
    fitted = FittedDino(
        network, system="dino", architecture=architecture, classes=train.classes, view=recipe.view, device=device
    )
    fit_head(fitted, train, labels, tune, tune_labels, recipe.penalties, log)
    return fitted


def fit_head(
    fitted: FittedNetwork,
    train: Pictures,
    labels: NDArray[np.int64],
    tune: Pictures,
    tune_labels: NDArray[np.int64],
    penalties: tuple[float, ...],
    log: FitLog,
) -> None:
    """Replace the network's last layer by the logistic regression on its frozen features that `tune` prefers."""
    seen, held_out = (fitted.features(part, progress=log.progress) for part in (train, tune))
    linear = choose_penalty(seen, labels, held_out, tune_labels, len(fitted.classes), penalties, log)
    head: Any = fitted.network.get_submodule("head")
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(linear.weights.T))
        head.bias.copy_(torch.from_numpy(linear.bias))


def load(folder: Path) -> FittedNetwork:
    """Read a fitted DINO from its folder."""
    return FittedDino.load(folder, system="dino", build=Dino)


SYSTEM = System(
    title="DINO",
    year=2021,
    paper="Caron et al., Emerging properties in self-supervised vision transformers, ICCV 2021, arXiv:2104.14294",
    claim=Claim(
        metric="top1_error",
        value=0.199,
        edition="ILSVRC2012",
        split="val",
        protocol="ViT-B/8 learnt without labels, frozen; linear layer on class token and mean patch token, 224 px",
        source="facebookresearch/dino README, ViT-B/8 linear: 80.1 %",
        crops="1",
        n_networks=1,
        extra_data="none",
    ),
    variants={
        "tiny": TINY,
        "s16": S16,
        "s8": replace(S16, patch_px=8),
        "b16": B16,
        "b8": B8,
    },
    fit=fit,
    load=load,
    needs=("torch", "timm"),
    n_parameters=87_344_872,
    network=lambda: Dino(1000, **B8.architecture()),
)
