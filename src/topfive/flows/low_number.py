"""Why is my number low? A sample of the pictures again, with each likely mistake taken back, one at a time."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures, mistakes
from topfive.records import UNKNOWN, BadInput, ClassList, Dataset, Progress, View, WorkFailed, silent
from topfive.scoring import suspects
from topfive.scoring.marking import positions_of_classes

AS_USUAL = mistakes.Handling()
ORDER_OF_KIT = "class order by ILSVRC2012_ID"
"""Not tried without the kit: which class has which of these numbers, no installed package says."""
_AT_ONCE = 16
_CHUNK = 64
"""Pictures that go through every suspect before the next are decoded: networks of `engine` see 64 at a time."""
_FIRST = 128
"""After so many pictures a suspect is given up that has made things clearly worse."""
_MANY = 2_000
"""Pictures, all suspects together, from which on another runtime than torch is worth its set-up."""


@dataclass(frozen=True)
class Looking:
    """How the model is run, and what besides its View is known of the run as given.

    `handling` is for those who ask about a pipeline of their own: what it does to the pixels. With `devkit`, the
    official kit, orders by ILSVRC2012_ID are tried too. `view` replaces the model's own.
    """

    weights: Path | None = None
    view: View | None = None
    device: str = "cpu"
    download: bool = False
    handling: mistakes.Handling = AS_USUAL
    devkit: Path | None = None
    classes: ClassList | None = None
    """The classes of a model that states none."""


def explain_low(
    model: Any,
    dataset: Dataset,
    split: str = "val",
    *,
    expected: float | None = None,
    n: int = 1000,
    how: Looking = Looking(),
    progress: Progress = silent,
) -> suspects.LowNumber:
    """Run up to `n` pictures, spread by hash of their ids, as given and under every suspect, and rank the suspects.

    `expected` is the top-1 error that was published or hoped for, as a fraction. Pictures without a label, or that do
    not decode, are left out and counted. Raises BadInput where none is left, and where the model lacks a class.
    """
    from topfive.systems.models import open_model

    if expected is not None and not 0 <= expected <= 1:
        raise BadInput(f"{expected:g} is no fraction", where="--expected", fix="Write 0.25 for a top-1 error of 25 %")
    if n < 1:
        raise BadInput(f"{n} pictures are none", where="explain", fix="Use 1 or more")
    fitted = open_model(
        model, weights=how.weights, view=how.view, classes=how.classes, device=how.device, download=how.download
    )
    pictures = Pictures(dataset, dataset.manifest.rows(split))
    positions = positions_of_classes(dataset.classes, fitted.classes, "model")
    chosen = _spread(pictures, n)
    if not len(chosen):
        raise BadInput(f"split {split!r} has no labels here", where=dataset.root, fix="Choose a split with labels")
    with _restored(fitted):
        given, undone, logits, truth = _outcomes(fitted, pictures.take(chosen), positions, how, progress)
    undone += _from_the_same_scores(given, logits, truth, positions, _order_of_kit(fitted.classes, how.devkit))
    return suspects.low_number(
        given,
        undone,
        expected=expected,
        twice=suspects.softmaxed_twice(logits),
        left_out=len(chosen) - len(truth),
        not_tried=(ORDER_OF_KIT,) if how.devkit is None and _of_ilsvrc(fitted.classes) else (),
    )


def _outcomes(
    fitted: Any, pictures: Pictures, positions: NDArray[np.int32], how: Looking, progress: Progress
) -> tuple[suspects.Outcome, list[suspects.Outcome], NDArray[np.float32], NDArray[np.int32]]:
    """The run as given and each rerun, with the scores as given and the class_index in the model's list."""
    view = replace(fitted.view, decoder="exact")
    turned = any(mistakes.orientation(pictures.read(i)) != 1 for i in range(len(pictures)))
    reruns = mistakes.likely_mistakes(view, how.handling, turned=turned)
    as_given = mistakes.Undone("as given", "", view, how.handling)
    scores: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.int32]] = []
    parts: dict[mistakes.Undone, list[suspects.Outcome]] = {rerun: [] for rerun in (as_given, *reruns)}
    trying = list(reruns)
    done, total = 0, len(pictures)
    seen = _Runs(fitted, how.device, total * len(parts), progress)
    for held in _chunks(pictures, view):
        truth = positions[held.class_index]
        for rerun in (as_given, *trying):
            logits = seen.scores(held.under(rerun.handling), rerun.view)
            parts[rerun].append(suspects.outcome(rerun.suspect, rerun.said, logits, truth))
            if rerun is as_given:
                scores.append(logits)
                labels.append(truth)
        done += len(held)
        if done >= _FIRST:
            given = suspects.joined(parts[as_given])
            trying = [rerun for rerun in trying if not suspects.hopeless(given, suspects.joined(parts[rerun]))]
        progress("rerunning", done, total, "images")
    if not scores:
        raise BadInput("holds no picture that decodes", where=pictures.dataset.root)
    outcome, *undone = [suspects.joined(part) for part in parts.values()]
    return outcome, undone, np.concatenate(scores), np.concatenate(labels)


