"""A model's predictions for a split: at once in memory, or in parts that go on where they stopped and are shared."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topfive.flows.inference import Inference, Ready, prepare
from topfive.records import BadInput, Dataset, Manifest, Predictions, Progress, digest_parts, held_folder, silent

if TYPE_CHECKING:
    from topfive.loading import Pictures
    from topfive.systems.runtimes import Parts, Problem, Together

_SHOWN = 100
"""Problems that a result lists; all are counted."""
PLAIN = Inference()
_KEPT_VALUES = 50_000_000
"""Logits that are kept unasked: 50,000 x 1,000, 200 MB."""
_LEAST_PARTS = 8
"""So that several processes share out a small set too; more would not say more, since 1,024 are predicted at a time."""


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
        parts.append(_made(ready, ready.view, ids, logits, keep_logits))
    seconds = time.perf_counter() - first
    if not parts:
        raise BadInput("has no picture that decodes", where=f"split {split!r}", row=problems[0]["reason"])
    return _joined(parts), ready.facts(sum(map(len, parts)), seconds) | told_problems(problems)


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
    progress = progress if together.first else silent
    how = as_before(how, out)
    ready = prepare(model, dataset, split, how, together=together, progress=progress)
    keep = keeps(ready) if keep_logits is None else keep_logits
    parts = parts_at(out, ready, split, keep)
    with shared(parts, ready, together, progress=progress) as timing:
        if timing is None:
            return None
        rows, problems = parts.join()
        parts.remove()
    facts = {"n": rows, "predictions": str(out), "system": ready.system, "view": ready.view, "logits": keep}
    return facts | timing | told_problems(problems)


def keeps(ready: Ready) -> bool:
    """Whether logits are kept unasked: up to 50 million values."""
    return len(ready.pictures) * len(ready.fitted.classes) <= _KEPT_VALUES


def as_before(how: Inference, out: Path) -> Inference:
    """With the runtime of the parts that an earlier call left beside `out`, where none is named."""
    from topfive.systems import runtimes

    try:
        before = runtimes.told_by(out) or {}
    except BadInput:  # said again where it matters
        before = {}
    goes_on = how.runtime == runtimes.AUTO and before.get("runtime") in runtimes.names()
    return replace(how, runtime=before["runtime"]) if goes_on else how


@contextmanager
def working_place(wanted: Path | None, key: Sequence[str] | None, how: Inference, together: Together) -> Iterator[Path]:
    """The file beside which parts are kept: `wanted`; else one in the cache that `key` names again; else a new one.

    What is new is removed in the end, whether the work succeeds or not.
    """
    if wanted is not None and wanted.is_dir():
        raise BadInput("is a folder", where=wanted, fix="Name a file")
    if wanted is not None:
        yield wanted
    elif key is not None and how.cache is not None:
        yield how.cache / "evaluations" / digest_parts(*key)[:32]
    else:
        made = tempfile.TemporaryDirectory(prefix="topfive-") if together.first else nullcontext("")
        with made as folder:
            yield Path(together.told(folder)) / "predictions"


def parts_at(place: Path, ready: Ready, split: str, keep: bool, *, view: str = "") -> Parts:
    """The parts beside `place` of the split's pictures; `view` is what happens to them, where not the model's own."""
    from topfive.systems import runtimes

    about = {
        "set": _set_digest(ready.pictures.manifest),
        "split": split,
        "model": ready.digest,
        "classes": ready.fitted.classes.digest,
        "view": view or ready.view,
        "runtime": getattr(ready.fitted, "runtime", "numpy"),
        "precision": ready.how.precision,
        "device": ready.how.device,
        "logits": keep,
    }
    n = len(ready.pictures)
    return runtimes.Parts(place, about, n=n, size=max(1, min(ready.how.part, -(-n // _LEAST_PARTS))))


@contextmanager
def shared(
    parts: Parts,
    ready: Ready,
    together: Together,
    *,
    pictures: Pictures | None = None,
    anew: bool = False,
    progress: Progress = silent,
) -> Iterator[dict[str, Any] | None]:
    """Predict what is missing, each process its share; the first gets the timing of INTERFACE, the others None.

    The parts are held against other programs as long as the block lasts. `anew` throws away those of another
    prediction. Raises WorkFailed where another process ends before its share is done.
    """
    with held_folder(parts.folder) if together.first else nullcontext():
        if together.first:
            parts.begin(anew=anew)
        together.wait()
        missing = parts.missing()
        together.wait()  # so that nobody writes a part before all have seen which are missing
        first = time.perf_counter()
        shown = ready.pictures if pictures is None else pictures
        last = _fill(parts, missing[together.rank :: together.world], ready, shown, progress)
        together.wait()
        if not together.first:
            yield None
            return
        made = sum(len(parts.positions(number)) for number in missing)
        seconds = (last if together.world == 1 else time.perf_counter()) - first
        yield ready.facts(made, seconds) | {"n_processes": together.world, "n_resumed": parts.n - made}


def told_problems(problems: list[Problem]) -> dict[str, Any]:
    """How many pictures were left out, and the first of them."""
    return {"n_problems": len(problems), "problems": problems[:_SHOWN]}


def _set_digest(manifest: Manifest) -> str:
    """What the pictures are: their bytes where these were hashed, else where they lie."""
    known = zip(manifest.table["sha256"].to_pylist(), manifest.table["container"].to_pylist(), strict=True)
    where = [manifest.column(name).astype(np.int64) for name in ("offset", "size")]
    return digest_parts(manifest.ids, [sha256 or container for sha256, container in known], *where)


def _made(ready: Ready, view: str, ids: tuple[str, ...], logits: Any, keep: bool) -> Predictions:
    return Predictions.from_logits(
        ids,
        logits,
        ready.fitted.classes,
        view=view,
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


def _fill(parts: Parts, numbers: list[int], ready: Ready, shown: Pictures, progress: Progress) -> float:
    """Predict these parts in one stream, so that reading never pauses between two, and write each when it is whole.

    Returns when the last prediction came, by `time.perf_counter`.
    """
    last = time.perf_counter()
    if not numbers:
        return last
    places = np.concatenate([parts.positions(number) for number in numbers])
    pictures = shown if len(places) == len(shown) else shown.take(places)
    part_of = dict(zip(pictures.ids, (places // parts.size).tolist(), strict=True))
    problems: dict[int, list[Problem]] = {number: [] for number in numbers}
    waiting, held = deque(numbers), list[Predictions]()
    view, keep = parts.about["view"], parts.about["logits"]

    def noted(image_id: str, reason: str) -> None:
        problems[part_of[image_id]].append({"image_id": image_id, "reason": reason})

    def finish() -> None:
        number = waiting.popleft()
        parts.write(number, _joined(held) if held else None, problems.pop(number))
        held.clear()

    for positions, logits in ready.answers(pictures, noted, progress):
        last = time.perf_counter()
        found = places[positions] // parts.size
        for number in np.unique(found).tolist():
            while waiting[0] != number:
                finish()
            mine = np.flatnonzero(found == number)
            ids = tuple(pictures.ids[place] for place in positions[mine].tolist())
            held.append(_made(ready, view, ids, logits[mine], keep))
    while waiting:
        finish()
    return last
