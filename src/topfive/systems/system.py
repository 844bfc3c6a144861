"""The contract of a landmark: one file, one value `SYSTEM`, one `fit` that sees train and tune and nothing else."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, ClassList, Progress, View, silent


class Fitted(Protocol):
    """A system that has learnt: it turns pictures into one score a class."""

    classes: ClassList
    view: View

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> NDArray[np.float32]:
        """Logits float32 [n, K] in the pictures' order; they do not depend on batch size or order."""

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs into an existing folder; no pickles."""


class Recipe(Protocol):
    """A frozen dataclass in the landmark's file: every number that decides the fit, `view` among them."""

    @property
    def view(self) -> View:
        """What the fitted system sees at test time."""


@dataclass(frozen=True)
class FitLog:
    """Where a fit reports: progress for people, one dict a step or epoch for `metrics.jsonl` and TensorBoard.

    `checkpoints` is a folder where a long fit keeps its state, to go on from there; `clock` counts seconds for rates.
    """

    progress: Progress = silent
    metrics: Callable[[Mapping[str, float]], None] = field(default=lambda values: None)
    checkpoints: Path | None = None
    clock: Callable[[], float] = time.perf_counter


class Fit(Protocol):
    """`fit` of a landmark."""

    def __call__(
        self, train: Pictures, tune: Pictures, recipe: Any, *, seed: int, log: FitLog, device: str = "cpu"
    ) -> Fitted:
        """Learn from train, choose on tune."""


@dataclass(frozen=True)
class System:
    """A landmark. `n_parameters` is that of one network of the claim's variant (None for classic systems), checked
    against `network`, which builds it (on any torch device, so that counting allocates nothing)."""

    title: str
    year: int
    paper: str
    claim: Claim
    variants: dict[str, Any]
    fit: Fit
    load: Callable[[Path], Fitted]
    needs: tuple[str, ...] = ()
    n_parameters: int | None = None
    network: Callable[[], Any] | None = None

    def recipe(self, variant: str, overrides: Mapping[str, str] = {}) -> Any:
        """The recipe of a variant with `--set key=value` overrides parsed to each field's type."""
        if variant not in self.variants:
            raise BadInput(f"has no variant {variant!r}", where=self.title, fix=f"Variants: {', '.join(self.variants)}")
        return override(self.variants[variant], overrides)


def override(recipe: Any, overrides: Mapping[str, str]) -> Any:
    """Replace fields by name; an unknown key is an error that names the nearest field."""
    import difflib

    assert is_dataclass(recipe) and not isinstance(recipe, type)
    known = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    kinds = get_type_hints(type(recipe))
    changed: dict[str, Any] = {}
    for key, text in overrides.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise BadInput(f"is no field of this recipe (nearest: {near[0]})", where=f"--set {key}={text}")
        changed[key] = _parse(key, text, known[key], kinds[key])
    return replace(recipe, **changed)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _parse(key: str, text: str, now: Any, hint: Any) -> Any:
    kind = type(now)
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if kind in (int, float, str):
            return _finite(kind(text))
        if kind is tuple and (elements := get_args(hint))[0] in (int, float, str):
            parts = [part for part in text.split(",") if part]
            if elements[-1] is not Ellipsis and len(parts) != len(elements):
                raise ValueError(f"needs {len(elements)} values")
            return tuple(_finite(elements[0](part)) for part in parts)
    except (ValueError, KeyError) as error:
        raise BadInput(
            f"is no {kind.__name__}", where=f"--set {key}={text}", fix=f"The value now is {now!r}"
        ) from error
    raise BadInput("cannot be set from the command line", where=f"--set {key}={text}")
