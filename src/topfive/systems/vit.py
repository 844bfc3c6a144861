"""ViT: a plain transformer on patches of the picture, with nothing built in about pictures, pretrained on very many.

Dosovitskiy et al., "An image is worth 16x16 words: transformers for image recognition at scale", ICLR 2021,
arXiv:2010.11929. Patches become tokens, a class token joins them, learned positions are added, and blocks of attention
and full layers do the rest. ViT-H/14, pretrained on JFT-300M, errs by 11.45 % (top-1, val, 518 px); ViT-G/14 (Zhai et
al., arXiv:2106.04560), pretrained on JFT-3B, by 9.55 %. The often quoted 88.6 % accuracy is H/14's.

    topfive train vit DATASET --out RUN

`s16` learns ImageNet from scratch as in Beyer et al. (arXiv:2205.01580), `b16` and `l16` as in the paper's appendix;
`h14` and `g14` fine-tune what `--set init=RUN` names.

`tiny` took 41 s of one core's time for 1,000 pictures of 64 px, and erred by 64.5 % (top-1; 18.8 % top-5) on 245 others
of ten classes of Tiny ImageNet, where chance errs by 90 %.

The networks are timm's. A fitted one also shows where its class token looks: `explain`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models import VisionTransformer
from torch import nn
from torch.nn import functional

from topfive.loading import Pictures, apply_view
from topfive.records import BadInput, Claim, View
from topfive.systems.engine import FittedNetwork, Training, fit_network
from topfive.systems.engine.pixels import floats
from topfive.systems.system import FitLog, System

Shape = tuple[int, int, int, int]
Pool = Literal["token", "avg", "map"]
Positions = Literal["learned", "waves"]
_DIMMEST = 0.2
"""Brightness of the least attended patch in an overlay, of 1."""


class ViT(VisionTransformer):  # type: ignore[misc]
    """timm's VisionTransformer of `shape` = (width, blocks, heads, hidden width), initialised as the authors' release.

    `px` are the sides of the picture and of a patch, which tiles it. `pool` gives the head the class token, the mean
    of the patches (then there is no class token), or a query's attention over the patches ("map"). Positions are
    learned, or fixed sines and cosines of row and column ("waves").
    """

    def __init__(
        self,
        n_classes: int,
        *,
        px: tuple[int, int] = (518, 14),
        shape: Shape = (1280, 32, 16, 5120),
        pool: Pool = "token",
        positions: Positions = "learned",
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        width, depth, heads, hidden = shape
        super().__init__(
            img_size=px[0],
            patch_size=px[1],
            num_classes=n_classes,
            global_pool=pool,
            class_token=pool == "token",
            # The release normalises each token and pools then; timm would pool first for "avg".
            fc_norm=False,
            embed_dim=width,
            depth=depth,
            num_heads=heads,
            mlp_ratio=hidden / width,
            pos_drop_rate=dropout,
            proj_drop_rate=dropout,
            drop_path_rate=drop_path,
            weight_init="jax",
        )
        if positions == "waves":
            rows, columns = self.patch_embed.grid_size
            fixed = waves(rows, columns, width)
            if pool == "token":
                fixed = torch.cat([torch.zeros(1, width), fixed])
            # A parameter that does not learn: it is saved with the weights, and built on any device.
            self.pos_embed = nn.Parameter(fixed[None].to(self.head.weight.device), requires_grad=False)

    def adapted(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor of another run's network for this one: learned positions move to this grid, fixed ones stay."""
        if name != "pos_embed" or tensor.shape == self.pos_embed.shape:
            return tensor
        if not self.pos_embed.requires_grad:
            return self.pos_embed.detach()
        if math.isqrt(tensor.shape[1] - self.num_prefix_tokens) ** 2 != tensor.shape[1] - self.num_prefix_tokens:
            return tensor
        return resampled(tensor, self.num_prefix_tokens, self.patch_embed.grid_size)


def waves(rows: int, columns: int, width: int) -> torch.Tensor:
    """Fixed positions float32 [rows * columns, width]: sine and cosine of the column, then of the row.

    Wavelengths run from 2 pi to 20,000 pi patches in `width` / 4 geometric steps (arXiv:2205.01580, MoCo v3).
    """
    n = width // 4
    rates = 10_000.0 ** -(torch.arange(n, device="cpu", dtype=torch.float64) / max(n - 1, 1))
    y, x = torch.meshgrid(
        torch.arange(rows, device="cpu", dtype=torch.float64),
        torch.arange(columns, device="cpu", dtype=torch.float64),
        indexing="ij",
    )
    x, y = x.reshape(-1, 1) * rates, y.reshape(-1, 1) * rates
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=1).float()


