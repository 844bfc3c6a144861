"""topfive: the ImageNet / ILSVRC system as software. Start reading at `topfive.flows`.

The verbs of the command line are functions here too: `topfive.evaluate(model, dataset)`, `topfive.predict`, `score`,
`compare` and `explain_low` take models, callables, records or paths; `topfive.score_file(...)`, `hold_challenge(...)`
and the rest are those of `topfive.flows`. With them come what they take (`Inference`, `Against`, `Reading`, `Page`) and
the records that they take and give. Each is loaded when it is first asked for.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "topfive.flows.public": ("compare", "evaluate", "explain_low", "predict", "score"),
    "topfive.flows": (
        "Against",
        "Corruptions",
        "Inference",
        "Looking",
        "Options",
        "Order",
        "Page",
        "Probing",
        "Reading",
        "Search",
        "agree",
        "compare_files",
        "dedupe",
        "describe_set",
        "evaluate_corruptions",
        "fit_system",
        "hold_challenge",
        "open_set",
        "predict_file",
        "probe",
        "rank_files",
        "score_devkit",
        "score_file",
    ),
    "topfive.loading.mistakes": ("Handling",),
    "topfive.records": (
        "BadInput",
        "ClassList",
        "Dataset",
        "Predictions",
        "Run",
        "Scores",
        "Truth",
        "View",
        "WorkFailed",
    ),
}
"""The module of each public name."""
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE)]  # noqa: PLE0604 - each is a name


def __getattr__(name: str) -> Any:
    """A public name, loaded when it is first asked for."""
    if name not in _MODULE:
        raise AttributeError(f"topfive has no {name!r}")
    return getattr(import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return __all__
