"""The rivers, as plain functions: compositions of rooms, and nothing that a room should know.

- `hold_challenge`: pictures -> systems -> sealed labels -> submissions -> board -> audit -> report.
- `fit_system`: a landmark on one image set. `predict`, `evaluate`, `export`, `explain`: a run, or another model.
- `score_file`, `score_devkit`, `compare_files`: numbers from prediction files.
- `agree`: votes -> consensus. `audit_label_errors`, `audit_imagenet`: labels -> findings.
- `show_*`, `class_pictures`, `thumbnail`: what doors show.

Importing this loads no torch; rooms that are slow to import are imported where they are used.
"""

from topfive.flows.fit import Options, fit_system, parse_settings
from topfive.flows.hold import DEFAULT_SYSTEMS, Order, hold_challenge
from topfive.flows.judge import agree, audit_imagenet, audit_label_errors, compare_files, score_devkit, score_file
from topfive.flows.look import class_pictures, show_board, show_class, show_run, show_systems, thumbnail
from topfive.flows.models import Inference, evaluate, explain, export, predict

__all__ = [
    "DEFAULT_SYSTEMS",
    "Inference",
    "Options",
    "Order",
    "agree",
    "audit_imagenet",
    "audit_label_errors",
    "class_pictures",
    "compare_files",
    "evaluate",
    "explain",
    "export",
    "fit_system",
    "hold_challenge",
    "parse_settings",
    "predict",
    "score_devkit",
    "score_file",
    "show_board",
    "show_class",
    "show_run",
    "show_systems",
    "thumbnail",
]
