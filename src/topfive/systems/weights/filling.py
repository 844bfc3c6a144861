"""Weights into a network: every tensor has its place and every place its tensor, or nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from topfive.records import BadInput

_COUNTER = "num_batches_tracked"
"""What batch normalisation counts while it learns: files from before torch 0.4 lack it, and no prediction needs it."""
_SHOWN = 3


def fill(network: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Give every parameter and buffer its tensor; raises BadInput naming the first whose names or shapes do not fit.

    Numbers of another precision are converted to the network's.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in tensors and not name.endswith(_COUNTER)]
    extra = [name for name in tensors if name not in wanted]
    if missing:
        hint = f"It holds {_listed(extra)} instead" if extra else None
        raise BadInput(f"lacks {_listed(missing, 'the')}", where=path, fix=hint)
    if extra:
        raise BadInput(f"holds {_listed(extra)} that no layer takes", where=path)
    wrong = [name for name in tensors if tensors[name].shape != wanted[name].shape]
    if wrong:
        raise BadInput(_shapes(wrong, tensors, wanted), where=path)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() != wanted[name].is_floating_point():
            raise BadInput(f"has {name!r} of {tensor.dtype}, not {wanted[name].dtype}", where=path)
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise BadInput(f"has numbers in {name!r} that are not finite", where=path)
    whole = {
        name: tensors[name].to(place.dtype) if name in tensors else torch.zeros(place.shape, dtype=place.dtype)
        for name, place in wanted.items()
    }
    network.load_state_dict(whole, strict=True, assign=True)


def _listed(names: Sequence[str], article: str = "a") -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    if len(names) == 1:
        return f"{article} tensor {shown}"
    return f"{len(names)} tensors ({shown}{', ...' if len(names) > _SHOWN else ''})"


def _shapes(wrong: Sequence[str], tensors: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> str:
    """Wrong shapes in words; where the layer of the classes alone differs, how many classes each side has."""
    pairs = [(list(tensors[name].shape), list(wanted[name].shape)) for name in wrong]
    layers = {name.rpartition(".")[0] for name in wrong}
    head = layers == {list(wanted)[-1].rpartition(".")[0]}
    if head and any(len(want) > 1 for _, want in pairs) and all(have[1:] == want[1:] for have, want in pairs):
        n, n_wanted = pairs[0][0][0], pairs[0][1][0]
        background = " (a background class besides?)" if n == n_wanted + 1 else ""
        return f"is for {n} classes{background}, not {n_wanted}: {wrong[0]!r} is of shape {pairs[0][0]}"
    shown = zip(wrong[:_SHOWN], pairs[:_SHOWN], strict=True)
    first = "; ".join(f"{name!r} of shape {have}, not {want}" for name, (have, want) in shown)
    return f"has {first}" if len(wrong) == 1 else f"has {len(wrong)} tensors of other shapes: {first}"
