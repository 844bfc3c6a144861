"""A small ONNX graph by hand: the mean of each channel, three classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def written(path: Path, shape: list[Any], kind: str = "float", **more: Any) -> Path:
    """A graph from pictures to the mean of each channel, three classes."""
    axes = [2, 3] if shape[1] == 3 else [1, 2]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("Add", ["means", "zero"], ["logits"]),
    ]
    zero = numpy_helper.from_array(np.zeros(3, dtype=np.float32), "zero")
    if "location" in more:
        zero = TensorProto(name="zero", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
        zero.external_data.add(key="location", value=more["location"])
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, more.get("out", [shape[0], 3]))]
    if "features" in more:  # a second output of that many numbers, the first of the two
        nodes.append(helper.make_node("Gather", ["logits", "chosen"], ["features"], axis=1))
        outputs.insert(0, helper.make_tensor_value_info("features", TensorProto.FLOAT, [shape[0], more["features"]]))
    chosen = numpy_helper.from_array(np.arange(more.get("features", 1)) % 3, "chosen")
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("pixels", TYPES[kind], shape), *more.get("inputs", [])],
        outputs,
        [numpy_helper.from_array(np.array(axes, dtype=np.int64), "axes"), zero, chosen],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    for key, value in more.get("about", {}).items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path
