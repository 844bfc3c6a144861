"""ONNX files as files: what of them is run, which others hold their tensors, and what is stated in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topfive.records import BadInput, ClassList, View, digest_json, unreadable
from topfive.systems.weights.stated import statement


@dataclass(frozen=True)
class Graph:
    """A graph from float32 [n, 3, side, side] to the scores `output`; `n` is None where it takes any number.

    `data` are the files beside it that hold its tensors.
    """

    path: Path
    output: str
    n: int | None = None
    data: tuple[Path, ...] = ()

    @property
    def digest(self) -> str:
        """Digest of all its files, and of which output is read."""
        states = []
        for path in (self.path, *self.data):
            with path.open("rb") as file:
                states.append(hashlib.file_digest(file, "sha256").hexdigest())
        return digest_json([*states, self.output])


def data_files(path: Path) -> tuple[Path, ...]:
    """The files beside a graph that hold its tensors, each once.

    Raises BadInput for a file that is no ONNX graph, or keeps tensors in files outside its own folder.
    """
    import onnx

    try:
        graph = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise unreadable("ONNX", path, error, fix="Name an .onnx file") from error
    except Exception as error:  # protobuf's errors, which are in no public module of onnx
        raise BadInput(f"cannot be read as ONNX ({str(error)[:200]})", where=path, fix="Name an .onnx file") from error
    if not graph.graph.output:
        raise BadInput("cannot be read as ONNX (it has no graph)", where=path, fix="Name an .onnx file")
    folder = path.resolve().parent
    found = dict[Path, None]()
    for tensor in _tensors(graph):
        for entry in tensor.external_data:
            if entry.key != "location":
                continue
            place = (folder / entry.value).resolve()
            if not place.is_relative_to(folder) or not place.is_file():
                raise BadInput(
                    f"keeps the tensor {tensor.name!r} in {entry.value!r}, which is no file beside it",
                    where=path,
                    fix="Put the file with the data into the folder of the graph",
                )
            found[place] = None
    return tuple(found)


def write_statement(path: Path, classes: ClassList, view: View) -> None:
    """State a graph's classes, in the order of its scores, and its View in the metadata of its file."""
    import onnx

    graph = onnx.load(str(path))
    onnx.helper.set_model_props(graph, statement(classes, view))
    onnx.save(graph, str(path))


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
