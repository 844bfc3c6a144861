"""A fitted run or a model from elsewhere at work: predictions, their score, an export, a look inside."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topfive import systems
from topfive.flows.inference import Inference, Ready, prepare
from topfive.flows.judge import Against, Page, measure, told
from topfive.flows.truths import gather_truths
from topfive.records import BadInput, Dataset, Predictions, Progress, Truth, digest_parts, silent

if TYPE_CHECKING:
    from topfive.systems.runtimes import Parts, Problem

_SHOWN = 100
"""Problems that a result lists; all are counted."""
_SEEN = "The model has perhaps been trained on these pictures: this checks the pipeline and is no test result."
PLAIN = Inference()
FAST = Inference(decoder="exact", batch_size=16)
OWN_LABELS = Against()
_KEPT_VALUES = 50_000_000
"""Logits that are kept unasked: 50,000 x 1,000, 200 MB."""


def predict(
    model: Any,
    dataset: Dataset,
    split: str,
    *,
    how: Inference = PLAIN,
    keep_logits: bool = True,
    progress: Progress = silent,
) -> tuple[Predictions, dict[str, Any]]:
    """Predictions of a run folder or another model for one split, and the timing of INTERFACE.

    Pictures that do not decode are left out: `n_problems`, `problems`. Raises BadInput where none is left.
    """
    ready = prepare(model, dataset, split, how, progress=progress)
    problems: list[Problem] = []
    first = time.perf_counter()
    parts = []
    for positions, logits in ready.answers(ready.pictures, _noting(problems), progress):
        ids = tuple(ready.pictures.ids[place] for place in positions.tolist())
        parts.append(_made(ready, ids, logits, keep_logits))
    seconds = time.perf_counter() - first
    if not parts:
        raise BadInput("has no picture that decodes", where=f"split {split!r}", row=problems[0]["reason"])
    return _joined(parts), ready.facts(sum(map(len, parts)), seconds) | _told(problems)


def predict_file(
    model: Any,
    dataset: Dataset,
    split: str,
    out: Path,
    *,
    how: Inference = PLAIN,
    keep_logits: bool | None = None,
    progress: Progress = silent,
) -> dict[str, Any] | None:
    """Write a split's predictions, in parts first; the same call goes on where an earlier one was stopped.

    Memory is the same for any number of pictures. `keep_logits` None keeps them up to 50 million values. Under torchrun
    the processes share out the parts and the file is the same; all but the first get None. Raises BadInput where parts
    of another set, model or View lie beside `out`.
    """
    from topfive.systems import runtimes

    together = runtimes.together()
    before = runtimes.told_by(out)
    if before is not None and how.runtime == runtimes.AUTO and before.get("runtime") in runtimes.names():
        how = replace(how, runtime=before["runtime"])
    ready = prepare(model, dataset, split, how, together=together, progress=progress)
    n = len(ready.pictures)
    keep = keep_logits if keep_logits is not None else n * len(ready.fitted.classes) <= _KEPT_VALUES
    parts = runtimes.Parts(out, _about(ready, split, keep), n=n, size=how.part)
    if together.first:
        parts.begin()
    together.wait()
    missing = parts.missing()
    together.wait()  # so that nobody writes a part before all have seen which are missing
    first = time.perf_counter()
    _fill(parts, missing[together.rank :: together.world], ready, keep, progress)
    together.wait()
    if not together.first:
        return None
    made = sum(len(parts.positions(number)) for number in missing)
    rows, problems = parts.join()
    facts = {"n": rows, "predictions": str(out), "system": ready.system, "view": ready.view, "logits": keep}
    timing = ready.facts(made, time.perf_counter() - first)
    return facts | timing | {"n_processes": together.world, "n_resumed": n - made} | _told(problems)


def evaluate(
    model: Any,
    dataset: Dataset,
    split: str = "val",
    *,
    how: Inference = FAST,
    against: Against = OWN_LABELS,
    page: Page | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict and score in one go: the keys of INTERFACE for `evaluate`.

    Pictures that do not decode are not in `n`; `n_problems` and `problems` name them. Several truths are a list under
    `truths`; more than the two errors is measured where `against` or a `page` asks for it.
    """
    from topfive import scoring

    rows = dataset.manifest.rows(split)
    if (rows.class_index < 0).all():
        raise BadInput(f"split {split!r} has no labels here", where=dataset.root, fix="Choose a split with labels")
    whole = against.details or page is not None or bool(against.truths)
    made, timing = predict(model, dataset, split, how=how, keep_logits=whole or against.restrict, progress=progress)
    if timing["n_problems"]:
        left = set(made.ids)
        rows = rows.take(np.array([image_id in left for image_id in rows.ids]))
    truth = Truth.single(rows.ids, rows.class_index, dataset.classes)
    facts = {"model": made.system, "split": split} | timing
    if not whole:
        return scoring.score(made, truth, restrict=against.restrict).to_json() | facts
    truths = gather_truths(against.truths, truth, made.ids, split=split)
    found = measure(made, truths, restrict=against.restrict, seed=against.seed)
    result = told(found)
    if not against.details:
        for view in result.get("truths", [result]):
            view.pop("details", None)
    if page is not None:
        from topfive.flows.result import report_result

        shown = {"Runtime": f"{timing['runtime']}, {timing['precision']}, {timing['crops']}"}
        seen = _SEEN if timing["contaminated"] == "likely" else ""
        page = replace(page, facts={**shown, **page.facts}, caution=seen)
        report_result(made, truths, found, page, own=dataset, split=split)
        facts["report"] = str(page.out)
    return result | facts