def resampled(positions: torch.Tensor, n_prefix: int, grid: tuple[int, int]) -> torch.Tensor:
    """Learned positions [1, prefix + side^2, width] at another resolution: bilinear, as section 3.2 and its code."""
    prefix, patches = positions[:, :n_prefix], positions[:, n_prefix:]
    side = math.isqrt(patches.shape[1])
    square = patches.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    # Corners on corners, as scipy's zoom in the release.
    moved = functional.interpolate(square, grid, mode="bilinear", align_corners=True)
    return torch.cat([prefix, moved.flatten(2).transpose(1, 2)], dim=1)


@torch.inference_mode()
def attention(network: ViT, inputs: torch.Tensor) -> list[torch.Tensor]:
    """What each block's tokens attend to, mean over heads: one float32 [n, tokens, tokens] a block, rows sum to 1."""
    seen: list[torch.Tensor] = []

    def look(layer: Any, given: tuple[torch.Tensor, ...], _: torch.Tensor) -> None:
        n, tokens, _width = given[0].shape
        qkv = layer.qkv(given[0]).reshape(n, tokens, 3, layer.num_heads, layer.head_dim).permute(2, 0, 3, 1, 4)
        q, k = layer.q_norm(qkv[0]), layer.k_norm(qkv[1])
        seen.append((q @ k.transpose(-2, -1) * layer.scale).softmax(dim=-1).mean(dim=1).float())

    handles = [block.attn.register_forward_hook(look) for block in network.blocks]
    try:
        network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def rollout(blocks: list[torch.Tensor]) -> torch.Tensor:
    """Attention through all blocks, [n, tokens, tokens]: the product of (A + I) / 2 (Abnar and Zuidema, 2020)."""
    through = torch.eye(blocks[0].shape[1], device=blocks[0].device).expand_as(blocks[0])
    for block in blocks:
        mixed = 0.5 * (block + torch.eye(block.shape[1], device=block.device))
        through = mixed @ through
    return through


