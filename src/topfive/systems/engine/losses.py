"""The loss of a batch: cross-entropy or one yes-or-no question a class, and what auxiliary heads add to it."""

from __future__ import annotations

import torch
from torch.nn import functional

from topfive.systems.engine.settings import Training


def loss_sum(
    outputs: torch.Tensor | tuple[torch.Tensor, ...], targets: torch.Tensor, settings: Training
) -> torch.Tensor:
    """The pictures' losses added up (a mean would weigh unlike parts of a batch alike).

    `outputs` are logits [n, K], or a tuple of them whose first is the network's answer and whose others are auxiliary.
    `targets` are labels [n] or label shares [n, K].
    """
    if isinstance(outputs, tuple):
        answer, *others = outputs
        whole = _one(answer, targets, settings)
        for other in others:
            whole = whole + settings.auxiliary * _one(other, targets, settings)
        return whole
    return _one(outputs, targets, settings)


def _one(logits: torch.Tensor, targets: torch.Tensor, settings: Training) -> torch.Tensor:
    logits = logits.float()
    if settings.loss == "cross_entropy":
        return functional.cross_entropy(logits, targets, label_smoothing=settings.label_smoothing, reduction="sum")
    n_classes = logits.shape[1]
    shares = targets if targets.ndim == 2 else functional.one_hot(targets, n_classes).float()
    shares = shares * (1.0 - settings.label_smoothing) + settings.label_smoothing / n_classes
    return functional.binary_cross_entropy_with_logits(logits, shares, reduction="sum") / n_classes
