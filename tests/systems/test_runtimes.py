"""Runtimes: each gives the reference's answers, is chosen by trial, and is caught where it answers otherwise."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from topfive.records import BadInput, View, WorkFailed  # noqa: E402
from topfive.systems import runtimes  # noqa: E402
from topfive.systems.runtimes.check import chance_of  # noqa: E402
from topfive.systems.runtimes.runtime import folded  # noqa: E402
from topfive.systems.runtimes.slices import normal, slices  # noqa: E402
from topfive.systems.weights.onnx_file import Graph  # noqa: E402

choosing = importlib.import_module("topfive.systems.runtimes.choose")
VIEW = View(36, 32, "bilinear", mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


def network() -> Any:
    made = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2, 1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(128, 7),
    )
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in (*made.parameters(), made[1].running_mean):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)
        made[1].running_var.copy_(torch.rand(8, generator=generator) + 0.5)
    return made.eval().requires_grad_(False)


@pytest.fixture
def work() -> runtimes.Work:
    return runtimes.Work(network(), None, VIEW, threads=1)


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (19, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def plain(work: runtimes.Work, images: np.ndarray) -> np.ndarray:
    """(x / 255 - mean) / std by NumPy in double precision, then the network, one picture at a time."""
    pixels = ((images / 255.0 - np.array(VIEW.mean)) / np.array(VIEW.std)).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        return np.concatenate([work.network(torch.from_numpy(one[None]).float()).numpy() for one in pixels])


def answers(run: Any, *batches: np.ndarray) -> np.ndarray:
    return np.concatenate(list(run(iter(batches), VIEW)))


@pytest.mark.slow
@pytest.mark.parametrize("name", runtimes.names())
def test_each_runtime_answers_as_plain_torch_in_any_batches(name: str, work: runtimes.Work, images: np.ndarray) -> None:
    reason = runtimes.refusal(name, work, "fp32")
    if reason:
        pytest.skip(f"{name} {reason}")
    run = runtimes.get(name).build(work, "fp32")
    found = answers(run, images[:7], images[7:8], images[8:])
    np.testing.assert_allclose(found, plain(work, images), atol=1e-4)
    np.testing.assert_array_equal(found, answers(run, images), err_msg="another cut into batches")
    assert list(run(iter([]), VIEW)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "torch-compile", "openvino"])
def test_bf16_is_near_and_is_not_fp32(name: str, work: runtimes.Work, images: np.ndarray) -> None:
    reason = runtimes.refusal(name, work, "bf16")
    if reason:
        pytest.skip(f"{name} {reason}")
    found = answers(runtimes.get(name).build(work, "bf16"), images)
    expected = plain(work, images)
    difference = float(np.abs(found - expected).max())
    assert 1e-6 < difference < 0.1 * float(np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", runtimes.names())
def test_two_networks_of_one_build_in_one_process_stay_two(name: str, images: np.ndarray) -> None:
    """Ten for torch-compile, which runs only 8 networks of one code object compiled."""
    made = []
    for seed in range(10 if name == "torch-compile" else 2):
        other = network()
        with torch.no_grad():
            other[5].weight.copy_(torch.randn(7, 128, generator=torch.Generator().manual_seed(seed)))
        work = runtimes.Work(other, None, VIEW, threads=1)
        if reason := runtimes.refusal(name, work, "fp32"):
            pytest.skip(f"{name} {reason}")
        made.append((work, runtimes.get(name).build(work, "fp32")))
    for work, run in [*made, made[0]]:
        np.testing.assert_allclose(answers(run, images), plain(work, images), atol=1e-3)
    if name == "torch-compile":
        from torch._dynamo.utils import counters

        assert counters["frames"]["ok"] == counters["frames"]["total"], "none was given up and run plainly"


def test_every_runtime_says_what_it_needs_and_what_it_declares() -> None:
    assert runtimes.names() == ["onnxruntime", "openvino", "torch", "torch-compile"]
    for name in runtimes.names():
        runtime = runtimes.get(name)
        assert runtime.NEEDS and runtime.SETUP_S > 0
        assert set(runtime.AGREES) <= {"fp32", "bf16"} and all(0.9 < rate < 1 for rate in runtime.AGREES.values())
        assert all(rate >= 0.998 for precision, rate in runtime.AGREES.items() if precision == "fp32")
    with pytest.raises(BadInput, match="Runtimes: auto, onnxruntime"):
        runtimes.get("tensorrt")
    with pytest.raises(BadInput):
        runtimes.get("choose")


def test_other_devices_and_precisions_are_refused_by_name(work: runtimes.Work) -> None:
    elsewhere = runtimes.Work(work.network, None, VIEW, device="cuda")
    assert "not for cuda" in runtimes.refusal("openvino", elsewhere, "fp32")
    assert runtimes.refusal("onnxruntime", work, "bf16") == "does not compute in bf16"
    assert "ONNX" in runtimes.refusal("torch", runtimes.Work(None, Graph(Path("a.onnx"), "logits"), VIEW), "fp32")
    with pytest.raises(BadInput, match="runtime onnxruntime: does not compute in bf16"):
        runtimes.choose(work, "bf16", "onnxruntime", n=1)


def test_normalisations_are_folded_only_where_that_changes_no_answer() -> None:
    right = folded(network(), 32)
    assert isinstance(right[1], torch.nn.Identity)

    class Backwards(torch.nn.Module):
        """Registered convolution first, run normalisation first."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3)
            self.norm.running_mean.copy_(torch.tensor([1.0, -2.0, 3.0]))
            self.norm.running_var.copy_(torch.tensor([0.1, 2.0, 5.0]))

        def forward(self, pixels: Any) -> Any:
            return self.conv(self.norm(pixels)).mean((2, 3))

    kept = folded(Backwards().eval(), 8)
    assert isinstance(kept.norm, torch.nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (lambda pixels: (pixels.mean((2, 3)), pixels), "gives a tuple, not logits"),
        (lambda pixels: {"logits": pixels.mean((2, 3))}, "gives a dict, not logits"),
        (lambda pixels: pixels, r"gives \[1, 3, 32, 32\], not logits"),
    ],
)
def test_a_network_that_gives_more_than_logits_is_refused_by_every_runtime(forward: Any, reason: str) -> None:
    class Several(torch.nn.Module):
        def forward(self, pixels: Any) -> Any:
            return forward(pixels)

    work = runtimes.Work(Several(), None, VIEW, threads=1)
    for asked, n in (("torch", 5), ("auto", 5), ("auto", 500)):
        with pytest.raises(BadInput, match=f"the network: {reason} .n, classes.*Let it give the logits alone"):
            runtimes.choose(work, "fp32", asked, n=n)


