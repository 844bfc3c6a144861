"""Dense testing: a network's full layers at every place of a larger picture, as OverFeat and VGG test."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from topfive.records import BadInput


def dense_scores(maps: torch.Tensor, layers: Sequence[nn.Linear], side: int) -> torch.Tensor:
    """Logits [n, K], averaged over all places where the full layers fit on maps [n, channels, h, w].

    The first of `layers` reads [channels, side, side] and is applied as a convolution, the others as 1x1 convolutions;
    ReLU stands between them, dropout does not act. Raises BadInput for maps smaller than `side`.
    """
    if min(maps.shape[2:]) < side:
        raise BadInput(
            f"leaves maps of {maps.shape[2]} x {maps.shape[3]}, where the full layers read {side} x {side}",
            where="picture",
            fix="Enlarge the picture to the network's crop at least",
        )
    first, *others = layers
    x = functional.conv2d(maps, first.weight.reshape(first.out_features, -1, side, side), first.bias)
    for layer in others:
        x = functional.conv2d(functional.relu(x), layer.weight[:, :, None, None], layer.bias)
    return x.mean((2, 3))
