"""The run folder of a landmark that was fitted here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from topfive.records import BadInput
from topfive.systems.models.model import contamination
from topfive.systems.predict import load_fitted
from topfive.systems.system import Fitted

if TYPE_CHECKING:
    from topfive.systems.models.opening import Asked

ACCEPTED = "a run folder"
ORDER = 0
WEIGHTS = False


def opens(spec: str) -> bool:
    """A folder that is there."""
    return bool(spec) and Path(spec).is_dir()


def open(spec: str, asked: Asked) -> Fitted:
    """The landmark says how to load it; view and classes are its own."""
    if asked.view is not None or asked.classes is not None:
        raise BadInput("has a view and classes of its own", where=spec, fix="Leave them out")
    fitted, _ = load_fitted(Path(spec))
    setattr(fitted, "contaminated", contamination(fitted))  # noqa: B010
    return fitted
