"""The rivers, as plain functions: compositions of rooms, and nothing that a room should know.

- `hold_challenge`: pictures -> systems -> sealed labels -> submissions -> board -> audit -> report.
- `explain_low`: a model whose figure is low -> the mistake behind it. `open_set`: whatever lies at a path -> a set.
- `fit_system`: a landmark on one image set. `predict`, `predict_file`, `evaluate`, `export`, `explain`: a run,
  or another model; `read_classes`: what its scores stand for.
- `score_file`, `score_devkit`: numbers from prediction files; `measure`, `told`, `report_result` are their parts.
- `compare_files`, `rank_files`, `report_comparison`, `place_file`: prediction files against each other, and among
  published figures.
- `score_sibling`, `score_objectnet`, `score_outliers`, `score_watermark`, `score_released_corruptions`: ImageNet's
  siblings. `evaluate_corruptions`: a model under corruptions made here.
- `agree`: votes -> consensus. `audit_label_errors`, `audit_imagenet`: labels -> findings.
- `dedupe`: an image set -> its duplicates -> the set without them.
- `describe_set`: an image set -> its datasheet, and that as a page.
- `show_*`, `class_pictures`, `thumbnail`: what doors show.

Importing this loads no torch, and no river before it is asked for: look-ups answer within half a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from topfive.flows.probe import Probing, probe

if TYPE_CHECKING:
    from topfive.flows.compare import compare_files, place_file, rank_files, report_comparison
    from topfive.flows.corruptions import Corruptions, evaluate_corruptions
    from topfive.flows.duplicates import Search, dedupe
    from topfive.flows.evaluation import evaluate
    from topfive.flows.fit import Options, fit_system, parse_settings
    from topfive.flows.hold import DEFAULT_SYSTEMS, Order, hold_challenge
    from topfive.flows.inference import Inference
    from topfive.flows.judge import (
        Against,
        Page,
        Reading,
        agree,
        audit_imagenet,
        audit_label_errors,
        measure,
        score_devkit,
        score_file,
        told,
    )
    from topfive.flows.look import class_pictures, show_board, show_class, show_run, show_systems, thumbnail
    from topfive.flows.low_number import Looking, explain_low, published_error
    from topfive.flows.models import explain, export, read_classes
    from topfive.flows.prediction import predict, predict_file
    from topfive.flows.release import describe_set
    from topfive.flows.result import report_result
    from topfive.flows.sets import open_set
    from topfive.flows.siblings import (
        score_objectnet,
        score_outliers,
        score_released_corruptions,
        score_sibling,
        score_watermark,
    )
    from topfive.flows.truths import gather_truths

__all__ = [
    "DEFAULT_SYSTEMS",
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
    "audit_imagenet",
    "audit_label_errors",
    "class_pictures",
    "compare_files",
    "dedupe",
    "describe_set",
    "evaluate",
    "evaluate_corruptions",
    "explain",
    "explain_low",
    "export",
    "fit_system",
    "gather_truths",
    "hold_challenge",
    "measure",
    "open_set",
    "parse_settings",
    "place_file",
    "predict",
    "predict_file",
    "probe",
    "published_error",
    "rank_files",
    "read_classes",
    "report_comparison",
    "report_result",
    "score_devkit",
    "score_file",
    "score_objectnet",
    "score_outliers",
    "score_released_corruptions",
    "score_sibling",
    "score_watermark",
    "show_board",
    "show_class",
    "show_run",
    "show_systems",
    "thumbnail",
    "told",
]

_WHERE = {
    "Against": "judge",
    "Corruptions": "corruptions",
    "DEFAULT_SYSTEMS": "hold",
    "Inference": "inference",
    "Looking": "low_number",
    "Options": "fit",
    "Order": "hold",
    "Page": "judge",
    "Reading": "judge",
    "Search": "duplicates",
    "agree": "judge",
    "audit_imagenet": "judge",
    "audit_label_errors": "judge",
    "class_pictures": "look",
    "compare_files": "compare",
    "dedupe": "duplicates",
    "describe_set": "release",
    "evaluate": "evaluation",
    "evaluate_corruptions": "corruptions",
    "explain": "models",
    "explain_low": "low_number",
    "export": "models",
    "fit_system": "fit",
    "gather_truths": "truths",
    "hold_challenge": "hold",
    "measure": "judge",
    "open_set": "sets",
    "parse_settings": "fit",
    "place_file": "compare",
    "predict": "prediction",
    "predict_file": "prediction",
    "published_error": "low_number",
    "rank_files": "compare",
    "read_classes": "models",
    "report_comparison": "compare",
    "report_result": "result",
    "score_devkit": "judge",
    "score_file": "judge",
    "score_objectnet": "siblings",
    "score_outliers": "siblings",
    "score_released_corruptions": "siblings",
    "score_sibling": "siblings",
    "score_watermark": "siblings",
    "show_board": "look",
    "show_class": "look",
    "show_run": "look",
    "show_systems": "look",
    "thumbnail": "look",
    "told": "judge",
}
"""Name to the file of this folder that has it."""


def __getattr__(name: str) -> Any:
    """Load a river when a name of its own is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
