"""Image sets: import where they lie, verify every byte, build, divide and release, and make the synthetic twin."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from topfive.dataset.dedupe import Duplicates, Pair, dedupe, write_deduped
from topfive.dataset.embeddings import Embedding
from topfive.dataset.import_ import import_source
from topfive.dataset.options import ImportOptions
from topfive.dataset.pieces import Pieces
from topfive.dataset.reports import ImportReport, Problem, VerifyReport
from topfive.dataset.tune import tune_rows
from topfive.dataset.verify import CORES, read_to_verify, verify

if TYPE_CHECKING:
    from topfive.dataset.build import BuildReport, build_set
    from topfive.dataset.class_keys import read_class_keys
    from topfive.dataset.release import ReleaseReport, export, is_release, verify_release
    from topfive.dataset.selection import Selection, select, write_subset
    from topfive.dataset.split import SplitReport, SplitRule, divide
    from topfive.dataset.twin import Planted, TwinEstimate, TwinRecipe, estimate_twin, make_twin, read_planted

__all__ = [
    "CORES",
    "BuildReport",
    "Duplicates",
    "Embedding",
    "ImportOptions",
    "ImportReport",
    "Pair",
    "Pieces",
    "Planted",
    "Problem",
    "ReleaseReport",
    "Selection",
    "SplitReport",
    "SplitRule",
    "TwinEstimate",
    "TwinRecipe",
    "VerifyReport",
    "build_set",
    "dedupe",
    "divide",
    "estimate_twin",
    "export",
    "import_source",
    "is_release",
    "make_twin",
    "read_class_keys",
    "read_planted",
    "read_to_verify",
    "select",
    "tune_rows",
    "verify",
    "verify_release",
    "write_deduped",
    "write_subset",
]

_LATER = {
    "build": ("BuildReport", "build_set"),
    "class_keys": ("read_class_keys",),
    "release": ("ReleaseReport", "export", "is_release", "verify_release"),
    "selection": ("Selection", "select", "write_subset"),
    "split": ("SplitReport", "SplitRule", "divide"),
    "twin": ("Planted", "TwinEstimate", "TwinRecipe", "estimate_twin", "make_twin", "read_planted"),
}
"""Names by the module that is loaded when one of them is first asked for: importing a set needs no renderer."""


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
