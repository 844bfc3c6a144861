"""A function in a Python file of one's own, which builds the model."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    path = Path(file)
    if not path.is_file() or not name:
        raise BadInput("names no file and function", where=spec, fix="Write py:FILE.py:build")
    module_spec = importlib.util.spec_from_file_location(f"topfive_model_{path.stem}", file)
    if module_spec is None or module_spec.loader is None:
        raise BadInput("is no Python file", where=file, fix="Write py:FILE.py:build")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_spec.name] = module  # dataclasses look their module up there
    try:
        with _on_path(path.resolve().parent):
            module_spec.loader.exec_module(module)
            build = getattr(module, name, None)
            if not callable(build):
                raise BadInput(f"has no function {name!r}", where=file, fix=f"Define {name}() in it, or name another")
            model = build()
    except BadInput:
        raise
    except (Exception, SystemExit) as error:
        raise BadInput(f"failed with {type(error).__name__}: {error}", where=spec) from error
    view = asked.view or getattr(module, "VIEW", None)
    classes = asked.classes or getattr(module, "CLASSES", None)
    for value, kind, what in ((view, View, "VIEW"), (classes, ClassList, "CLASSES")):
        if value is not None and not isinstance(value, kind):
            raise BadInput(f"{what} is no {kind.__name__} of topfive.records", where=file)
    if not is_module(model) and not callable(model):
        raise BadInput(f"returned a {type(model).__name__}", where=spec, fix="Return a torch module or a callable")
    return own_model(model, spec, classes, view, device=asked.device)


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """The file may import its neighbours, as it does where Python is given the file itself."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
