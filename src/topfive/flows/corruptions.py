"""A model under the fifteen corruptions that topfive makes: protocol `imagenet-c/generated`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topfive.flows.evaluation import labelled_rows
from topfive.flows.inference import Inference, Ready, prepare
from topfive.flows.prediction import parts_at, shared, told_problems, working_place
from topfive.loading import CORRUPTIONS, SEVERITIES, CorruptedPictures, check_corruption
from topfive.records import BadInput, Dataset, Manifest, Predictions, Progress, Truth, digest_json, silent

if TYPE_CHECKING:
    from topfive.systems.runtimes import Problem, Together

Pair = tuple[str, int]
"""A kind of corruption and its severity."""
EVERY: tuple[Pair, ...] = tuple((kind, severity) for kind in CORRUPTIONS for severity in SEVERITIES)
"""All 75 corruptions and severities."""
_HOW = Inference(decoder="exact", batch_size=16)


@dataclass(frozen=True)
class Corruptions:
    """Which (kind, severity) pairs, drawn from which seed; `out` is a folder for the predictions of each pass."""

    pairs: Sequence[Pair] = EVERY
    seed: int = 0
    out: Path | None = None

    def check(self) -> None:
        """Raise BadInput for a kind or severity that is none, and for a pair that stands twice."""
        for at, pair in enumerate(self.pairs):
            check_corruption(*pair)
            if pair in self.pairs[:at]:
                raise BadInput("stands twice", where=f"corruption {pair[0]}:{pair[1]}", fix="Ask for it once")


def evaluate_corruptions(
    model: Any,
    dataset: Dataset,
    split: str = "val",
    *,
    how: Inference = _HOW,
    asked: Corruptions = Corruptions(),
    progress: Progress = silent,
) -> dict[str, Any]:
    """Top-1 error on the pictures as they are and under each corruption asked for, by `imagenet-c/generated`.

    With `asked.out` each pass leaves its predictions there as `KIND-SEVERITY.parquet` (and `clean.parquet`), and the
    same call goes on where it stopped, within a pass too. Pictures that do not decode are not in `n`. Under torchrun
    the processes share out the pictures of each pass, and all but the first get an empty dict. Raises BadInput for
    files there that were made otherwise.
    """
    from topfive import scoring
    from topfive.systems import runtimes

    asked.check()
    if how.crops != "1-crop":
        raise BadInput(
            "are defined on the View's own crop", where="corruptions", fix="Use the protocol 1-crop with them"
        )
    rows = labelled_rows(dataset, split)
    together = runtimes.together()
    progress = progress if together.first else silent
    wanted = None if asked.out is None else asked.out / "clean.parquet"
    with working_place(wanted, None, how, together) as place:
        ready = prepare(model, dataset, split, how, together=together, progress=progress)
        work = _Passes(ready, rows, asked, place.parent, split, together)
        found = {pair: work.predictions(pair, progress) for pair in (None, *asked.pairs)}
    if not together.first:
        return {}
    cells = {pair: _cell(made, rows, pair) for pair, made in found.items() if made is not None}
    clean = cells.pop(None)
    errors = scoring.CorruptionErrors(scoring.GENERATED, {pair: cells[pair] for pair in asked.pairs}, clean)
    return errors.to_json() | {
        "model": ready.system,
        "split": split,
        "n": clean.n,
        "seed": asked.seed,
        "view": ready.view,
        "n_problems": len(rows) - clean.n,
        "problems": told_problems(list(work.problems.values()))["problems"],
    }


@dataclass
class _Passes:
    """The passes over the pictures, each in a file of `folder`; `problems` are those met by this call, by image_id."""

    ready: Ready
    rows: Manifest
    asked: Corruptions
    folder: Path
    split: str
    together: Together
    problems: dict[str, Problem] = field(default_factory=dict)

    def predictions(self, pair: Pair | None, progress: Progress) -> Predictions | None:
        """Those of one pass, without logits: an earlier call's, else made now; None for all but the first process."""
        name = "clean" if pair is None else f"{pair[0]}-{pair[1]}"
        path, view = self.folder / f"{name}.parquet", self.view(pair)
        made = self._earlier(path, view) if self.together.first and self.asked.out is not None else None
        if self.together.told("made" if made is not None else "missing") == "made":
            return made
        pictures = self.ready.pictures
        shown = pictures if pair is None else CorruptedPictures(pictures, *pair, seed=self.asked.seed)
        parts = parts_at(path, self.ready, self.split, keep=False, view=view)
        told = _within(progress, name)
        with shared(parts, self.ready, self.together, pictures=shown, anew=True, progress=told) as timing:
            if timing is None:
                return None
            found, problems = parts.read()
            self.problems |= {problem["image_id"]: problem for problem in problems}
            made = replace(found, run=self.ready.digest)
            if self.asked.out is not None:
                made.write(path)
            parts.remove()
        return made

    def view(self, pair: Pair | None) -> str:
        """Digest of all that happens to a picture in a pass."""
        from topfive import scoring

        plain = self.ready.view
        return plain if pair is None else digest_json([plain, scoring.GENERATED, *pair, self.asked.seed])

    def _earlier(self, path: Path, view: str) -> Predictions | None:
        """The predictions of an earlier call; None where there are none yet."""
        if not path.is_file():
            return None
        made, ready = Predictions.read(path), self.ready
        same = (made.view, made.classes.digest, made.run) == (view, ready.fitted.classes.digest, ready.digest)
        if not same or not set(made.ids) <= set(self.rows.ids):
            raise BadInput(
                "was made of other pictures, or with another view, seed or model",
                where=path,
                fix="Name another folder, or remove this one",
            )
        return made


def _cell(made: Predictions, rows: Manifest, pair: Pair | None) -> Any:
    """The count of wrong first guesses in a pass."""
    from topfive import scoring

    there = set(made.ids)
    kept = rows.take(np.array([image_id in there for image_id in rows.ids]))
    truth = Truth.single(kept.ids, kept.class_index, kept.classes)
    right = scoring.mark(made, truth, where="clean" if pair is None else f"{pair[0]}-{pair[1]}").correct(1)
    return scoring.Cell(int(np.count_nonzero(~right)), len(right))


def _within(progress: Progress, name: str) -> Progress:
    def named(what: str, done: float, total: float | None, unit: str = "") -> None:
        progress(f"{name}: {what}", done, total, unit)

    return named
