"""Networks of torchvision, with weights from a file or from the cache of torch's hub."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from topfive.records import BadInput, View
from topfive.systems.models.model import Contaminated, OpenModel, needs, of_network

if TYPE_CHECKING:
    from topfive.systems.models.opening import Asked

ACCEPTED = "torchvision:NAME"
ORDER = 3
WEIGHTS = True
_SIDE = ("AuxLogits.", "aux1.", "aux2.")
"""The side classifiers of GoogLeNet and Inception."""


def opens(spec: str) -> bool:
    """Begins with torchvision:"""
    return spec.startswith("torchvision:")


def open(spec: str, asked: Asked) -> OpenModel:
    """NAME may name one of its weights (resnet50/IMAGENET1K_V1), which say what they are shown.

    Without one, a file is taken for those whose name it has, else for the best; the cache is asked for any of them.
    """
    needs("torch", "torchvision", "safetensors")
    import torch
    import torchvision

    from topfive.systems.weights.filling import fill
    from topfive.systems.weights.reading import read_weights

    name, _, tag = spec.removeprefix("torchvision:").partition("/")
    published = _published(spec, name, tag)
    path, entry = _file(spec, published, asked)
    weights = read_weights(path, stated=asked.weights is None)
    classes = weights.stated.settle(asked.classes, path)
    build = torchvision.models.get_model_builder(name)
    with torch.random.fork_rng(devices=[]):
        network = build(weights=None, num_classes=len(classes), **_options(name, entry))
    tensors = weights.for_names(network.state_dict())
    fill(network, {key: value for key, value in tensors.items() if not key.startswith(_SIDE)}, path)
    view = asked.view or weights.stated.view or view_of(entry, spec)
    learnt: Contaminated = "likely" if asked.weights is None else "unknown"
    return of_network(spec, network, classes, view, device=asked.device, contaminated=learnt)


def view_of(entry: Any, where: str) -> View:
    """What torchvision's own evaluation shows these weights; raises BadInput where it is no View."""
    shown = entry.transforms()
    try:
        (resize_px,), (crop_px,) = shown.resize_size, shown.crop_size
        found = View(resize_px, crop_px, shown.interpolation.value, mean=tuple(shown.mean), std=tuple(shown.std))
    except (AttributeError, TypeError, ValueError) as error:
        raise BadInput(
            f"is shown what is no View ({error})", where=where, fix="Name a classifier of pictures"
        ) from error
    found.check()
    return found


def _published(spec: str, name: str, tag: str) -> list[Any]:
    """The weights of a classifier of this name, the best last as torchvision says, or the one of this tag."""
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        raise BadInput("is no network of torchvision", where=spec, fix=f"Nearest: {', '.join(near) or 'none'}")
    enumeration = torchvision.models.get_model_weights(name)
    every = [entry for entry in enumeration if entry.meta.get("categories") and entry is not enumeration.DEFAULT]
    every.append(enumeration.DEFAULT)
    chosen = [entry for entry in every if tag in ("", entry.name)]
    if not chosen:
        tags = ", ".join(entry.name for entry in every)
        raise BadInput(f"has no weights {tag!r}", where=spec, fix=f"Tags: {tags or 'none'}")
    return chosen


def _file(spec: str, published: list[Any], asked: Asked) -> tuple[Path, Any]:
    """The file of the weights, and the entry of torchvision that they are taken for."""
    from topfive.systems.weights.library_caches import from_url

    best = published[-1]
    if asked.weights is not None:
        same = (entry for entry in published if Path(urlparse(entry.url).path).stem == asked.weights.stem)
        return asked.weights, next(same, best)
    for entry in reversed(published):
        if (found := from_url(entry.url)) is not None:
            return found, entry
    if asked.download and (found := from_url(best.url, download=True)) is not None:
        return found, best
    raise BadInput(
        "has no weights on this machine, and nothing is downloaded",
        where=spec,
        fix=f"Add --download, or fetch {best.url} yourself and add --weights FILE",
    )


def _options(name: str, entry: Any) -> dict[str, Any]:
    """What torchvision sets besides for weights: the size that a ViT sees; the networks ported from TensorFlow get
    their own normalisation in front, and here no side classifiers, which have no say in the answer."""
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": False, "transform_input": True}
    return {"image_size": entry.meta["min_size"][0]} if name.startswith("vit_") else {}
