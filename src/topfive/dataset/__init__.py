"""Image sets: import where they lie, verify every byte, hold rows out, and make the synthetic twin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topfive.dataset.dedupe import Duplicates, dedupe, write_deduped
from topfive.dataset.import_ import import_source
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import ImportReport, Problem, VerifyReport
from topfive.dataset.tune import tune_rows
from topfive.dataset.verify import CORES, read_to_verify, verify

if TYPE_CHECKING:
    from topfive.dataset.twin import Planted, TwinEstimate, TwinRecipe, estimate_twin, make_twin, read_planted

__all__ = [
    "CORES",
    "Duplicates",
    "ImportOptions",
    "ImportReport",
    "Planted",
    "Problem",
    "TwinEstimate",
    "TwinRecipe",
    "VerifyReport",
    "dedupe",
    "estimate_twin",
    "import_source",
    "make_twin",
    "read_planted",
    "read_to_verify",
    "tune_rows",
    "verify",
    "write_deduped",
]

_TWIN = frozenset({"Planted", "TwinEstimate", "TwinRecipe", "estimate_twin", "make_twin", "read_planted"})


def __getattr__(name: str) -> Any:
    """Load the renderer when a name of its own is first asked for: importing a set does not need it."""
    if name in _TWIN:
        from topfive.dataset import twin

        return getattr(twin, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