def test_a_network_that_wants_more_pictures_than_one_is_not_folded_and_runs(images: np.ndarray) -> None:
    class Many(torch.nn.Module):
        def forward(self, pixels: Any) -> Any:
            if len(pixels) < 2:
                raise ValueError("one picture says nothing")
            return pixels.mean((2, 3))

    work = runtimes.Work(Many(), None, VIEW, threads=1)
    found = answers(runtimes.get("torch").build(work, "fp32"), images)
    np.testing.assert_allclose(found, (images.mean(axis=(1, 2)) / 255 - VIEW.mean) / VIEW.std, atol=1e-4)


def test_scale_and_shift_are_the_views() -> None:
    scale, shift = normal(VIEW)
    np.testing.assert_allclose(255 * scale + shift, (1 - np.array(VIEW.mean)) / VIEW.std, rtol=1e-5)
    np.testing.assert_allclose(shift, [-2.0, -2.0, -2.0], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), max_size=8), st.integers(1, 5))
def test_slices_hold_every_picture_once_in_order(lengths: list[int], size: int) -> None:
    total = sum(lengths)
    every = np.arange(total, dtype=np.uint8).reshape(-1, 1, 1, 1)
    batches = np.split(every, np.cumsum(lengths)[:-1]) if lengths else []
    cut = list(slices(iter(batches), size))
    assert all(len(images) == size for images, _ in cut)
    assert [n for _, n in cut[:-1]] == [size] * (len(cut) - 1)
    found = [images[i, 0, 0, 0] for images, n in cut for i in range(n)]
    assert found == list(range(total))


