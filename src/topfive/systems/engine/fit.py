"""From a recipe and pictures to a fitted network: seeded weights, perhaps those of another run, then the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from topfive.loading import Pictures
from topfive.records import BadInput
from topfive.systems.engine.chance import seeded
from topfive.systems.engine.fitted import FittedNetwork
from topfive.systems.engine.loop import train as train_network
from topfive.systems.engine.transfer import take_weights
from topfive.systems.system import FitLog


def fit_network(  # noqa: PLR0913 - the arguments of a landmark's `fit`, and what the landmark alone knows
    build: Callable[..., nn.Module],
    train: Pictures,
    tune: Pictures,
    recipe: Any,
    *,
    system: str,
    seed: int,
    log: FitLog,
    device: str = "cpu",
) -> FittedNetwork:
    """Build the landmark's network with seeded weights, train it, and hand it over in evaluation mode.

    `tune` is measured after each epoch and chooses nothing. With `recipe.init` all layers but the last begin with the
    weights of that run.
    """
    recipe.check()
    architecture = recipe.architecture()
    _try(build, len(train.classes), architecture, sorted({*recipe.sizes, recipe.train_crop_px, recipe.view.crop_px}))
    with seeded(seed, "initial weights"):
        network = build(n_classes=len(train.classes), **architecture)
    if recipe.init:
        take_weights(network, Path(recipe.init))
    weights = train_network(network, train, tune, recipe, seed=seed, log=log, device=device)
    if recipe.parallel == "fsdp":  # its parameters may be spread over processes now
        network = build(n_classes=len(train.classes), **architecture)
        network.load_state_dict(weights)
    return FittedNetwork(
        network, system=system, architecture=architecture, classes=train.classes, view=recipe.view, device=device
    )


def _try(build: Callable[..., nn.Module], n_classes: int, architecture: dict[str, Any], sides: list[int]) -> None:
    """Build the network without memory and show it empty pictures; raises BadInput where that cannot be done."""
    px = sides[0]
    try:
        with torch.device("meta"), torch.no_grad():
            network = build(n_classes=n_classes, **architecture).eval()
            for px in sides:
                network(torch.empty(2, 3, px, px))
    except BadInput:
        raise
    except Exception as error:  # a network may refuse its numbers by any exception
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(
            f"makes no network that sees pictures of {px} px ({reason})",
            where="recipe",
            fix="Take back what was --set, one field at a time",
        ) from error
