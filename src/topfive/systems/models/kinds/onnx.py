"""Graphs in ONNX files, run by ONNX Runtime; the file says which pictures it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, ClassList, View
from topfive.systems.models.model import IMAGENET, OpenModel, Run, needs
from topfive.taxonomy import ilsvrc_classes

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
    """Size, layout, type and classes must fit what the file says; mean and deviation are the View's."""
    needs("onnx", "onnxruntime")
    path = Path(spec.removeprefix("onnx:"))
    check_file(path)
    session = _session(path)
    found = _input(session, path)
    view = _view(asked.view, found, path)
    output, n_classes = _output(session, path)
    classes = _classes(session, asked.classes, n_classes, path)
    model = OpenModel(spec, _run(session, found, output), classes, view, runtime="onnxruntime", contaminated="unknown")
    if found.dtype == np.float32 and not found.channels_last:
        model.onnx = path
    return model


def check_file(path: Path) -> None:
    """Raise BadInput for a file that is no ONNX graph, or keeps tensors in files outside its own folder."""
    import onnx

    try:
        graph = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's errors, which are in no public module of onnx, and the file system's
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"cannot be read as ONNX ({reason[:200]})", where=path, fix="Name an .onnx file") from error
    if not graph.graph.output:
        raise BadInput("cannot be read as ONNX (it has no graph)", where=path, fix="Name an .onnx file")
    folder = path.resolve().parent
    for tensor in _tensors(graph):
        for entry in tensor.external_data:
            place = (folder / entry.value).resolve()
            if entry.key == "location" and (not place.is_relative_to(folder) or not place.is_file()):
                raise BadInput(
                    f"keeps the tensor {tensor.name!r} in {entry.value!r}, which is no file beside it",
                    where=path,
                    fix="Put the file with the data into the folder of the graph",
                )


def _tensors(message: Any) -> Iterator[Any]:
    """Every TensorProto at any depth: initialisers, constants, those of functions and of inner graphs."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in value if field.is_repeated else [value]:
            if field.message_type.full_name == "onnx.TensorProto":
                yield inner
            else:
                yield from _tensors(inner)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
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


def _output(session: Any, path: Path) -> tuple[str, int | None]:
    outputs = [output for output in session.get_outputs() if len(output.shape) == 2]
    if not outputs:
        said = ", ".join(f"{output.name} {output.shape}" for output in session.get_outputs())
        raise BadInput(f"gives {said}, no scores [n, classes]", where=path)
    n = outputs[0].shape[1]
    return outputs[0].name, n if isinstance(n, int) else None


def _classes(session: Any, asked: ClassList | None, n: int | None, path: Path) -> ClassList:
    """The classes asked for, else ILSVRC's; a file that states its own in its metadata is held to them."""
    classes = asked or ilsvrc_classes()
    if n is not None and n != len(classes):
        background = " (a background class besides?)" if n == len(classes) + 1 else ""
        raise BadInput(f"is for {n} classes{background}, not {len(classes)}", where=path, fix="State its classes")
    stated = session.get_modelmeta().custom_metadata_map.get("classes", "")
    mine = tuple(stated.split("\n"))
    if stated and len(mine) == len(classes) and mine != classes.wnids:
        place = next(i for i, pair in enumerate(zip(mine, classes.wnids, strict=True)) if pair[0] != pair[1])
        raise BadInput(
            f"has its classes in another order: {mine[place]} at {place}, not {classes.wnids[place]}",
            where=path,
            fix="Give the classes in the order of the file",
        )
    return classes


def _run(session: Any, taken: Input, output: str) -> Run:
    n = taken.n or _TOGETHER

    def shown(images: NDArray[np.uint8], view: View) -> NDArray[Any]:
        if taken.dtype != np.uint8:
            scale = (1 / 255 / np.array(view.std)).astype(np.float32)
            shift = (np.array(view.mean) / np.array(view.std)).astype(np.float32)
            pixels = (images * scale - shift).astype(taken.dtype)
        else:
            pixels = images
        return pixels if taken.channels_last else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))

    def run(batches: Iterator[NDArray[np.uint8]], view: View) -> Iterator[NDArray[Any]]:
        for images in batches:
            for start in range(0, len(images), n):
                part = images[start : start + n]
                if len(part) < n and taken.n is not None:
                    # A graph for exactly n pictures gets repeats of the last; their scores are cut off.
                    whole = np.concatenate([part, np.repeat(part[-1:], n - len(part), axis=0)])
                    yield session.run([output], {taken.name: shown(whole, view)})[0][: len(part)]
                else:
                    yield session.run([output], {taken.name: shown(part, view)})[0]

    return run
