"""Graphs in ONNX files, run by ONNX Runtime; the file says which pictures it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, View
from topfive.systems.models.model import IMAGENET, OpenModel, Run, needs
from topfive.systems.runtimes.runtime import cores
from topfive.systems.runtimes.slices import normal, slices
from topfive.systems.weights.onnx_file import Graph, data_files
from topfive.systems.weights.stated import read_statement

if TYPE_CHECKING:
    from topfive.systems.models.opening import Asked

ACCEPTED = "onnx:FILE"
ORDER = 5
WEIGHTS = False
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
_TOGETHER = 8
"""Pictures at a time where the graph takes any number: more are no faster on two cores."""


@dataclass(frozen=True)
class Input:
    """A graph's input: uint8 pixels as they are, or floats normalised by the View; None for what any size fits."""

    name: str
    dtype: Any
    channels_last: bool
    size_px: int | None
    n: int | None


def opens(spec: str) -> bool:
    """Begins with onnx:"""
    return spec.startswith("onnx:")


def open(spec: str, asked: Asked) -> OpenModel:
    """Size, layout and type are the file's; so are classes and View where it states them, as `topfive export` does."""
    needs("onnx", "onnxruntime")
    path = Path(spec.removeprefix("onnx:"))
    data = data_files(path)
    session = _session(path)
    found = _input(session, path)
    outputs = _outputs(session, path)
    about = session.get_modelmeta().custom_metadata_map
    stated = read_statement(about, path, n=outputs[0][1] if len(outputs) == 1 else None)
    classes = stated.settle(asked.classes, path)
    output = _scores(outputs, len(classes), path)
    view = _view(asked.view or stated.view, found, path)
    model = OpenModel(spec, _run(session, found, output), classes, view, runtime="onnxruntime", contaminated="unknown")
    if found.dtype == np.float32 and not found.channels_last:
        model.onnx = Graph(path, output, found.n, data)
    return model


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.log_severity_level = 3  # errors: its warnings are about the graph, not about the answer
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no class but Exception
        raise BadInput(f"cannot be run ({str(error).strip()[:200]})", where=path) from error


def _input(session: Any, path: Path) -> Input:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise BadInput(f"takes {len(inputs)} inputs ({', '.join(i.name for i in inputs)}), not pictures", where=path)
    (taken,) = inputs
    shape = [side if isinstance(side, int) and side > 0 else None for side in taken.shape]
    said = f"{taken.name} {taken.type} {taken.shape}"
    if taken.type not in _DTYPES:
        raise BadInput(f"takes {said}, and pictures are {', '.join(_DTYPES)}", where=path)
    if len(shape) != 4 or (3 not in (shape[1], shape[3])):
        raise BadInput(f"takes {said}, not [n, 3, side, side] or [n, side, side, 3]", where=path)
    channels_last = shape[1] != 3
    sides = shape[1:3] if channels_last else shape[2:]
    if len({side for side in sides if side is not None}) > 1:
        raise BadInput(f"takes {said}, and a View's crop is square", where=path)
    return Input(taken.name, _DTYPES[taken.type], channels_last, sides[0] or sides[1], shape[0])


def _view(view: View | None, found: Input, path: Path) -> View:
    """The View that is asked for, else ImageNet's at the graph's own size (the crop is 7/8 of the short side)."""
    if view is None:
        side = found.size_px or IMAGENET.crop_px
        return View(round(side * 8 / 7), side, IMAGENET.interpolation, mean=IMAGENET.mean, std=IMAGENET.std)
    if found.size_px not in (None, view.crop_px):
        raise BadInput(f"takes pictures of {found.size_px} px, and the View shows {view.crop_px} px", where=path)
    return view


def _outputs(session: Any, path: Path) -> list[tuple[str, int | None]]:
    """Name and number of scores of every output [n, scores], None for any number."""
    outputs = [output for output in session.get_outputs() if len(output.shape) == 2]
    if not outputs:
        said = ", ".join(f"{output.name} {output.shape}" for output in session.get_outputs())
        raise BadInput(f"gives {said}, no scores [n, classes]", where=path)
    return [(output.name, output.shape[1] if isinstance(output.shape[1], int) else None) for output in outputs]


def _scores(outputs: list[tuple[str, int | None]], n: int, path: Path) -> str:
    """The first output of n scores, else the first of any number."""
    fitting = [name for name, size in outputs if size == n] + [name for name, size in outputs if size is None]
    if fitting:
        return fitting[0]
    size = outputs[0][1]
    background = " (a background class besides?)" if size == n + 1 else ""
    raise BadInput(f"is for {size} classes{background}, not {n}", where=path, fix="State them: --classes FILE")


def _run(session: Any, taken: Input, output: str) -> Run:
    def shown(images: NDArray[np.uint8], view: View) -> NDArray[Any]:
        pixels: NDArray[Any] = images
        if taken.dtype != np.uint8:
            scale, shift = normal(view)
            pixels = (images * scale + shift).astype(taken.dtype)
        return np.ascontiguousarray(pixels if taken.channels_last else pixels.transpose(0, 3, 1, 2))

    def run(batches: Iterator[NDArray[np.uint8]], view: View) -> Iterator[NDArray[Any]]:
        for images, n in slices(batches, taken.n or _TOGETHER):
            yield session.run([output], {taken.name: shown(images, view)})[0][:n]

    return run
