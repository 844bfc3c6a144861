"""topfive: the ImageNet / ILSVRC system as software. Start reading at `topfive.flows`.

The verbs of the command line are functions here too: `topfive.evaluate(model, dataset)`, `topfive.predict`, `score`,
`compare` and `explain_low` take models, callables, records or paths; `topfive.hold_challenge(...)` and the rest are
those of `topfive.flows`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = ("evaluate", "predict", "score", "compare", "explain_low")
_FLOWS = ("fit_system", "hold_challenge", "score_file", "compare_files", "agree")


def __getattr__(name: str) -> Any:
    """The verbs, loaded when they are first asked for."""
    if name in _PUBLIC:
        return getattr(import_module("topfive.flows.public"), name)
    if name in _FLOWS:
        return getattr(import_module("topfive.flows"), name)
    raise AttributeError(f"topfive has no {name!r}")
