"""FittedNetwork: a trained network with its classes and view; what every neural landmark returns from `fit`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from topfive.loading import Pictures
from topfive.records import BadInput, ClassList, Progress, View, replacing, silent, write_text
from topfive.systems._memory import keep_freed_memory
from topfive.systems.engine.pixels import floats

_SLICE = 64
"""The network always sees this many images at once: kernels are chosen by shape, and another number of images would
change the last bits of the logits. So scores are the same, bit for bit, whatever the caller's batch size."""


class FittedNetwork:
    """`network` built by `build(n_classes=..., **architecture)` of the landmark `system`, in evaluation mode."""

    classes: ClassList
    view: View
    runtime = "torch"

    def __init__(
        self,
        network: nn.Module,
        *,
        system: str,
        architecture: Mapping[str, Any],
        classes: ClassList,
        view: View,
        device: str = "cpu",
    ) -> None:
        self.system = system
        self.architecture = dict(architecture)
        self.classes = classes
        self.view = view
        self.device = torch.device(device)
        self.network = network.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> NDArray[np.float32]:
        """Logits float32 [n, K] in the pictures' order, the same for any batch size and order of pictures."""
        keep_freed_memory()
        batches = (batch.images for batch in pictures.batches(self.view, batch_size))
        logits = np.empty((len(pictures), len(self.classes)), dtype=np.float32)
        done = 0
        for found in slice_scores(self.network, batches, self.view, self.device):
            logits[done : done + len(found)] = found
            done += len(found)
            progress("predicting", done, len(pictures), "images")
        return logits

    def features(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> NDArray[np.float32]:
        """What the last layer sees of each picture, float32 [n, d]: the frozen features of the network."""
        keep_freed_memory()
        batches = (batch.images for batch in pictures.batches(self.view, batch_size))
        found: list[NDArray[np.float32]] = []
        done = 0
        with seen_by_head(self.network) as forward:
            for part in slice_scores(forward, batches, self.view, self.device):
                found.append(part)
                done += len(part)
                progress("features", done, len(pictures), "images")
        return np.concatenate(found)

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors` and, last, `network.json` with its digest into an existing folder."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        with replacing(folder / "weights.safetensors") as part:
            save_file(tensors, part)
            digest = _digest(part)
        value = {
            "system": self.system,
            "architecture": self.architecture,
            "classes": [self.classes.wnids, self.classes.names],
            "view": self.view.to_json(),
            "sha256": digest,
        }
        write_text(folder / "network.json", json.dumps(value, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path, *, system: str, build: Callable[..., nn.Module]) -> FittedNetwork:
        """Read what `save` wrote; raises BadInput for a missing, damaged or foreign file. No code in it is run."""
        folder = Path(folder)
        note, path = folder / "network.json", folder / "weights.safetensors"
        try:
            value = json.loads(note.read_text(encoding="utf-8"))
            written_by, architecture = value["system"], dict(value["architecture"])
            classes = ClassList(tuple(value["classes"][0]), tuple(value["classes"][1]))
            view, digest = View.from_json(value["view"]), value["sha256"]
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise BadInput(f"cannot be read as a fitted network ({error})", where=note) from error
        if written_by != system:
            raise BadInput(f"was written by {written_by!r}, not by {system!r}", where=note)
        try:
            if _digest(path) != digest:
                raise BadInput("is not the file that was written", where=path, fix="Fit it anew, or copy it again")
            with torch.device("meta"):
                network = build(n_classes=len(classes), **architecture)
            network.load_state_dict(load_file(path), strict=True, assign=True)
        except (OSError, SafetensorError, RuntimeError, TypeError) as error:
            raise BadInput(f"cannot be read as the weights of this network ({error})", where=path) from error
        return cls(network, system=system, architecture=architecture, classes=classes, view=view)


def head_name(network: nn.Module) -> str:
    """Name of the layer that gives the logits: the last `nn.Linear` of the module, as registered."""
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    assert names, "a network for classes ends in a linear layer"
    return str(names[-1])


@contextmanager
def seen_by_head(network: nn.Module) -> Iterator[Callable[[torch.Tensor], torch.Tensor]]:
    """A function from inputs to what the head is given, [n, d]; one run at a time."""
    seen: list[torch.Tensor] = []
    handle = network.get_submodule(head_name(network)).register_forward_pre_hook(lambda _, args: seen.append(args[0]))

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        seen.clear()
        network(inputs)
        return seen[-1]

    try:
        yield forward
    finally:
        handle.remove()


@torch.inference_mode()
def slice_scores(
    network: Callable[[torch.Tensor], torch.Tensor],
    batches: Iterator[NDArray[np.uint8]],
    view: View,
    device: torch.device,
    size: int = _SLICE,
) -> Iterator[NDArray[np.float32]]:
    """Logits of the images in order, float32 [at most `size`, K] at a time; `network` sees full slices only."""
    for images in _slices(batches, size):
        n = len(images)
        if n < size:
            # Repeats of the first image fill the slice; their logits are cut off, so nothing is counted twice.
            images = np.concatenate([images, np.repeat(images[:1], size - n, axis=0)])
        yield network(floats(images, view, device))[:n].float().cpu().numpy()


def _slices(batches: Iterator[NDArray[np.uint8]], size: int) -> Iterator[NDArray[np.uint8]]:
    held: list[NDArray[np.uint8]] = []
    for images in batches:
        held.append(images)
        while sum(map(len, held)) >= size:
            joined = held[0] if len(held) == 1 else np.concatenate(held)
            yield joined[:size]
            held = [joined[size:]]
    if sum(map(len, held)):
        yield np.concatenate(held)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
