"""A function in a Python file of one's own, which builds the model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from topfive.records import BadInput, ClassList, View
from topfive.systems.models.model import OpenModel, is_module, own_model

if TYPE_CHECKING:
    from topfive.systems.models.opening import Asked

ACCEPTED = "py:FILE.py:build"
ORDER = 6
WEIGHTS = False


def opens(spec: str) -> bool:
    """Begins with py:"""
    return spec.startswith("py:")


def open(spec: str, asked: Asked) -> OpenModel:
    """The file may state VIEW (a View) and CLASSES (a ClassList); what `build` returns runs as it is."""
    file, _, name = spec.removeprefix("py:").rpartition(":")
    if not Path(file).is_file() or not name:
        raise BadInput("names no file and function", where=spec, fix="Write py:FILE.py:build")
    module_spec = importlib.util.spec_from_file_location("topfive_model", file)
    if module_spec is None or module_spec.loader is None:
        raise BadInput("is no Python file", where=file, fix="Write py:FILE.py:build")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
        build = getattr(module, name)
        model = build()
    except AttributeError as error:
        raise BadInput(f"failed ({error})", where=spec, fix=f"Define a function {name}() in {file}") from error
    except Exception as error:
        raise BadInput(f"failed with {type(error).__name__}: {error}", where=spec) from error
    view = asked.view or getattr(module, "VIEW", None)
    classes = asked.classes or getattr(module, "CLASSES", None)
    for value, kind, what in ((view, View, "VIEW"), (classes, ClassList, "CLASSES")):
        if value is not None and not isinstance(value, kind):
            raise BadInput(f"{what} is no {kind.__name__} of topfive.records", where=file)
    if not is_module(model) and not callable(model):
        raise BadInput(f"returned a {type(model).__name__}", where=spec, fix="Return a torch module or a callable")
    return own_model(model, spec, classes, view, device=asked.device)
