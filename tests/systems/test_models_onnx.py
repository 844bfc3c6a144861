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

from onnx import TensorProto, helper  # noqa: E402

from topfive.records import BadInput, ClassList, View  # noqa: E402
from topfive.systems import runtimes  # noqa: E402
from topfive.systems.models import OpenModel, open_model  # noqa: E402
from topfive.systems.weights.onnx_file import Graph, write_statement  # noqa: E402
from topfive.systems.weights.stated import statement  # noqa: E402
from topfive.taxonomy import ilsvrc_classes  # noqa: E402
from toy.graphs import written  # noqa: E402

THREE = ClassList(("r", "g", "b"), ("r", "g", "b"))
VIEW = View(8, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def images(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)


def normalised_means(given: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray((given.mean(axis=(1, 2)) / 255 - VIEW.mean) / VIEW.std)


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
    expected = given.mean(axis=(1, 2)) if kind == "uint8" else normalised_means(given)
    np.testing.assert_allclose(found, expected, atol=2e-2 if kind == "float16" else 1e-4)
    plain = kind == "float" and shape[1] == 3
    n = shape[0] if isinstance(shape[0], int) else None
    assert model.onnx == (Graph(tmp_path / "a.onnx", "logits", n) if plain else None)
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
    with pytest.raises(BadInput, match=r"gone\.onnx: there is no such file. Name an \.onnx file"):
        opened(tmp_path / "gone.onnx")
    with pytest.raises(BadInput, match="is a folder, and ONNX is wanted here"):
        opened(tmp_path)


@pytest.mark.parametrize("shape", [["n", 3, 8, 8], [1, 3, 8, 8], [4, 3, 8, 8], ["n", 3, "h", "w"], [-1, 3, 8, 8]])
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_each_runtime_of_files_gives_the_same_in_any_batches(name: str, shape: list[Any], tmp_path: Path) -> None:
    model = opened(written(tmp_path / "a.onnx", shape), view=VIEW)
    work = runtimes.Work(None, model.onnx, VIEW, threads=2)
    if reason := runtimes.refusal(name, work, "fp32"):
        pytest.skip(f"{name} {reason}")
    run = runtimes.get(name).build(work, "fp32")
    given = images(11)
    for batches in ([given], [given[:6], given[6:7], given[7:]], list(np.split(given, 11))):
        np.testing.assert_allclose(np.concatenate(list(run(iter(batches), VIEW))), normalised_means(given), atol=1e-4)
    assert list(run(iter([]), VIEW)) == []


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_of_several_outputs_every_runtime_reads_the_one_of_the_classes(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ["n", 3, 8, 8], features=5)
    model = opened(path, view=VIEW)
    assert model.onnx == Graph(path, "logits")
    work = runtimes.Work(None, model.onnx, VIEW)
    if reason := runtimes.refusal(name, work, "fp32"):
        pytest.skip(f"{name} {reason}")
    for run in (model.run, runtimes.get(name).build(work, "fp32")):
        found = np.concatenate(list(run(iter([images(3)]), VIEW)))
        np.testing.assert_allclose(found, normalised_means(images(3)), atol=1e-4)
    with pytest.raises(BadInput, match=r"is for 5 classes, not 7. State them: --classes FILE"):
        opened(path, classes=ClassList(tuple("abcdefg"), tuple("abcdefg")))


def test_only_runtimes_of_files_run_files(tmp_path: Path) -> None:
    model = opened(written(tmp_path / "a.onnx", ["n", 3, 8, 8]), view=VIEW)
    work = runtimes.Work(None, model.onnx, VIEW)
    for name in ("torch", "torch-compile"):
        with pytest.raises(BadInput, match=rf"runtime {name}: .* not ONNX files. Use --runtime auto"):
            runtimes.choose(work, "fp32", name, n=1)
    assert runtimes.choose(work, "fp32", n=3).name == "onnxruntime"


def test_a_file_states_its_classes_and_view_and_needs_neither(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ["n", 3, 8, 8])
    classes = ClassList(("n01440764", "n01443537", "n01484850"), ("tench", "goldfish", "great white shark"))
    write_statement(path, classes, VIEW)
    model = open_model(f"onnx:{path}")
    assert (model.classes, model.view) == (classes, VIEW)
    assert open_model(f"onnx:{path}", view=View(9, 8)).view == View(9, 8)
    (found,) = model.run(iter([images(3)]), model.view)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, normalised_means(images(3)), atol=1e-4)
    other = ClassList(tuple(reversed(classes.wnids)), tuple(reversed(classes.names)))
    with pytest.raises(
        BadInput, match=r"has its classes in another order: n01440764 at 0, not n01484850\. Name no class"
    ):
        opened(path, classes=other)
    with pytest.raises(BadInput, match="has learnt 3 classes, not 1000"):
        opened(path, classes=ilsvrc_classes())


def test_a_statement_that_does_not_fit_the_graph_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ["n", 3, 8, 8], about=statement(ClassList(("a", "b"), ("a", "b")), VIEW))
    with pytest.raises(BadInput, match="states 2 classes and gives 3 scores"):
        open_model(f"onnx:{path}")
    written(path, ["n", 3, 8, 8], about=statement(THREE, VIEW) | {"classes": "g\nr\nb"})
    with pytest.raises(BadInput, match="that are not those it was written with"):
        open_model(f"onnx:{path}")
    written(path, ["n", 3, 8, 8], about=statement(THREE, View(20, 16)))
    with pytest.raises(BadInput, match="takes pictures of 8 px, and the View shows 16 px"):
        open_model(f"onnx:{path}")


def test_the_files_beside_a_graph_are_part_of_what_it_is(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ["n", 3, 8, 8], location="weights.bin")
    digests = []
    for value in (1.0, 2.0):
        (tmp_path / "weights.bin").write_bytes(np.full(3, value, dtype=np.float32).tobytes())
        graph = opened(path, view=VIEW).onnx
        assert graph is not None
        assert graph.data == (tmp_path / "weights.bin",)
        digests.append(graph.digest)
        for name in ("onnxruntime", "openvino"):
            work = runtimes.Work(None, graph, VIEW)
            if not runtimes.refusal(name, work, "fp32"):
                (found,) = runtimes.get(name).build(work, "fp32")(iter([images(1)]), VIEW)
                np.testing.assert_allclose(found, normalised_means(images(1)) + value, atol=1e-4)
    assert digests[0] != digests[1]
