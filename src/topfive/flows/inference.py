"""A model made ready for the pictures of a split: opened, given its runtime, checked against the reference path."""

from __future__ import annotations

import copy
import hashlib
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from topfive import systems
from topfive.loading import OnBad, Pictures
from topfive.records import (
    BadInput,
    ClassList,
    Dataset,
    Progress,
    Protocol,
    Run,
    View,
    WorkFailed,
    digest_parts,
    silent,
)

if TYPE_CHECKING:
    from topfive.systems.models import OpenModel
    from topfive.systems.runtimes import Answers, Chosen, Together

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Inference:
    """How a model is run: the pixel rule of its View (None keeps its own), pictures at a time, device."""

    decoder: Literal["reference", "exact"] | None = None
    batch_size: int = 64
    device: str = "cpu"
    weights: Path | None = None
    """The file of a `timm:` model's weights."""
    crops: str = "1-crop"
    """The test protocol."""
    runtime: str = "auto"
    """A runtime's name, or `auto`: the fastest of a short trial for models from elsewhere, its own for a run folder."""
    precision: Precision = "fp32"
    check: bool = True
    """Whether a fast path is held against the reference path first."""
    cache: Path | None = None
    """The folder that remembers which runtime was fastest and how far an evaluation came; None remembers nothing."""
    view: View | None = None
    """Replaces the model's own."""
    classes: ClassList | None = None
    """The classes of a model that states none."""
    part: int = 1_024
    """Pictures of a part, where predictions are written in parts."""
    predictions: Path | None = None
    """The file in which an evaluation leaves its predictions."""
    download: bool = False
    """Whether a library may fetch weights that are not on this machine."""


@dataclass(frozen=True)
class Ready:
    """A model and the pictures it is to answer for; `setup_s` is what that took."""

    fitted: Any
    pictures: Pictures
    how: Inference
    protocol: Protocol | None
    system: str
    run: str
    setup_s: float
    source: str = ""
    """Digest of the files that a model is built from, where it is named by them."""

    @property
    def view(self) -> str:
        """Digest of all that happens to a picture."""
        from topfive.systems.protocols import fingerprint

        return fingerprint(self.fitted, self.protocol)

    @cached_property
    def digest(self) -> str:
        """What the model is: a run's id, a network's or a file's digest, else its name; with its source's."""
        from topfive.systems import runtimes

        network, onnx = getattr(self.fitted, "network", None), getattr(self.fitted, "onnx", None)
        if self.run or (network is None and onnx is None):
            found = self.run or self.system
        else:
            found = runtimes.Work(network, onnx, self.fitted.view).digest
        return digest_parts(found, self.source) if self.source else found

    def answers(self, pictures: Pictures, on_bad: OnBad, progress: Progress = silent) -> Answers:
        """Positions among `pictures` and logits, as they come."""
        from topfive.systems import runtimes
        from topfive.systems.protocols import scores_under

        protocol, size = self.protocol, self.how.batch_size

        def cropped(part: Pictures, progress: Progress) -> NDArray[np.float32]:
            assert protocol is not None, "asked for only where there is one"
            return scores_under(self.fitted, part, protocol, batch_size=size, progress=progress)

        score = None if protocol is None else cropped
        return runtimes.answers(self.fitted, pictures, on_bad=on_bad, score=score, batch_size=size, progress=progress)

    def facts(self, n: int, seconds: float) -> dict[str, Any]:
        """The timing of INTERFACE for n pictures, and how they were run."""
        from topfive.systems.models import contamination

        return {
            "images_per_s": n / seconds if seconds > 0 else 0.0,
            "seconds": seconds,
            "setup_s": self.setup_s,
            "runtime": getattr(self.fitted, "runtime", "numpy"),
            "precision": getattr(self.fitted, "precision", "fp32"),
            "crops": self.how.crops,
            "contaminated": contamination(self.fitted),
        }


def prepare(
    model: Any,
    dataset: Dataset,
    split: str,
    how: Inference,
    *,
    together: Together | None = None,
    progress: Progress = silent,
) -> Ready:
    """Open a model for a split and give it its runtime.

    Raises BadInput for what cannot be used, WorkFailed where a fast path answers otherwise than the reference path.
    """
    from topfive.systems.models import open_model
    from topfive.systems.protocols import protocol_named

    systems.check_device(how.device)
    protocol = protocol_named(how.crops)
    began = time.perf_counter()
    fitted: Any = open_model(
        model, weights=how.weights, view=how.view, classes=how.classes, device=how.device, download=how.download
    )
    if how.decoder is not None:
        fitted.view = replace(fitted.view, decoder=how.decoder)
    pictures = Pictures(dataset, dataset.manifest.rows(split), labels=False)
    fitted = _with_runtime(fitted, pictures, how, together, progress)
    about = Path(model) / "run.json" if isinstance(model, str | Path) else None
    run = Run.read(about) if about is not None and about.is_file() else None
    name = str(model) if isinstance(model, str | Path) else str(getattr(fitted, "name", type(model).__name__))
    return Ready(
        fitted=fitted,
        pictures=pictures,
        how=how,
        protocol=protocol,
        system=run.system if run else name,
        run=run.run_id if run else "",
        setup_s=time.perf_counter() - began,
        source=_source(model),
    )