def overlaid(picture: NDArray[np.uint8], weights: torch.Tensor, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture uint8 [h, w, 3], dimmed where the patches' weights [rows * columns] are small (figure 6)."""
    spread = weights - weights.min()
    spread = spread / spread.max().clamp_min(1e-12)
    size = picture.shape[:2]
    mask = functional.interpolate(spread.reshape(1, 1, *grid), size, mode="bilinear", align_corners=False)[0, 0]
    bright = _DIMMEST + (1.0 - _DIMMEST) * mask.cpu().numpy()
    return np.asarray(np.rint(picture * bright[..., None]).clip(0, 255).astype(np.uint8))


class FittedViT(FittedNetwork):
    """A fitted ViT, which can show its attention."""

    def explain(self, picture: NDArray[np.uint8]) -> list[tuple[str, NDArray[np.uint8]]]:
        """Where the class token looks (without one: all patches, on average), over what the network sees of a picture.

        Takes uint8 [h, w, 3]; gives the last block's attention and its rollout through all blocks, each [crop, crop,
        3]. Raises BadInput for anything else.
        """
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            shape, kind = getattr(picture, "shape", ()), getattr(picture, "dtype", type(picture).__name__)
            raise BadInput(f"is no picture uint8 [h, w, 3] but {kind} {list(shape)}", where="explain")
        network = self.network
        assert isinstance(network, ViT)
        seen = apply_view(picture, self.view)
        blocks = attention(network, floats(seen[None], self.view, self.device))
        prefix, grid = network.num_prefix_tokens, network.patch_embed.grid_size
        shown = []
        for name, matrix in (("attention of the last block", blocks[-1]), ("attention rollout", rollout(blocks))):
            row = matrix[0, 0] if prefix else matrix[0].mean(dim=0)
            shown.append((name, overlaid(seen, row[prefix:], grid)))
        return shown


@dataclass(frozen=True, kw_only=True)
class ViTRecipe(Training):
    """The network's shape beside the numbers of its training; `shape` is width, blocks, heads, hidden width."""

    patch_px: int = 14
    shape: Shape = (1280, 32, 16, 5120)
    pool: Pool = "token"
    positions: Positions = "learned"
    dropout: float = 0.0
    drop_path: float = 0.0

    def architecture(self) -> dict[str, Any]:
        """The arguments of `ViT` besides the number of classes."""
        return {
            "px": (self.view.crop_px, self.patch_px),
            "shape": self.shape,
            "pool": self.pool,
            "positions": self.positions,
            "dropout": self.dropout,
            "drop_path": self.drop_path,
        }


# big_vision's vit_s16_i1k. There the decay is 1e-4 an update at the full rate; AdamW multiplies its own by the rate,
# so 0.1 here is the same. 10,000 of 112,603 updates warm up.
S16 = ViTRecipe(
    view=View(256, 224, "bilinear"),
    train_resize_px=256,
    train_crop_px=224,
    crop="area",
    smallest_area=0.05,
    rand_ops=2,
    rand_magnitude=10.0,
    mixup=0.2,
    epochs=90,
    batch_size=1024,
    optimiser="adamw",
    lr=1e-3,
    weight_decay=0.1,
    decay_all=False,
    schedule="cosine",
    warmup=0.0888,
    clip_norm=1.0,
    patch_px=16,
    shape=(384, 12, 6, 1536),
    pool="avg",
    positions="waves",
)

# The paper's table 3, ImageNet from scratch (recalled); 10,000 of 93,836 updates warm up.
B16 = ViTRecipe(
    view=View(256, 224, "bilinear"),
    train_resize_px=256,
    train_crop_px=224,
    crop="area",
    smallest_area=0.05,
    epochs=300,
    batch_size=4096,
    optimiser="adamw",
    lr=3e-3,
    weight_decay=0.3,
    decay_all=False,
    schedule="cosine",
    warmup=0.107,
    clip_norm=1.0,
    patch_px=16,
    shape=(768, 12, 12, 3072),
    dropout=0.1,
)

# Fine-tuning, appendix B.1.1 (recalled): SGD, 20,000 updates of 512 pictures, which are eight epochs; of the four
# rates tried on held-out pictures (0.003, 0.01, 0.03, 0.06) the third.
H14 = ViTRecipe(
    view=View(518, 518, "bilinear", squash=True),
    train_resize_px=518,
    train_crop_px=518,
    crop="area",
    smallest_area=0.05,
    epochs=8,
    batch_size=512,
    lr=0.03,
    momentum=0.9,
    weight_decay=0.0,
    schedule="cosine",
    warmup=0.025,
    clip_norm=1.0,
    average_decay=0.9999,
)

TINY = ViTRecipe(
    view=View(80, 72, "bilinear"),
    train_resize_px=80,
    train_crop_px=72,
    epochs=32,
    batch_size=32,
    optimiser="adamw",
    lr=1e-3,
    weight_decay=0.1,
    decay_all=False,
    schedule="cosine",
    warmup=0.1,
    label_smoothing=0.1,
    clip_norm=1.0,
    average_decay=0.99,
    patch_px=12,
    shape=(96, 4, 3, 192),
    drop_path=0.05,
)


def fit(
    train: Pictures, tune: Pictures, recipe: ViTRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedViT:
    """Train one network; `tune` is measured after each epoch and chooses nothing."""
    if recipe.view.crop_px % recipe.patch_px:
        raise BadInput(
            f"of {recipe.patch_px} px do not tile a crop of {recipe.view.crop_px} px", where="recipe", row="patch_px"
        )
    fitted = fit_network(ViT, train, tune, recipe, system="vit", seed=seed, log=log, device=device)
    return FittedViT(
        fitted.network,
        system="vit",
        architecture=fitted.architecture,
        classes=fitted.classes,
        view=fitted.view,
        device=device,
    )


def load(folder: Path) -> FittedNetwork:
    """Read a fitted ViT from its folder."""
    return FittedViT.load(folder, system="vit", build=ViT)


SYSTEM = System(
    title="Vision transformer",
    year=2020,
    paper="Dosovitskiy et al., An image is worth 16x16 words, ICLR 2021, arXiv:2010.11929",
    claim=Claim(
        metric="top1_error",
        value=0.1145,
        edition="ILSVRC2012",
        split="val",
        protocol="one ViT-H/14, pretrained on JFT-300M, fine-tuned and tested at 518 px, 1 crop, averaged weights",
        source="arXiv:2010.11929, table 2: 88.55 %, as retold",
        crops="1",
        n_networks=1,
        extra_data="JFT-300M",
    ),
    variants={
        "tiny": TINY,
        "s16": S16,
        "b16": B16,
        "l16": replace(B16, shape=(1024, 24, 16, 4096)),
        "h14": H14,
        "g14": replace(H14, shape=(1664, 48, 16, 8192), pool="map"),
    },
    fit=fit,
    load=load,
    needs=("torch", "timm"),
    n_parameters=633_470_440,
    network=lambda: ViT(1000, **H14.architecture()),
)
