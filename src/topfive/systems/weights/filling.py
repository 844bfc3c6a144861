"""Weights into a network: every tensor has its place and every place its tensor, or nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from topfive.records import BadInput


def fill(network: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Give every parameter and buffer its tensor; raises BadInput where names, shapes or numbers do not fit."""
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise BadInput(f"lacks the tensor {name!r}", where=path)
        if tensors[name].shape != tensor.shape:
            raise BadInput(f"has {name!r} of shape {list(tensors[name].shape)}, not {list(tensor.shape)}", where=path)
        if tensors[name].is_floating_point() and not bool(tensors[name].isfinite().all()):
            raise BadInput(f"has numbers in {name!r} that are not finite", where=path)
    extra = [name for name in tensors if name not in wanted]
    if extra:
        raise BadInput(f"holds a tensor {extra[0]!r} that no layer takes", where=path)
    network.load_state_dict(dict(tensors), strict=True, assign=True)
