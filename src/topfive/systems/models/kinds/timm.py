"""Networks of timm, with weights from a file or from where timm keeps those that it has fetched."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topfive.records import BadInput, View
from topfive.systems.models.model import Contaminated, OpenModel, needs, of_network

if TYPE_CHECKING:
    from topfive.systems.models.opening import Asked

ACCEPTED = "timm:NAME"
ORDER = 2
WEIGHTS = True
_FILES = ("model.safetensors", "pytorch_model.bin")
"""How timm's repositories call their weights."""


def opens(spec: str) -> bool:
    """Begins with timm:"""
    return spec.startswith("timm:")


def open(spec: str, asked: Asked) -> OpenModel:
    """NAME may have a tag (resnet50.a1_in1k), which says which weights, and what they are shown."""
    needs("torch", "timm", "safetensors")
    from topfive.systems.weights.reading import read_weights
    from topfive.systems.weights.stated import Stated

    name = spec.removeprefix("timm:")
    given = None if asked.weights is None else read_weights(asked.weights)
    classes = (given.stated if given else Stated()).settle(asked.classes, asked.weights or spec)
    network = _network(spec, name, len(classes))
    path = asked.weights or _cached(spec, network.pretrained_cfg, asked.download)
    weights = given or read_weights(path, stated=path.suffix == ".pth")
    network = _filled(name, network, weights.for_names(network.state_dict()), path)
    view = asked.view or weights.stated.view or view_of(network)
    learnt: Contaminated = "likely" if given is None else "unknown"
    return of_network(spec, network, classes, view, device=asked.device, contaminated=learnt)


def view_of(network: Any) -> View:
    """What timm's own evaluation shows the network."""
    from timm.data import resolve_data_config

    config = resolve_data_config({}, model=network)
    crop_px = int(config["input_size"][-1])
    found = View(
        math.floor(crop_px / config["crop_pct"]),
        crop_px,
        config["interpolation"],
        squash=config.get("crop_mode") == "squash",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
    found.check()
    return found


def _network(spec: str, name: str, n_classes: int) -> Any:
    import timm
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            return timm.create_model(name, pretrained=False, num_classes=n_classes)
    except (RuntimeError, ValueError) as error:
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        raise BadInput("is no architecture of timm", where=spec, fix=f"Nearest: {', '.join(near) or 'none'}") from error


def _filled(name: str, network: Any, tensors: dict[str, Any], path: Path) -> Any:
    """The network with these tensors, under timm's names or under those that timm itself converts from."""
    import timm
    import torch

    from topfive.systems.weights.filling import fill

    try:
        fill(network, tensors, path)
    except BadInput:
        if network.num_classes != network.pretrained_cfg.get("num_classes"):
            raise  # timm would leave the last layer at random
        try:
            overlay = {"state_dict": dict(tensors)}
            with torch.random.fork_rng(devices=[]):
                converted = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
        except Exception:  # whatever its conversion stumbles over: what does not fit has been named
            converted = None
        if converted is None:
            raise
        fill(network, converted.state_dict(), path)
    return network


def _cached(spec: str, config: dict[str, Any], download: bool) -> Path:
    from topfive.systems.weights.library_caches import from_hub, from_url

    repository, url = config.get("hf_hub_id"), config.get("url")
    found = None
    if repository:
        files = [config["hf_hub_filename"]] if config.get("hf_hub_filename") else _FILES
        found = from_hub(repository, files, download=download and not url)
    if found is None and url:
        found = from_url(url, download=download)
    if found is not None:
        return found
    source = f", or fetch {repository or url} yourself and add" if repository or url else "; add"
    raise BadInput(
        "has no weights on this machine, and nothing is downloaded",
        where=spec,
        fix=f"{'Add --download' if repository or url else 'timm has none either'}{source} --weights FILE.safetensors",
    )
