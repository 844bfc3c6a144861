"""From a fitted system and pictures to Predictions, and from a run folder back to its fitted system."""

from __future__ import annotations

from pathlib import Path

from topfive.loading import Pictures
from topfive.records import BadInput, Predictions, Progress, Run, silent
from topfive.systems.catalogue import get, parse
from topfive.systems.system import Fitted

WEIGHTS = "weights"
"""The folder inside a run folder that holds what `Fitted.save` wrote; `run.json` beside it names the landmark."""


def predict(
    fitted: Fitted,
    pictures: Pictures,
    *,
    system: str,
    run: str,
    batch_size: int = 64,
    progress: Progress = silent,
) -> Predictions:
    """The five best classes and the logits of each picture, by id, with the digests of classes and view.

    `system` is the registry name (or `name:variant`) and `run` the run's id, for the file.
    """
    logits = fitted.scores(pictures, batch_size=batch_size, progress=progress)
    return Predictions.from_logits(
        pictures.ids, logits, fitted.classes, view=fitted.view.digest, system=system, run=run
    )


def load_fitted(folder: Path) -> tuple[Fitted, Run]:
    """The fitted system of a run folder and its run; raises BadInput where it is no run folder."""
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise BadInput("is no run folder (it has no run.json)", where=folder, fix="Make one with `topfive train`")
    run = Run.read(folder / "run.json")
    name, _ = parse(run.system)
    return get(name).load(folder / WEIGHTS), run
