"""MODEL of the command line: each kind is one file of `kinds`, asked in turn whether it opens this one."""

from __future__ import annotations

import copy
import difflib
import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from topfive.records import BadInput, ClassList, View
from topfive.systems.models import kinds
from topfive.systems.models.model import is_module, own_model
from topfive.systems.system import Fitted


@dataclass(frozen=True)
class Asked:
    """What is asked of a model besides its name; None leaves it to the model.

    `weights` is the file of its weights, `download` lets its library fetch those that are not on this machine.
    """

    weights: Path | None = None
    view: View | None = None
    classes: ClassList | None = None
    device: str = "cpu"
    download: bool = False


class Kind(Protocol):
    """A module of `kinds`. Kinds with a PREFIX open `PREFIX:REST`, others what `opens` says; lower ORDER stands first.

    `ACCEPTED` is how such a model is written, `WEIGHTS` whether it takes a file of weights.
    """

    ACCEPTED: str
    ORDER: int
    WEIGHTS: bool

    def opens(self, spec: str) -> bool:
        """Whether a spec is of this kind, by its looks."""

    def open(self, spec: str, asked: Asked) -> Fitted:
        """Open it; raises BadInput naming what is wrong."""


def open_model(
    spec: Any,
    *,
    weights: Path | None = None,
    view: View | None = None,
    classes: ClassList | None = None,
    device: str = "cpu",
    download: bool = False,
) -> Fitted:
    """Open a MODEL of the command line, a torch module or a callable; raises BadInput saying what is accepted.

    A callable takes uint8 [n, h, w, 3] and gives logits; a module is copied, and stays as it is. `view` and `classes`
    replace those that the model comes with; where it comes with none they are the 1,000 ILSVRC classes and short side
    256, crop 224, ImageNet's mean and deviation. Nothing is downloaded without `download`. What is open already is
    returned as it is.
    """
    if not isinstance(spec, str | Path):
        return _given(spec, weights, view, classes, device)
    text = str(spec)
    every = _kinds()
    kind = next((kind for kind in every if kind.opens(text)), None)
    if kind is None:
        names = [word for kind in every for word in kind.ACCEPTED.split(", ")]
        near = difflib.get_close_matches(text, names, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        accepted = ", ".join(kind.ACCEPTED for kind in every)
        raise BadInput("is no model that can be opened", where=text, fix=f"{hint}Accepted: {accepted}")
    if weights is not None and not kind.WEIGHTS:
        takers = ", ".join(kind.ACCEPTED for kind in every if kind.WEIGHTS)
        raise BadInput("takes no file of weights", where=text, fix=f"Leave it out, or name one of {takers}")
    return kind.open(text, Asked(weights, view, classes, device, download))


def _kinds() -> list[Kind]:
    names = [module.name for module in pkgutil.iter_modules(kinds.__path__)]
    found = [cast(Kind, importlib.import_module(f"{kinds.__name__}.{name}")) for name in names]
    return sorted(found, key=lambda kind: kind.ORDER)


def _given(model: Any, weights: Path | None, view: View | None, classes: ClassList | None, device: str) -> Fitted:
    name = str(getattr(model, "name", None) or getattr(model, "__name__", type(model).__name__))
    if weights is not None:
        raise BadInput("takes no file of weights", where=name, fix="Give the model with its weights in it")
    if not callable(getattr(model, "scores", None)):
        return own_model(_copied(model, name) if is_module(model) else model, name, classes, view, device=device)
    if classes is not None and classes.digest != model.classes.digest:
        raise BadInput("has classes of its own", where=name, fix="Leave them out")
    if view is not None:
        model.view = view
    return cast(Fitted, model)


def _copied(module: Any, name: str) -> Any:
    """Whoever evaluates while training goes on training: mode, gradients, device and memory format are left alone."""
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).split("\n")[0][:200]
        raise BadInput(
            f"cannot be copied ({reason})", where=name, fix="Give a function on pixels that calls it"
        ) from error
