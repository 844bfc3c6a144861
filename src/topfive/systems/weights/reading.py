"""The tensors of a file by name, and what the file says of its classes; nothing in it is run."""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from topfive.records import BadInput
from topfive.systems.weights.content import content_of, header_of
from topfive.systems.weights.stated import Stated, read_statement

_INNER = ("state_dict_ema", "model_ema", "ema", "state_dict", "model", "model_state_dict", "net", "network", "weights")
"""Where training scripts put the tensors, the averaged ones first: those are the ones that their authors report."""
_AROUND = ("module.", "_orig_mod.", "model.", "network.", "net.")
"""What DataParallel, torch.compile and wrappers put before every name."""
_STATED = re.compile(r"-([0-9a-f]{8,})$")


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and what the file states of itself."""

    tensors: dict[str, torch.Tensor]
    stated: Stated

    def for_names(self, names: Collection[str]) -> dict[str, torch.Tensor]:
        """The tensors without a prefix that all of them have and the network's `names` lack."""
        tensors = self.tensors
        while tensors and not set(tensors) & set(names):
            prefix = next((word for word in _AROUND if all(name.startswith(word) for name in tensors)), None)
            if prefix is None:
                break
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        return tensors


def read_weights(path: Path, *, stated: bool = False) -> Weights:
    """Read safetensors, or a checkpoint of torch that holds tensors alone; raises BadInput for any other file.

    With `stated` the file's name ends in the start of its SHA-256, as those of torch's hub do, which must be true.
    """
    path = Path(path)
    if stated and (found := _STATED.search(path.stem)) is not None:
        _check_digest(path, found[1])
    content, about = content_of(path), dict[str, str]()
    try:
        if content == "safetensors":
            about = {key: str(word) for key, word in (header_of(path).get("__metadata__") or {}).items()}
            value = load_file(path)
        else:  # an open file, since torch goes by the ending of a name
            with path.open("rb") as file, torch.serialization.safe_globals([argparse.Namespace]):
                value = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, torch, pickle and zip each raise kinds of their own on damaged files
        reason = str(error).strip().split("\n")[0][:200]
        what = "safetensors" if isinstance(error, SafetensorError) or content == "safetensors" else "weights"
        raise BadInput(f"cannot be read as {what} ({reason})", where=path, fix="Get the file again") from error
    return Weights(_tensors(value, path), read_statement(about, path))


def _tensors(value: Any, path: Path) -> dict[str, torch.Tensor]:
    inner = value
    while isinstance(inner, Mapping) and not _is_of_tensors(inner):
        key = next((key for key in _INNER if isinstance(inner.get(key), Mapping) and inner[key]), None)
        if key is None:
            raise BadInput(
                f"holds no tensors by name, but {', '.join(map(str, list(inner)[:5])) or 'nothing'}",
                where=path,
                fix=f"Put them under one of {', '.join(_INNER)}",
            )
        inner = inner[key]
    if not isinstance(inner, Mapping):
        raise BadInput(f"holds a {type(value).__name__}, not tensors by name", where=path)
    return {str(name): tensor.detach() for name, tensor in inner.items()}


def _is_of_tensors(value: Mapping[Any, Any]) -> bool:
    return bool(value) and all(isinstance(tensor, torch.Tensor) for tensor in value.values())


def _check_digest(path: Path, stated: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"cannot be read as weights ({error.strerror or error})", where=path) from error
    if not digest.startswith(stated):
        raise BadInput(f"is damaged: its SHA-256 begins with {digest[:8]}", where=path, fix="Get the file again")
