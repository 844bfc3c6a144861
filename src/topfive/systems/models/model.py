"""OpenModel: a model from elsewhere with its classes and its view, and how it is run."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, ClassList, Progress, View, WorkFailed, silent
from topfive.systems.system import Fitted
from topfive.systems.weights.onnx_file import Graph

Contaminated = Literal["likely", "no", "unknown"]
Run = Callable[[Iterator[NDArray[np.uint8]], View], Iterable[NDArray[Any]]]
"""Batches uint8 [n, h, w, 3] and what they were seen through, to logits [n, K] in the same order."""

IMAGENET = View(256, 224, "bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""What a model is shown that says nothing of its own."""
_SLICE = 16
"""Pictures that a network of full size sees at once: 64 are no faster, take more memory, and fill up small sets."""


class OpenModel:
    """A model from elsewhere. `contaminated` says whether it has probably learnt from real ImageNet pictures.

    `network` is the torch module in evaluation mode, from normalised float [n, 3, h, w] to logits, `onnx` a graph of
    the same kind in a file; each is None where there is none. `use` replaces how the model runs.
    """

    classes: ClassList
    view: View
    network: Any = None
    onnx: Graph | None = None

    def __init__(
        self, name: str, run: Run, classes: ClassList, view: View, *, runtime: str, contaminated: Contaminated
    ) -> None:
        self.name = name
        self.classes = classes
        self.view = view
        self.contaminated = contaminated
        self.use(run, runtime)

    def use(self, run: Run, runtime: str, precision: str = "fp32") -> None:
        """Run it in this way from now on; `runtime` and `precision` name the way in results."""
        self._run = run
        self.runtime = runtime
        self.precision = precision

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> NDArray[np.float32]:
        """Logits float32 [n, K]; raises BadInput where the model gives another number of rows or classes."""
        shape = (len(pictures), len(self.classes))
        logits = np.empty(shape, dtype=np.float32)
        done = 0
        for found in self.run((batch.images for batch in pictures.batches(self.view, batch_size)), self.view):
            if done + len(found) > shape[0]:
                raise BadInput(f"gives more rows of scores than the {shape[0]} pictures", where=self.name)
            logits[done : done + len(found)] = found
            done += len(found)
            progress("predicting", done, shape[0], "images")
        if done != shape[0]:
            raise BadInput(f"gives {done} rows of scores for {shape[0]} pictures", where=self.name)
        return logits

    def run(self, batches: Iterator[NDArray[np.uint8]], view: View) -> Iterator[NDArray[Any]]:
        """Logits [n, K] of batches of pixels, a part at a time.

        Raises BadInput where they are not of K classes, WorkFailed where the model fails, with its reason and line.
        """
        for found in self._named(self._run(batches, view)):
            if found.ndim != 2 or found.shape[1] != len(self.classes):
                raise BadInput(
                    f"gives scores {list(found.shape)}, not one row a picture of {len(self.classes)} classes",
                    where=self.name,
                    fix="The model's classes must be stated, in its order",
                )
            yield found

    def _named(self, found: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        try:
            yield from found
        except (BadInput, WorkFailed, OSError):
            raise
        except Exception as error:  # models raise what they like
            line = traceback.extract_tb(error.__traceback__)[-1]
            reason = " ".join(str(error).split())[:200]
            raise WorkFailed(
                f"{self.name}: fails on pictures of {self.view.crop_px} px, run by {self.runtime} "
                f"({type(error).__name__}: {reason}; {Path(line.filename).name}, line {line.lineno})"
            ) from error

    def save(self, folder: Path) -> None:
        """Raises BadInput: a model from elsewhere is kept where it is."""
        raise BadInput(
            "was not fitted here, so there is nothing to save", where=self.name, fix="Name it when it is used"
        )


def contamination(fitted: Fitted) -> Contaminated:
    """What a fitted system says of itself, else the worst that its members say, else `no`: it saw its own set only."""
    own = getattr(fitted, "contaminated", None)
    said = {own} if own else {contamination(member) for member in getattr(fitted, "members", ())}
    return next((word for word in ("likely", "unknown") if word in said), "no")


def of_network(
    name: str, network: Any, classes: ClassList, view: View, *, device: str = "cpu", contaminated: Contaminated
) -> OpenModel:
    """A torch network as a model, run by torch on `device`."""
    network = network.eval().requires_grad_(False)
    model = OpenModel(name, torch_run(network, device), classes, view, runtime="torch", contaminated=contaminated)
    model.network = network
    return model


def own_model(model: Any, name: str, classes: ClassList | None, view: View | None, *, device: str = "cpu") -> OpenModel:
    """A torch module, or a callable from uint8 [n, h, w, 3] to logits, as a model; raises BadInput for anything else.

    Where it states no classes they are the 1,000 ILSVRC classes; where no view, IMAGENET.
    """
    from topfive.taxonomy import ilsvrc_classes

    classes, view = classes or ilsvrc_classes(), view or IMAGENET
    if is_module(model):
        return of_network(name, model, classes, view, device=device, contaminated="unknown")
    if not callable(model):
        raise BadInput(f"is a {type(model).__name__}", where=name, fix="Give a torch module or a callable")

    def run(batches: Iterator[NDArray[np.uint8]], _: View) -> Iterator[NDArray[Any]]:
        for images in batches:
            yield np.asarray(model(images))

    return OpenModel(name, run, classes, view, runtime="python", contaminated="unknown")


def torch_run(network: Any, device: str) -> Run:
    """A network in evaluation mode as a `run`: channels-last, freed memory kept, always the same number of pictures."""
    import torch

    from topfive.systems._memory import keep_freed_memory
    from topfive.systems.engine.fitted import slice_scores

    keep_freed_memory()
    try:
        place = torch.device(device)
        network = network.to(place, memory_format=torch.channels_last)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        raise BadInput(f"cannot be used ({error})", where=f"device {device}", fix="Use cpu") from error

    def run(batches: Iterator[NDArray[np.uint8]], view: View) -> Iterator[NDArray[np.float32]]:
        return slice_scores(network, batches, view, place, _SLICE)

    return run


def is_module(value: object) -> bool:
    """Whether it is a torch module, without importing torch for those that are not."""
    return any(
        kind.__module__ == "torch.nn.modules.module" and kind.__name__ == "Module" for kind in type(value).__mro__
    )


def needs(*packages: str) -> None:
    """Raise BadInput naming the packages among these that are not installed."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        extra = "onnx" if "onnxruntime" in packages else "clip" if "open_clip" in packages else "models"
        raise BadInput(f"needs {', '.join(missing)}", where="models", fix=f"pip install 'topfive[{extra}]'")
