"""The landmarks by file name, listed and described without importing them (importing them loads torch)."""

from __future__ import annotations

import ast
import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from topfive.records import BadInput, Claim
from topfive.systems.system import System

_NOT_LANDMARKS = {"__init__", "system", "catalogue", "predict", "protocols", "record"}


@dataclass(frozen=True)
class Landmark:
    """What a landmark's file says of itself: the literal parts of its SYSTEM value."""

    name: str
    year: int
    title: str
    paper: str
    claim: Claim
    variants: tuple[str, ...]
    n_parameters: int | None
    needs: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE for `systems`."""
        return {
            "name": self.name,
            "year": self.year,
            "title": self.title,
            "paper": self.paper,
            "claim": self.claim.to_json(),
            "variants": list(self.variants),
            "n_parameters": self.n_parameters,
            "needs": list(self.needs),
        }


def names() -> tuple[str, ...]:
    """The registry: each file of this folder that holds a landmark, by name."""
    here = Path(__file__).parent
    found = (path.stem for path in here.glob("*.py"))
    return tuple(sorted(name for name in found if name not in _NOT_LANDMARKS and not name.startswith("_")))


def describe(name: str) -> Landmark:
    """Read the literals of `SYSTEM = System(...)` from a landmark's file."""
    _known(name)
    path = Path(__file__).parent / f"{name}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = (
            node.targets[0]
            if isinstance(node, ast.Assign)
            else node.target
            if isinstance(node, ast.AnnAssign)
            else None
        )
        if isinstance(target, ast.Name) and target.id == "SYSTEM":
            call = cast(ast.Call, cast(ast.Assign, node).value)
            parts = {str(keyword.arg): keyword.value for keyword in call.keywords}
            claim = cast(ast.Call, parts["claim"])
            variants = cast(ast.Dict, parts["variants"])
            return Landmark(
                name=name,
                year=ast.literal_eval(parts["year"]),
                title=ast.literal_eval(parts["title"]),
                paper=ast.literal_eval(parts["paper"]),
                claim=Claim(**{str(k.arg): ast.literal_eval(k.value) for k in claim.keywords}),
                variants=tuple(ast.literal_eval(key) for key in variants.keys if key is not None),
                n_parameters=ast.literal_eval(parts["n_parameters"]) if "n_parameters" in parts else None,
                needs=tuple(ast.literal_eval(parts["needs"])) if "needs" in parts else (),
            )
    raise AssertionError(f"{path.name} has no SYSTEM")


def landmarks() -> tuple[Landmark, ...]:
    """All landmarks, oldest first."""
    return tuple(sorted((describe(name) for name in names()), key=lambda item: (item.year, item.name)))


def get(name: str) -> System:
    """Import one landmark and return its SYSTEM; raises BadInput naming the nearest for an unknown name."""
    _known(name)
    return cast(System, importlib.import_module(f"topfive.systems.{name}").SYSTEM)


def parse(text: str) -> tuple[str, str]:
    """Split `name` or `name:variant`; the variant defaults to `tiny`, the one that two CPU cores can fit."""
    name, _, variant = text.partition(":")
    _known(name)
    return name, variant or "tiny"


def _known(name: str) -> None:
    have = names()
    if name not in have:
        near = difflib.get_close_matches(name, have, n=1, cutoff=0.3)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise BadInput(f"no system is called {name!r}", where="systems", fix=f"{hint}Systems: {', '.join(have)}")
