"""Transfer: a network begins with the weights of another run, all but its last layer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from topfive.records import BadInput
from topfive.systems.engine.fitted import head_name


@torch.no_grad()
def take_weights(network: nn.Module, run: Path) -> int:
    """Copy every tensor of the run's network but its head's; returns how many values were copied.

    Raises BadInput where the run holds no network, or one of another shape: the first tensor that does not fit is
    named. A network with a method `adapted(name, tensor)` may change a tensor to its own shape first (a transformer
    resamples its positions); one with auxiliary heads names them in `other_heads`. Heads for as many classes are not
    taken either, since the classes may be others.
    """
    path = run / "weights" / "weights.safetensors"
    if not path.is_file():
        raise BadInput(
            "holds no network whose weights could be taken", where=run, fix="Name the run folder of a neural landmark"
        )
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if json.loads((path.parent / "network.json").read_text(encoding="utf-8"))["sha256"] != digest:
            raise BadInput("is not the file that was written", where=path, fix="Fit that run anew, or copy it again")
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read as weights ({error})", where=path) from error
    heads = tuple(f"{name}." for name in (head_name(network), *getattr(network, "other_heads", ())))
    copied = 0
    adapted: Callable[[str, torch.Tensor], torch.Tensor] | None = getattr(network, "adapted", None)
    for name, tensor in network.state_dict().items():
        if name.startswith(heads):
            continue
        found = tensors.get(name)
        if found is not None and adapted is not None:
            found = adapted(name, found)
        if found is None or found.shape != tensor.shape:
            there = "missing" if found is None else f"of shape {list(found.shape)}, not {list(tensor.shape)}"
            raise BadInput(
                f"has another network: {name} is {there}", where=run, fix="Use the landmark and variant of that run"
            )
        tensor.copy_(found)
        copied += tensor.numel()
    return copied
