"""From a run folder back to its fitted system."""

from __future__ import annotations

from pathlib import Path

from topfive.records import BadInput, Run
from topfive.systems.catalogue import get, parse
from topfive.systems.system import Fitted

WEIGHTS = "weights"
"""The folder inside a run folder that holds what `Fitted.save` wrote; `run.json` beside it names the landmark."""


def load_fitted(folder: Path) -> tuple[Fitted, Run]:
    """The fitted system of a run folder and its run; raises BadInput where it is no run folder."""
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise BadInput("is no run folder (it has no run.json)", where=folder, fix="Make one with `topfive train`")
    run = Run.read(folder / "run.json")
    name, _ = parse(run.system)
    return get(name).load(folder / WEIGHTS), run
