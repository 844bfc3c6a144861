"""Image-text models of open_clip as classifiers of the classes' names, by the zero-shot protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topfive.systems.models.model import OpenModel, needs, of_network
from topfive.taxonomy import ilsvrc_classes

if TYPE_CHECKING:
    from topfive.systems.models.opening import Asked

ACCEPTED = "open_clip:NAME/TAG"
ORDER = 4
WEIGHTS = True


def opens(spec: str) -> bool:
    """Begins with open_clip:"""
    return spec.startswith("open_clip:")


def open(spec: str, asked: Asked) -> OpenModel:
    """The towers with a head made of the classes' names and the package's templates."""
    needs("torch", "open_clip")
    from topfive.systems.weights.open_clip_model import open_zero_shot

    classes = asked.classes or ilsvrc_classes()
    network, view = open_zero_shot(
        spec, asked.weights, classes=classes, view=asked.view, device=asked.device, download=asked.download
    )
    return of_network(spec, network, classes, view, device=asked.device, contaminated="unknown")