def _made(ready: Ready, ids: tuple[str, ...], logits: Any, keep: bool) -> Predictions:
    return Predictions.from_logits(
        ids,
        logits,
        ready.fitted.classes,
        view=ready.view,
        system=ready.system,
        run=ready.run,
        keep_logits=keep,
    )


def _joined(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of one model, one after the other."""
    if len(parts) == 1:
        return parts[0]
    kept = [made.logits for made in parts if made.logits is not None]
    return replace(
        parts[0],
        ids=tuple(image_id for made in parts for image_id in made.ids),
        top_index=np.concatenate([made.top_index for made in parts]),
        top_score=np.concatenate([made.top_score for made in parts]),
        logits=np.concatenate(kept) if kept else None,
    )


def _noting(problems: list[Problem]) -> Any:
    def noted(image_id: str, reason: str) -> None:
        problems.append({"image_id": image_id, "reason": reason})

    return noted


def _told(problems: list[Problem]) -> dict[str, Any]:
    return {"n_problems": len(problems), "problems": problems[:_SHOWN]}


def _about(ready: Ready, split: str, keep: bool) -> dict[str, Any]:
    """What parts must agree in to belong together."""
    manifest = ready.pictures.manifest
    return {
        "set": digest_parts(manifest.ids, manifest.table["sha256"].to_pylist()),
        "split": split,
        "model": ready.digest,
        "classes": ready.fitted.classes.digest,
        "view": ready.view,
        "runtime": getattr(ready.fitted, "runtime", "numpy"),
        "precision": ready.how.precision,
        "logits": keep,
    }


def _fill(parts: Parts, numbers: list[int], ready: Ready, keep: bool, progress: Progress) -> None:
    """Predict these parts in one stream, so that reading never pauses between two, and write each when it is whole."""
    if not numbers:
        return
    places = np.concatenate([parts.positions(number) for number in numbers])
    pictures = ready.pictures if len(places) == len(ready.pictures) else ready.pictures.take(places)
    part_of = dict(zip(pictures.ids, (places // parts.size).tolist(), strict=True))
    problems: dict[int, list[Problem]] = {number: [] for number in numbers}
    waiting, held = deque(numbers), list[Predictions]()

    def noted(image_id: str, reason: str) -> None:
        problems[part_of[image_id]].append({"image_id": image_id, "reason": reason})

    def finish() -> None:
        number = waiting.popleft()
        parts.write(number, _joined(held) if held else None, problems.pop(number))
        held.clear()

    for positions, logits in ready.answers(pictures, noted, progress):
        found = places[positions] // parts.size
        for number in np.unique(found).tolist():
            while waiting[0] != number:
                finish()
            mine = np.flatnonzero(found == number)
            ids = tuple(pictures.ids[place] for place in positions[mine].tolist())
            held.append(_made(ready, ids, logits[mine], keep))
    while waiting:
        finish()


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
