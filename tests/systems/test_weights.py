"""Files of weights: what they are is told by their bytes, and nothing in them is ever run."""

from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import save_file  # noqa: E402

from topfive.records import BadInput, ClassList, View  # noqa: E402
from topfive.systems.weights.content import MAX_HEADER, content_of  # noqa: E402
from topfive.systems.weights.filling import fill  # noqa: E402
from topfive.systems.weights.library_caches import from_hub, from_url  # noqa: E402
from topfive.systems.weights.reading import read_weights  # noqa: E402
from topfive.systems.weights.stated import Stated, statement  # noqa: E402


class Planted:
    """A pickle of this makes a file when it is opened."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def tensors() -> dict[str, Any]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1.0, -1.0])}


def network() -> Any:
    return torch.nn.Linear(3, 2)


def by_torch(path: Path, value: Any, *, legacy: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


def renamed_members(path: Path, rename: dict[str, str], extra: dict[str, bytes] | None = None) -> None:
    """Write a checkpoint anew with some of its members under other names, and others besides."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*members, *(extra or {}).items()]:
            archive.writestr(rename.get(name, name), data)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin", ""])
def test_tensors_are_read_from_every_format_under_any_name(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    if kind == "safetensors":
        save_file(tensors(), path)
    else:
        by_torch(path, tensors(), legacy=kind == "legacy")
    assert content_of(path) == kind
    found = read_weights(path).tensors
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors().items())


@pytest.mark.parametrize("name", ["state_dict", "model", "model_ema", "state_dict_ema"])
def test_tensors_are_found_where_training_scripts_put_them(name: str, tmp_path: Path) -> None:
    value = {"epoch": 3, name: OrderedDict(tensors()), "optimizer": {"state": {}}, "args": argparse.Namespace(lr=0.1)}
    assert set(read_weights(by_torch(tmp_path / "a.pth", value)).tensors) == {"weight", "bias"}


def test_averaged_weights_come_first(tmp_path: Path) -> None:
    averaged = {name: tensor + 1 for name, tensor in tensors().items()}
    path = by_torch(tmp_path / "a.pth", {"state_dict": tensors(), "state_dict_ema": averaged})
    assert torch.equal(read_weights(path).tensors["bias"], averaged["bias"])


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model.", "_orig_mod.module."])
def test_a_prefix_of_all_names_is_taken_off(prefix: str, tmp_path: Path) -> None:
    save_file({f"{prefix}{name}": tensor for name, tensor in tensors().items()}, tmp_path / "a.safetensors")
    weights = read_weights(tmp_path / "a.safetensors")
    assert set(weights.for_names(network().state_dict())) == {"weight", "bias"}
    assert set(weights.for_names([f"{prefix}weight"])) == {f"{prefix}weight", f"{prefix}bias"}


def test_what_is_no_prefix_of_all_stays(tmp_path: Path) -> None:
    save_file({"module.weight": torch.zeros(2, 3), "bias": torch.zeros(2)}, tmp_path / "a.safetensors")
    assert set(read_weights(tmp_path / "a.safetensors").for_names(["weight"])) == {"module.weight", "bias"}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["a.pkl", "a.pth", "a.safetensors", "a"])
