"""From a recipe and pictures to a fitted network: seeded weights, perhaps those of another run, then the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from topfive.loading import Pictures
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
    architecture = recipe.architecture()
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
