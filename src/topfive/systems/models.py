"""Models by name: a run folder, real ImageNet weights, a timm network with a file of weights, a function of yours."""

from __future__ import annotations

import difflib
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, ClassList, Progress, View, silent
from topfive.systems.predict import load_fitted
from topfive.systems.system import Fitted
from topfive.taxonomy import ilsvrc_classes

Contaminated = Literal["likely", "no", "unknown"]
Run = Callable[[Iterator[NDArray[np.uint8]], View], Iterable[NDArray[Any]]]

_LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
_SLICE = 16
"""Pictures that a network of full size sees at once: 64 are no faster, take more memory, and fill up small sets."""
_ACCEPTED = (
    f"a run folder, {', '.join(_LITES)}, timm:NAME with weights FILE.safetensors, open_clip:NAME/TAG, "
    "py:FILE.py:build. Not yet: torchvision:, onnx:"
)
_IMAGENET = View(256, 224, "bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class OpenModel:
    """A model from elsewhere: `run` takes uint8 batches and the view, and yields logits in the same order.

    `contaminated` says whether real ImageNet pictures were probably among those it has learnt from.
    """

    classes: ClassList
    view: View

    def __init__(
        self, name: str, run: Run, classes: ClassList, view: View, *, runtime: str, contaminated: Contaminated
    ) -> None:
        self.name = name
        self.classes = classes
        self.view = view
        self.runtime = runtime
        self.contaminated = contaminated
        self._run = run

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> NDArray[np.float32]:
        """Logits float32 [n, K]; raises BadInput where the model gives another number of rows or classes."""
        shape = (len(pictures), len(self.classes))
        logits = np.empty(shape, dtype=np.float32)
        done = 0
        for found in self._run((batch.images for batch in pictures.batches(self.view, batch_size)), self.view):
            if found.ndim != 2 or found.shape[1] != shape[1] or done + len(found) > shape[0]:
                raise BadInput(
                    f"gives scores {list(found.shape)}, not one row a picture of {shape[1]} classes",
                    where=self.name,
                    fix="The model's classes must be stated, in its order",
                )
            logits[done : done + len(found)] = found
            done += len(found)
            progress("predicting", done, shape[0], "images")
        if done != shape[0]:
            raise BadInput(f"gives {done} rows of scores for {shape[0]} pictures", where=self.name)
        return logits

    def save(self, folder: Path) -> None:
        """Raises BadInput: a model from elsewhere is kept where it is."""
        raise BadInput(
            "was not fitted here, so there is nothing to save", where=self.name, fix="Name it when it is used"
        )


def open_model(
    spec: str,
    *,
    weights: Path | None = None,
    view: View | None = None,
    classes: ClassList | None = None,
    device: str = "cpu",
) -> Fitted:
    """Open a MODEL of the command line; raises BadInput saying what is accepted.

    `weights` is the file of a `timm:` or `open_clip:` model. `view` and `classes` replace those that the model comes
    with; where it comes with none they are the 1,000 ILSVRC classes and short side 256, crop 224, ImageNet's mean and
    deviation.
    """
    prefix, colon, rest = spec.partition(":")
    if weights is not None and prefix not in ("timm", "open_clip"):
        raise BadInput(
            "takes no file of weights", where=spec, fix="Leave it out, or name a timm:NAME or open_clip:NAME"
        )
    if spec in _LITES:
        return _open_lite(spec, view, classes, device)
    if prefix == "timm" and colon:
        return _open_timm(rest, weights, view, classes, device)
    if prefix == "open_clip" and colon:
        return _open_clip(spec, weights, view, classes, device)
    if prefix == "py" and colon:
        return _open_python(rest, view, classes, device)
    if spec and Path(spec).is_dir():
        return _open_run(Path(spec), view, classes)
    near = difflib.get_close_matches(spec, _LITES, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise BadInput("is no model that can be opened", where=spec, fix=f"{hint}Accepted: {_ACCEPTED}")


def contamination(fitted: Fitted) -> Contaminated:
    """What a fitted system says of itself, else the worst that its members say, else `no`: it saw its own set only."""
    own = getattr(fitted, "contaminated", None)
    said = {own} if own else {contamination(member) for member in getattr(fitted, "members", ())}
    return next((word for word in ("likely", "unknown") if word in said), "no")


def _open_run(folder: Path, view: View | None, classes: ClassList | None) -> Fitted:
    if view is not None or classes is not None:
        raise BadInput("has a view and classes of its own", where=folder, fix="Leave them out")
    fitted, _ = load_fitted(folder)
    setattr(fitted, "contaminated", contamination(fitted))  # noqa: B010
    return fitted


def _open_lite(name: str, view: View | None, classes: ClassList | None, device: str) -> OpenModel:
    _needs("torch", "timm")
    from topfive.systems.weights.efficientnet_lite import LITES, open_lite

    if classes is not None and classes.digest != ilsvrc_classes().digest:
        raise BadInput("has learnt the 1,000 ILSVRC classes in their own order", where=name, fix="Name no classes")
    run = torch_run(open_lite(name), device)
    return OpenModel(name, run, ilsvrc_classes(), view or LITES[name].view, runtime="torch", contaminated="likely")


def _open_timm(name: str, weights: Path | None, view: View | None, classes: ClassList | None, device: str) -> OpenModel:
    _needs("torch", "timm", "safetensors")
    import timm
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from topfive.systems.weights.filling import fill

    where = f"timm:{name}"
    if weights is None:
        raise BadInput("names no weights, and nothing is downloaded", where=where, fix="Add --weights FILE.safetensors")
    try:
        network = timm.create_model(name, pretrained=False)
    except (RuntimeError, ValueError) as error:
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        raise BadInput(
            "is no architecture of timm", where=where, fix=f"Nearest: {', '.join(near) or 'none'}"
        ) from error
    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"cannot be read as safetensors ({error})", where=weights) from error
    fill(network, tensors, weights)
    classes = classes or ilsvrc_classes()
    if network.num_classes != len(classes):
        raise BadInput(f"has {network.num_classes} outputs, not {len(classes)}", where=where, fix="State its classes")
    run = torch_run(network.eval(), device)
    return OpenModel(where, run, classes, view or _timm_view(network), runtime="torch", contaminated="unknown")


def _open_clip(spec: str, weights: Path | None, view: View | None, classes: ClassList | None, device: str) -> OpenModel:
    """An image-text model as a classifier of the classes' names, by the zero-shot protocol."""
    _needs("torch", "open_clip")
    from topfive.systems.weights.open_clip_model import open_zero_shot

    classes = classes or ilsvrc_classes()
    network, view = open_zero_shot(spec, weights, classes=classes, view=view, device=device)
    return OpenModel(spec, torch_run(network, device), classes, view, runtime="torch", contaminated="unknown")


def _timm_view(network: Any) -> View:
    """What timm's own evaluation shows the network."""
    from timm.data import resolve_data_config

    config = resolve_data_config({}, model=network)
    crop_px = int(config["input_size"][-1])
    found = View(
        math.floor(crop_px / config["crop_pct"]),
        crop_px,
        config["interpolation"],
        squash=config.get("crop_mode") == "squash",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
    found.check()
    return found


def _open_python(rest: str, view: View | None, classes: ClassList | None, device: str) -> OpenModel:
    """The file may state VIEW (a View) and CLASSES (a ClassList); what `build` returns runs as it is."""
    where = f"py:{rest}"
    file, _, name = rest.rpartition(":")
    if not Path(file).is_file() or not name:
        raise BadInput("names no file and function", where=where, fix="Write py:FILE.py:build")
    module_spec = importlib.util.spec_from_file_location("topfive_model", file)
    if module_spec is None or module_spec.loader is None:
        raise BadInput("is no Python file", where=file, fix="Write py:FILE.py:build")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
        build = getattr(module, name)
        model = build()
    except AttributeError as error:
        raise BadInput(f"failed ({error})", where=where, fix=f"Define a function {name}() in {file}") from error
    except Exception as error:
        raise BadInput(f"failed with {type(error).__name__}: {error}", where=where) from error
    view = view or getattr(module, "VIEW", None) or _IMAGENET
    classes = classes or getattr(module, "CLASSES", None) or ilsvrc_classes()
    for value, kind, what in ((view, View, "VIEW"), (classes, ClassList, "CLASSES")):
        if not isinstance(value, kind):
            raise BadInput(f"{what} is no {kind.__name__} of topfive.records", where=file)
    if _is_module(model):
        return OpenModel(where, torch_run(model.eval(), device), classes, view, runtime="torch", contaminated="unknown")
    if not callable(model):
        raise BadInput(f"returned a {type(model).__name__}", where=where, fix="Return a torch module or a callable")

    def run(batches: Iterator[NDArray[np.uint8]], _: View) -> Iterator[NDArray[Any]]:
        for images in batches:
            yield np.asarray(model(images))

    return OpenModel(where, run, classes, view, runtime="python", contaminated="unknown")


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


def _is_module(value: object) -> bool:
    """Whether it is a torch module, without importing torch for those that are not."""
    return any(
        kind.__module__ == "torch.nn.modules.module" and kind.__name__ == "Module" for kind in type(value).__mro__
    )


def _needs(*packages: str) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise BadInput(f"needs {', '.join(missing)}", where="models", fix="pip install 'topfive[models]'")