def test_a_planted_command_never_runs_whatever_the_file_is_called(name: str, protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"weight": Planted(trace)}, protocol=protocol))
    with pytest.raises(BadInput, match=r"is a pickle that would call \S+ when it is opened"):
        read_weights(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "the plant is alive: it runs where the file is opened as a pickle"


@pytest.mark.parametrize("legacy", [False, True])
def test_a_planted_command_in_a_checkpoint_never_runs(legacy: bool, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = by_torch(tmp_path / "a.safetensors", {**tensors(), "more": Planted(trace)}, legacy=legacy)
    with pytest.raises(BadInput, match="would call"):
        read_weights(path)
    assert not trace.exists()


def test_a_whole_module_is_refused_by_its_name(tmp_path: Path) -> None:
    path = by_torch(tmp_path / "a.pth", network())
    with pytest.raises(BadInput, match=r"would call torch\.nn\.modules\.linear\.Linear .*Write the tensors alone"):
        read_weights(path)


def test_plain_pickles_and_programs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps({"weight": [1.0]}))
    with pytest.raises(BadInput, match="is a pickle, not a file of tensors"):
        read_weights(path)
    by_torch(path, tensors())
    renamed_members(path, {}, {"weights/code/model.py": b"import os"})
    with pytest.raises(BadInput, match="is a program of TorchScript"):
        read_weights(path)


@pytest.mark.parametrize(
    ("rename", "extra", "reason"),
    [
        ({}, {"archive/DATA.PKL": b"."}, "'archive/data.pkl' twice"),
        ({}, {"archive/other.pkl": b"."}, "no checkpoint of tensors"),
        ({"archive/data.pkl": "archive/inner/data.pkl"}, {}, "no checkpoint of tensors"),
        ({"archive/data.pkl": "archive/data.txt"}, {}, "no checkpoint of tensors"),
    ],
)
def test_archives_that_two_readers_could_read_two_ways_are_refused(
    rename: dict[str, str], extra: dict[str, bytes], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "archive.pth"
    by_torch(path, tensors())
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
    renamed_members(
        path,
        {old.replace("archive", root, 1): new.replace("archive", root, 1) for old, new in rename.items()},
        {name.replace("archive", root, 1): data for name, data in extra.items()},
    )
    with pytest.raises(BadInput, match=reason.replace("archive", root, 1)):
        read_weights(path)


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    whole = by_torch(tmp_path / "whole", tensors()).read_bytes()
    for data, reason in (
        (b"", r"is empty \(0 bytes\)"),
        (b"no tensors", "cannot be read as safetensors"),
        (b"checkpoint of mine", "cannot be read as safetensors"),
        (good[:40], "cannot be read as safetensors"),
        (good[:-4], "cannot be read as safetensors"),
        (whole[:200], "cannot be read as safetensors"),
        (b"\x80\x04garbage", "is a damaged pickle"),
        ((MAX_HEADER + 1).to_bytes(8, "little") + b"{" + bytes(MAX_HEADER + 1), "cannot be read as safetensors"),
        (good.replace(b'"F32"', b'"C64"'), "tensors of the kind C64"),
    ):
        path = tmp_path / "bad"
        path.write_bytes(data)
        with pytest.raises(BadInput, match=reason):
            read_weights(path)
    with pytest.raises(BadInput, match="gone: cannot be read"):
        read_weights(tmp_path / "gone")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    (tmp_path / "zip").write_bytes(buffer.getvalue())
    with pytest.raises(BadInput, match="is a zip archive, but no checkpoint"):
        read_weights(tmp_path / "zip")


def test_a_checkpoint_without_tensors_by_name_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no tensors by name, but epoch, steps"):
        read_weights(by_torch(tmp_path / "a.pth", {"epoch": 1, "steps": [1, 2]}))
    with pytest.raises(BadInput, match="holds a list, not tensors by name"):
        read_weights(by_torch(tmp_path / "a.pth", [torch.zeros(1)]))


def test_the_digest_in_a_name_must_be_true(tmp_path: Path) -> None:
    path = by_torch(tmp_path / "net-00000000.pth", tensors())
    with pytest.raises(BadInput, match="is damaged: its SHA-256 begins with"):
        read_weights(path, stated=True)
    assert set(read_weights(path).tensors) == {"weight", "bias"}


def test_what_a_file_states_is_read_beside_its_tensors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    three = ClassList(("a", "b", "c"), ("1", "2", "3"))
    save_file(tensors(), path, metadata=statement(three, View(8, 8)))
    assert read_weights(path).stated == Stated(three, View(8, 8))
    save_file(tensors(), path, metadata=statement(three, View(8, 8)) | {"classes": "a\nc\nb"})
    with pytest.raises(BadInput, match="that are not those it was written with"):
        read_weights(path)
    save_file(tensors(), path)
    assert read_weights(path).stated == Stated()
    assert read_weights(by_torch(tmp_path / "a.pth", tensors())).stated == Stated()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"weight": None, "bias": None}, r"lacks 2 tensors \('weight', 'bias'\)"),
        ({"bias": None, "b": torch.zeros(2)}, r"lacks the tensor 'bias'. It holds a tensor 'b' instead"),
        ({"c": torch.zeros(1), "d": torch.zeros(1)}, r"holds 2 tensors \('c', 'd'\) that no layer takes"),
        ({"weight": torch.zeros(3, 3), "bias": torch.zeros(3)}, r"is for 3 classes \(a background class besides\?\)"),
        ({"weight": torch.zeros(7, 3), "bias": torch.zeros(7)}, r"is for 7 classes, not 2: 'weight' is of shape"),
        ({"weight": torch.zeros(2, 5)}, r"has 'weight' of shape \[2, 5\], not \[2, 3\]"),
        ({"weight": torch.zeros(2, 5), "bias": torch.zeros(3)}, "has 2 tensors of other shapes"),
        ({"bias": torch.tensor([1.0, torch.inf])}, "not finite"),
        ({"bias": torch.tensor([1, 2])}, r"has 'bias' of torch\.int64"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(changed: dict[str, Any], reason: str) -> None:
    given = {name: tensor for name, tensor in (tensors() | changed).items() if tensor is not None}
    empty = network()
    before = empty.weight.clone()
    with pytest.raises(BadInput, match=reason):
        fill(empty, given, Path("file"))
    assert torch.equal(empty.weight, before)


def test_half_precision_and_files_without_counters_fit() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    given = {name: tensor.half() for name, tensor in layers.state_dict().items() if "num_batches" not in name}
    fill(layers, given, Path("file"))
    assert {parameter.dtype for parameter in layers.parameters()} == {torch.float32}
    assert int(layers[1].num_batches_tracked) == 0


def test_caches_of_the_libraries_are_asked_and_nothing_is_fetched(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    assert from_url("https://example.org/models/net-01234567.pth?x=1", cache=tmp_path) is None
    (tmp_path / "net-01234567.pth").write_bytes(b"")
    assert from_url("https://example.org/models/net-01234567.pth?x=1", cache=tmp_path) == tmp_path / "net-01234567.pth"
    assert from_hub("timm/none", ["model.safetensors"], cache=tmp_path) is None
    folder = tmp_path / "models--timm--some"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "b.bin").write_bytes(b"")
    found = from_hub("timm/some", ["a.safetensors", "b.bin"], cache=tmp_path)
    assert found is not None and found.name == "b.bin"
