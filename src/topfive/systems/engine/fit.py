"""From a recipe and pictures to a fitted network: seeded weights, perhaps those of another run, then the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from topfive.loading import Pictures
from topfive.records import View
from topfive.systems.engine.chance import seeded
from topfive.systems.engine.fitted import FittedNetwork
from topfive.systems.engine.loop import train as train_network
from topfive.systems.engine.transfer import take_weights
from topfive.systems.system import FitLog


class NetworkRecipe(Protocol):
    """A `Training` that also knows its network's shape."""

    @property
    def view(self) -> View:
        """What the fitted network sees."""

    @property
    def init(self) -> str:
        """Run folder to begin from, or nothing."""

    def architecture(self) -> dict[str, Any]:
        """Arguments of the network's builder besides `n_classes`."""


def fit_network(
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
    train_network(network, train, tune, recipe, seed=seed, log=log, device=device)
    return FittedNetwork(
        network, system=system, architecture=architecture, classes=train.classes, view=recipe.view, device=device
    )