class _Runs:
    """A model under one View after another. Where there is much to do, the fastest runtime here runs it.

    Runtimes keep mean and deviation in their graphs, so each pair of them gets a graph of its own.
    """

    def __init__(self, fitted: Any, device: str, n: int, progress: Progress) -> None:
        self._fitted, self._device, self._n, self._progress = fitted, device, n, progress
        self._runtime = "auto" if n >= _MANY else "torch"
        self._runs: dict[View, Any] = {}

    def scores(self, pictures: Pictures, view: View) -> NDArray[np.float32]:
        """Logits of the pictures seen through this view."""
        self._fitted.view = view
        if getattr(self._fitted, "network", None) is not None and hasattr(self._fitted, "use"):
            key = View(view.crop_px, view.crop_px, mean=view.mean, std=view.std)
            if key not in self._runs:
                self._runs[key] = self._ready(key)
            self._fitted.use(self._runs[key], self._runtime)
        found: NDArray[np.float32] = self._fitted.scores(pictures, batch_size=_AT_ONCE)
        return found

    def _ready(self, view: View) -> Any:
        from topfive.systems.models import torch_run
        from topfive.systems.runtimes.choose import choose
        from topfive.systems.runtimes.runtime import Work, cores

        network = self._fitted.network
        if self._runtime != "torch":
            work = Work(network, None, view, self._device, cores())
            try:
                chosen = choose(work, "fp32", self._runtime, n=self._n, progress=self._progress)
            except (BadInput, WorkFailed):  # a network that none of them takes: torch has it already
                self._runtime = "torch"
            else:
                self._runtime = chosen.name
                return chosen.run
        return torch_run(network, self._device)


@contextmanager
def _restored(fitted: Any) -> Iterator[None]:
    """The model has its own View and its own way to run again in the end."""
    kept = {name: getattr(fitted, name) for name in ("view", "_run", "runtime", "precision") if hasattr(fitted, name)}
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(fitted, name, value)


def _chunks(pictures: Pictures, view: View) -> Iterator[mistakes.HandledPictures]:
    """The pictures that decode, a chunk at a time."""
    for start in range(0, len(pictures), _CHUNK):
        part = pictures.take(np.arange(start, min(start + _CHUNK, len(pictures))))
        held = mistakes.HandledPictures(part)
        good = held.readable(view)
        if good.all():
            yield held
        elif good.any():
            yield mistakes.HandledPictures(part.take(good))


def _from_the_same_scores(
    given: suspects.Outcome,
    logits: NDArray[np.float32],
    truth: NDArray[np.int32],
    positions: NDArray[np.int32],
    order_of_kit: NDArray[np.int32] | None,
) -> list[suspects.Outcome]:
    """Suspects about the labels: the network has nothing to do with them."""
    found = [
        suspects.outcome(name, said, logits, meant[truth])
        for (name, said), meant in suspects.other_orders(logits.shape[1], order_of_kit).items()
    ]
    if len(positions) < logits.shape[1]:
        found.append(suspects.only_among(given, logits, truth, positions))
    return found


def _order_of_kit(classes: ClassList, devkit: Path | None) -> NDArray[np.int32] | None:
    """The class_index in `classes` of ILSVRC2012_ID 1 to 1000."""
    if devkit is None:
        return None
    from topfive.taxonomy import read_devkit

    kit = read_devkit(devkit)
    order = np.array([classes.index.get(wnid, UNKNOWN) for wnid in kit.wnids[: len(kit.classes)]], dtype=np.int32)
    return None if (order == UNKNOWN).any() else order


def _of_ilsvrc(classes: ClassList) -> bool:
    from topfive.taxonomy import ilsvrc_classes

    return set(classes.wnids) == set(ilsvrc_classes().wnids)


def _spread(pictures: Pictures, n: int) -> NDArray[np.int64]:
    """The places of up to n labelled pictures, those first whose id has the smallest hash: the same in any order."""
    assert pictures.class_index is not None
    labelled = np.flatnonzero(pictures.class_index != UNKNOWN)
    digests = (hashlib.blake2b(pictures.ids[i].encode(), digest_size=8).digest() for i in labelled)
    hashes = np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64)
    return np.asarray(labelled[np.argsort(hashes, kind="stable")[:n]], dtype=np.int64)


def published_error(file: Path, model: str) -> float:
    """The top-1 error of a model, as a fraction, from a CSV with timm's columns; raises BadInput naming the nearest."""
    from topfive.scoring import read_published

    name = model.partition(":")[2] or model
    errors = {row.model: row.top1_error for row in read_published(file) if row.top1_error is not None}
    chosen = [known for known in errors if known == name] or [k for k in errors if k.partition(".")[0] == name]
    if len(chosen) == 1:
        return errors[chosen[0]]
    near = chosen or difflib.get_close_matches(name, errors, n=3, cutoff=0.3)
    reason = f"has {len(chosen)} rows of {name!r}" if chosen else f"has no row of {name!r}"
    raise BadInput(reason, where=file, fix=f"Name its figure with --expected. Nearest: {', '.join(near[:5]) or 'none'}")
