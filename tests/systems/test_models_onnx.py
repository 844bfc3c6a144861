"""ONNX files as models: any layout and type of picture, one class list, no data from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from topfive.records import BadInput, ClassList, View  # noqa: E402
from topfive.systems.models import OpenModel, open_model  # noqa: E402

THREE = ClassList(("r", "g", "b"), ("r", "g", "b"))
VIEW = View(8, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
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
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("pixels", TYPES[kind], shape), *more.get("inputs", [])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, more.get("out", [shape[0], 3]))],
        [numpy_helper.from_array(np.array(axes, dtype=np.int64), "axes"), zero],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    for key, value in more.get("about", {}).items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


def images(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)


def opened(path: Path, **options: Any) -> OpenModel:
    model = open_model(f"onnx:{path}", classes=options.pop("classes", THREE), **options)
    assert isinstance(model, OpenModel)
    return model


@pytest.mark.parametrize(
    "shape", [["n", 3, 8, 8], [1, 3, 8, 8], [4, 3, 8, 8], ["n", 8, 8, 3], [4, 8, 8, 3], ["n", 3, "h", "w"]]
)
@pytest.mark.parametrize("kind", ["float", "float16", "uint8"])
def test_every_layout_type_and_batch_gives_the_same(shape: list[Any], kind: str, tmp_path: Path) -> None:
    model = opened(written(tmp_path / "a.onnx", shape, kind), view=VIEW)
    given = images(11)
    batches: Iterator[NDArray[np.uint8]] = iter([given[:6], given[6:]])
    found = np.concatenate(list(model.run(batches, VIEW)))
    means = given.mean(axis=(1, 2))
    expected = means if kind == "uint8" else (means / 255 - VIEW.mean) / VIEW.std
    np.testing.assert_allclose(found, expected, atol=2e-2 if kind == "float16" else 1e-4)
    plain = kind == "float" and shape[1] == 3
    assert model.onnx == (tmp_path / "a.onnx" if plain else None)
    assert (model.network, model.runtime) == (None, "onnxruntime")


def test_the_size_is_the_files_and_the_view_must_fit_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ["n", 3, 8, 8])
    assert (opened(path).view.crop_px, opened(path).view.resize_px) == (8, 9)
    with pytest.raises(BadInput, match="takes pictures of 8 px, and the View shows 16 px"):
        opened(path, view=View(16, 16))
    free = written(tmp_path / "b.onnx", ["n", 3, "h", "w"])
    assert opened(free).view == View(256, 224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    ("shape", "more", "reason"),
    [
        (["n", 3, 8, 9], {}, "and a View's crop is square"),
        (["n", 8, 8, 1], {}, r"not \[n, 3, side, side\] or \[n, side, side, 3\]"),
        (["n", 3, 8, 8], {"inputs": [helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])]}, "takes 2 inputs"),
        (["n", 3, 8, 8], {"about": {"classes": "g\nr\nb"}}, "has its classes in another order: g at 0, not r"),
    ],
)
def test_graphs_that_take_no_pictures_are_refused(
    shape: list[Any], more: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=reason):
        opened(written(tmp_path / "a.onnx", shape, **more))


def test_another_number_of_classes_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ["n", 3, 8, 8])
    with pytest.raises(BadInput, match="is for 3 classes, not 1000"):
        open_model(f"onnx:{path}")
    with pytest.raises(BadInput, match=r"is for 3 classes \(a background class besides\?\), not 2"):
        opened(path, classes=ClassList(("a", "b"), ("a", "b")))


@pytest.mark.parametrize("place", ["../outside.bin", "/etc/hostname", "inner/../../outside.bin", "gone.bin"])
def test_data_outside_its_own_folder_is_refused_unopened(place: str, tmp_path: Path) -> None:
    (tmp_path / "outside.bin").write_bytes(np.zeros(3, dtype=np.float32).tobytes())
    (tmp_path / "model").mkdir()
    path = written(tmp_path / "model" / "a.onnx", ["n", 3, 8, 8], location=place)
    with pytest.raises(BadInput, match=r"keeps the tensor 'zero' in .*, which is no file beside it"):
        opened(path)


def test_data_beside_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(np.full(3, 2.0, dtype=np.float32).tobytes())
    model = opened(written(tmp_path / "a.onnx", ["n", 3, 8, 8], "uint8", location="weights.bin"), view=VIEW)
    (found,) = model.run(iter([images(2)]), VIEW)
    np.testing.assert_allclose(found, images(2).mean(axis=(1, 2)) + 2, atol=1e-4)


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.bin").write_bytes(bytes(12))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").symlink_to(tmp_path / "outside.bin")
    with pytest.raises(BadInput, match="no file beside it"):
        opened(written(tmp_path / "model" / "a.onnx", ["n", 3, 8, 8], location="weights.bin"))


@pytest.mark.parametrize("data", [b"", b"no graph", b"\x80\x04\x95garbage"])
def test_what_is_no_graph_is_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(BadInput, match=r"a\.onnx: cannot be read as ONNX"):
        opened(tmp_path / "a.onnx")
    with pytest.raises(BadInput, match="cannot be read as ONNX"):
        opened(tmp_path / "gone.onnx")