def _source(model: Any) -> str:
    """Digest of the files of `py:FILE.py:build` and `onnx:FILE`: their names do not say what they do."""
    text = str(model) if isinstance(model, str | Path) else ""
    if text.startswith("onnx:"):
        from topfive.systems.weights.onnx_file import Graph, data_files

        graph = Path(text.removeprefix("onnx:"))
        return Graph(graph, output="", data=data_files(graph)).digest
    if not text.startswith("py:"):
        return ""
    return hashlib.sha256(Path(text.removeprefix("py:").rpartition(":")[0]).read_bytes()).hexdigest()


def _with_runtime(
    fitted: Any, pictures: Pictures, how: Inference, together: Together | None, progress: Progress
) -> Any:
    """The model on the runtime asked for. A run folder keeps its own unless one is named: it repeats bit for bit."""
    from topfive.systems.models import OpenModel

    own = getattr(fitted, "runtime", "numpy")
    fixed = not isinstance(fitted, OpenModel) or (fitted.network is None and fitted.onnx is None)
    if fixed and how.precision == "fp32" and how.runtime in ("auto", own):
        return fitted
    movable = _movable(fitted)
    if movable is None:
        raise BadInput(
            f"holds no network that another runtime could take; it runs on {own}",
            where=getattr(fitted, "name", type(fitted).__name__),
            fix="Leave --runtime and --precision out",
        )
    reference = copy.copy(movable)
    reference.view = replace(movable.view, decoder="reference")
    chosen = _chosen(movable, len(pictures), how, together, progress)
    movable.use(chosen.run, chosen.name, how.precision)
    fast = (chosen.name, how.precision, movable.view.decoder) != ("torch", "fp32", "reference")
    if how.check and fast:
        failed = ""
        try:
            if together is None or together.first:
                _self_check(reference, movable, pictures, chosen, progress)
        except WorkFailed as error:
            failed = str(error)
        failed = failed if together is None else together.told(failed)
        if failed:
            raise WorkFailed(failed)
    return movable


def _movable(fitted: Any) -> OpenModel | None:
    """The model as one whose runtime can be changed, None where it has no plain network from pixels to logits."""
    from topfive.systems.models import OpenModel, contamination

    if isinstance(fitted, OpenModel):
        return fitted if fitted.network is not None or fitted.onnx is not None else None
    if getattr(fitted, "runtime", "") != "torch" or getattr(fitted, "network", None) is None:
        return None
    from topfive.systems.engine.fitted import FittedNetwork, slice_scores

    if type(fitted).scores is not FittedNetwork.scores:
        return None

    def run(batches: Any, view: View) -> Any:
        return slice_scores(fitted.network, batches, view, fitted.device)

    moved = OpenModel(
        fitted.system, run, fitted.classes, fitted.view, runtime="torch", contaminated=contamination(fitted)
    )
    moved.network = fitted.network
    return moved


def _chosen(model: OpenModel, n: int, how: Inference, together: Together | None, progress: Progress) -> Chosen:
    """All processes run what the first one has chosen."""
    from topfive.systems import runtimes

    work = runtimes.Work(model.network, model.onnx, model.view, how.device, runtimes.cores())
    chosen: Chosen | None = None
    if together is None or together.first:
        chosen = runtimes.choose(work, how.precision, how.runtime, n=n, cache=how.cache, progress=progress)
    if together is not None:
        name = together.told(chosen.name if chosen else "")
        chosen = chosen or runtimes.choose(work, how.precision, name, n=n)
    assert chosen is not None, "chosen here or told"
    return chosen


def _self_check(reference: OpenModel, fast: OpenModel, pictures: Pictures, chosen: Chosen, progress: Progress) -> None:
    """Hold the fast path against the reference path on pictures spread by hash; those that do not decode are none."""
    from topfive.systems import runtimes

    sample = pictures.take(runtimes.spread(pictures.ids))
    found = []
    for model, way in ((reference, "reference"), (fast, "fast")):

        def told(what: str, done: float, total: float | None, unit: str = "", *, way: str = way) -> None:
            progress(f"checking ({way} path)", done, total, unit)

        parts = runtimes.answers(model, sample, on_bad=lambda *_: None, batch_size=16, progress=told)
        found.append([logits for _, logits in parts])
    if found[0] and found[1]:
        slow, quick = (np.concatenate(parts) for parts in found)
        runtimes.check_answers(slow, quick, rate=chosen.agrees, where=f"runtime {chosen.name}")