def test_digest_says_the_weights_and_the_file(work: runtimes.Work, tmp_path: Path) -> None:
    assert work.digest == runtimes.Work(network(), None, VIEW).digest
    other = network()
    with torch.no_grad():
        other[0].bias[0] += 1e-6
    assert runtimes.Work(other, None, VIEW).digest != work.digest
    (tmp_path / "a.onnx").write_bytes(b"a")
    (tmp_path / "b.onnx").write_bytes(b"b")
    graphs = [Graph(tmp_path / f"{name}.onnx", "logits") for name in "ab"]
    (tmp_path / "weights.bin").write_bytes(b"1")
    graphs += [Graph(graphs[0].path, "features"), Graph(graphs[0].path, "logits", data=(tmp_path / "weights.bin",))]
    digests = {runtimes.Work(None, graph, VIEW).digest for graph in graphs}
    assert len(digests) == 4
    (tmp_path / "weights.bin").write_bytes(b"2")
    assert runtimes.Work(None, graphs[-1], VIEW).digest not in digests, "the tensors lie in that file"


class Planted:
    """A runtime that sleeps by arithmetic: `rate` pictures a second of a clock that it moves itself."""

    NEEDS = ("numpy",)
    AGREES: ClassVar = {"fp32": 0.998}

    def __init__(self, rate: float, setup_s: float, built: list[str], name: str) -> None:
        self.rate, self.SETUP_S, self.built, self.name = rate, setup_s, built, name

    def refuses(self, work: runtimes.Work, precision: str) -> str:
        return ""

    def build(self, work: runtimes.Work, precision: str) -> Any:
        self.built.append(self.name)
        if self.rate == 0:
            raise RuntimeError("cannot take this operator")

        def run(batches: Iterator[np.ndarray], view: View) -> Iterator[np.ndarray]:
            for images in batches:
                Planted.now += len(images) / self.rate
                yield np.zeros((len(images), 7), dtype=np.float32)

        return run

    now = 0.0


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Four runtimes on a clock of their own; says which were built."""
    built: list[str] = []
    those = {
        "plain": Planted(50, 0.5, built, "plain"),
        "quick": Planted(200, 5.0, built, "quick"),
        "broken": Planted(0, 6.0, built, "broken"),
        "compiled": Planted(400, 30.0, built, "compiled"),
    }
    monkeypatch.setattr(choosing, "names", lambda: sorted(those))
    monkeypatch.setattr(choosing, "get", those.__getitem__)
    monkeypatch.setattr(choosing, "refusal", lambda name, work, precision: "")
    monkeypatch.setattr(choosing, "time", SimpleNamespace(perf_counter=lambda: Planted.now))
    return built


def test_the_fastest_of_those_worth_trying_is_chosen(planted: list[str], work: runtimes.Work) -> None:
    chosen = runtimes.choose(work, "fp32", n=500)
    assert chosen.name == "quick"
    assert planted == ["plain", "quick", "broken"], "30 s of compiling do not pay for 2.5 s of work"
    assert chosen.rates["quick"] == pytest.approx(200, rel=0.05) and chosen.rates["broken"] == 0.0
    planted.clear()
    assert runtimes.choose(work, "fp32", n=50_000).name == "compiled"
    planted.clear()
    assert runtimes.choose(work, "fp32", n=20).name == "plain"
    assert planted == ["plain"], "a few pictures are done before anything is tried"


def test_trials_are_remembered_for_the_same_network_and_machine(
    planted: list[str], work: runtimes.Work, tmp_path: Path
) -> None:
    assert runtimes.choose(work, "fp32", n=500, cache=tmp_path).name == "quick"
    (file,) = tmp_path.iterdir()
    planted.clear()
    assert runtimes.choose(work, "fp32", n=500, cache=tmp_path).name == "quick"
    assert planted == ["quick"], "nothing else is built, and the broken one is not tried again"
    planted.clear()
    assert runtimes.choose(work, "fp32", n=50_000, cache=tmp_path).name == "compiled"
    assert planted == ["compiled"], "more pictures make it worth trying; the others' rates are known"
    file.write_text(json.dumps({"images_per_s": ["not", "a", "table"]}))
    assert runtimes.choose(work, "fp32", n=500, cache=tmp_path).name == "quick"
    other = network()
    with torch.no_grad():
        other[0].bias[0] += 1
    runtimes.choose(runtimes.Work(other, None, VIEW), "fp32", n=500, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "another network has a trial of its own"


def test_what_is_remembered_may_have_changed(planted: list[str], work: runtimes.Work, tmp_path: Path) -> None:
    runtimes.choose(work, "fp32", n=500, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps({"images_per_s": {"broken": 300.0, "quick": 200.0, "plain": 50.0}}))
    planted.clear()
    assert runtimes.choose(work, "fp32", n=500, cache=tmp_path).name == "quick"
    assert planted == ["broken", "quick"], "the fastest of old no longer builds, and the next does"
    file.write_text(json.dumps({"images_per_s": {"broken": 0.0, "quick": 0.0, "plain": 0.0, "compiled": 0.0}}))
    assert runtimes.choose(work, "fp32", n=500, cache=tmp_path).name == "plain", "what failed once is tried again"


def test_where_none_can_be_built_the_first_says_why(
    planted: list[str], work: runtimes.Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "names", lambda: ["broken"])
    for n in (5, 500):
        with pytest.raises(WorkFailed, match=r"runtime broken: cannot run this network \(RuntimeError: cannot take th"):
            runtimes.choose(work, "fp32", n=n)


def test_a_named_runtime_that_fails_says_so(planted: list[str], work: runtimes.Work) -> None:
    with pytest.raises(
        WorkFailed, match=r"runtime broken: cannot run this network .*this operator\). Use --runtime auto"
    ):
        runtimes.choose(work, "fp32", "broken", n=500)


def binomial_tail(k: int, n: int, p: float) -> float:
    return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.data(), st.floats(0.5, 0.999))
def test_chance_is_the_exact_binomial(n: int, data: st.DataObject, rate: float) -> None:
    k = data.draw(st.integers(0, n))
    assert chance_of(k, n, rate) == pytest.approx(binomial_tail(k, n, rate), rel=1e-6, abs=1e-12)


def logits_of(guesses: np.ndarray) -> np.ndarray:
    return np.eye(10, dtype=np.float32)[guesses]


def test_check_stops_at_the_first_number_that_is_too_unlikely() -> None:
    """Of 256 at 0.998: 4 disagreements have p = 0.0018, 5 have 0.0002, so 5 are too many (both computed by hand)."""
    assert binomial_tail(252, 256, 0.998) > 0.001 > binomial_tail(251, 256, 0.998)
    right = np.arange(256) % 10
    for wrong, stops in ((0, False), (4, False), (5, True), (256, True)):
        found = right.copy()
        found[:wrong] = (found[:wrong] + 1) % 10
        if stops:
            with pytest.raises(WorkFailed, match=rf"on {256 - wrong} of 256 .*declares 99.8 %.*--no-check"):
                runtimes.check_answers(logits_of(right), logits_of(found), rate=0.998, where="runtime x")
        else:
            agreed = runtimes.check_answers(logits_of(right), logits_of(found), rate=0.998, where="runtime x")
            assert agreed == 256 - wrong


def test_check_refuses_no_numbers_and_other_shapes() -> None:
    good = logits_of(np.zeros(3, dtype=int))
    with pytest.raises(WorkFailed, match="no numbers"):
        runtimes.check_answers(good, np.full_like(good, np.nan), rate=0.998, where="x")
    with pytest.raises(WorkFailed, match="the model gives scores that are no numbers, by the reference path too"):
        runtimes.check_answers(np.full_like(good, np.nan), np.full_like(good, np.nan), rate=0.998, where="x")
    with pytest.raises(BadInput):
        runtimes.check_answers(good, good[:, :4], rate=0.998, where="x")


def test_spread_is_the_same_pictures_in_any_order() -> None:
    ids = [f"ILSVRC2012_val_{i:08d}" for i in range(1000)]
    chosen = {ids[i] for i in runtimes.spread(ids)}
    turned = ids[::-1]
    assert len(chosen) == 256 and chosen == {turned[i] for i in runtimes.spread(turned)}
    assert list(runtimes.spread(ids[:9])) == list(range(9))
    parts = np.bincount(runtimes.spread(ids) // 250, minlength=4)
    assert parts.min() > 40, "from every part of the set"


def test_onnxruntime_and_openvino_are_here_where_they_are_installed(work: runtimes.Work) -> None:
    for name in ("openvino", "onnxruntime"):
        installed = all(importlib.util.find_spec(package) for package in runtimes.get(name).NEEDS)
        assert (runtimes.refusal(name, work, "fp32") == "") == bool(installed)
