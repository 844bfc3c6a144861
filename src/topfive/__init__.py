"""topfive: the ImageNet / ILSVRC system as software. Start reading at `topfive.flows`.

The verbs of the command line are functions here too: `topfive.evaluate(model, dataset)`, `topfive.hold_challenge(...)`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_VERBS = ("evaluate", "predict", "fit_system", "hold_challenge", "score_file", "compare_files", "agree")


def __getattr__(name: str) -> Any:
    """The verbs, loaded when they are first asked for."""
    if name in _VERBS:
        return getattr(import_module("topfive.flows"), name)
    raise AttributeError(f"topfive has no {name!r}")
