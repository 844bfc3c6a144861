"""What a model's scores stand for, a fitted run for other programs, and a look inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topfive import systems
from topfive.records import BadInput, ClassList, Dataset


def read_classes(path: Path, dataset: Dataset, *, devkit: Path | None = None) -> ClassList:
    """The classes of a model that states none, in its order: a classes.tsv, or a wnid, name or ILSVRC2012_ID a line.

    Names are those of the set's classes or of ILSVRC's; ILSVRC2012_IDs need the kit. Raises BadInput naming the line.
    """
    from topfive import scoring, taxonomy

    every = taxonomy.ilsvrc_classes()
    own = dataset.classes
    more = [i for i, wnid in enumerate(every.wnids) if wnid not in own.index]
    known = ClassList(
        (*own.wnids, *(every.wnids[i] for i in more)),
        (*own.names, *(every.names[i] for i in more)),
    )
    of_id = {} if devkit is None else dict(enumerate(taxonomy.read_devkit(devkit).wnids[: len(every)], 1))
    return scoring.read_order(path, known, of_id)


def export(run: Path, out: Path) -> dict[str, Any]:
    """Write a run's network for other programs; raises BadInput where the run holds none."""
    from topfive.systems.engine import FittedNetwork
    from topfive.systems.engine.export import export as write
    from topfive.systems.predict import load_fitted

    fitted, made = load_fitted(run)
    if not isinstance(fitted, FittedNetwork):
        raise BadInput("holds no network", where=run, fix="Name the run folder of a neural landmark")
    worst = write(fitted, out)
    return {"run": made.run_id, "file": str(out), "bytes": out.stat().st_size, "largest_difference": worst}


def explain(name: str, run: Path, picture: Path, out: Path) -> dict[str, Any]:
    """Draw what a run of the landmark `name` looks at in a picture; raises BadInput where it cannot show that."""
    import numpy as np

    from topfive import reports
    from topfive.loading import decode
    from topfive.systems.predict import load_fitted

    fitted, made = load_fitted(run)
    if made.system.partition(":")[0] != systems.parse(name)[0]:
        raise BadInput(f"is a run of {made.system}, not of {name}", where=run)
    shown = getattr(fitted, "explain", None)
    if shown is None:
        raise BadInput("has no picture of what it looks at", where=made.system)
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=picture) from error
    parts = shown(np.asarray(decode(data)))
    reports.explained_sheet(parts, out)
    return {"run": made.run_id, "picture": str(out), "shows": [title for title, _ in parts]}
