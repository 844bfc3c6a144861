"""The two optimisers, with weight decay kept off biases and normalisation where the recipe says so."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from topfive.systems.engine.settings import Training


def optimiser(network: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """SGD with momentum (decay inside the gradient, as published) or AdamW, over the network's parameters."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    decayed = [p for p in parameters if settings.decay_all or p.ndim > 1]
    bare = [p for p in parameters if not (settings.decay_all or p.ndim > 1)]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": settings.weight_decay}]
    if bare:
        groups.append({"params": bare, "weight_decay": 0.0})
    # Fused: one pass over each tensor instead of four; on two cores it halves the update of a small network.
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov, fused=True
        )
    return torch.optim.AdamW(groups, lr=settings.lr, fused=True)


def set_rate(chosen: torch.optim.Optimizer, rate: float) -> None:
    """Use this learning rate from the next update on."""
    for group in chosen.param_groups:
        group["lr"] = rate
