"""OpenVINO on the CPU: a stream for each core, a picture at a time, pixels to floats in the graph.

Each stream computes a picture on one core, so logits depend neither on the number of cores nor on neighbours. The graph
comes by OpenVINO's own frontend; its `convert_model` would report to a server where someone has agreed to that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import View
from topfive.systems.runtimes.runtime import Run, Work, folded, quiet
from topfive.systems.runtimes.slices import slices

NEEDS = ("openvino",)
SETUP_S = 5.0
AGREES = {"fp32": 0.998, "bf16": 0.98}
"""Of 500 real pictures 500 and 494 (EfficientNet-Lite0)."""
_SLICE = 1
"""Pictures at a time: with one, all that passes between two layers stays near the core."""
_WAITING = 2
"""Requests a stream: one is computed while the next waits."""


def refuses(work: Work, precision: str) -> str:
    """It runs on the CPU, and bf16 needs a processor that has it."""
    if work.device != "cpu":
        return f"is set up for the CPU here, not for {work.device}"
    if precision == "bf16":
        import openvino

        able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return "" if "BF16" in able else "has no bf16 on this processor"
    return ""


def build(work: Work, precision: str) -> Run:
    """A compiled graph from uint8 [1, h, w, 3] to logits."""
    import openvino

    core = openvino.Core()
    settings = {
        "NUM_STREAMS": work.threads,
        "INFERENCE_NUM_THREADS": work.threads,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
    }
    compiled = core.compile_model(_graph(core, work), "CPU", settings)
    size = compiled.input(0).shape[0]
    named = None if work.onnx is None else work.onnx.output
    scores = next(i for i, output in enumerate(compiled.outputs) if named is None or named in output.names)
    requests = [compiled.create_infer_request() for _ in range(work.threads * _WAITING)]

    def run(batches: Iterator[NDArray[np.uint8]], view: View) -> Iterator[NDArray[np.float32]]:
        del view  # its mean and deviation are in the graph
        free = deque(requests)
        # The images of a request are held here until its answer is out: OpenVINO reads them where they lie.
        working: deque[tuple[Any, NDArray[np.uint8], int]] = deque()
        try:
            for images, n in slices(batches, size):
                if not free:
                    yield _answer(working, free, scores)
                request = free.popleft()
                pixels = np.ascontiguousarray(images)
                request.set_input_tensor(openvino.Tensor(pixels, shared_memory=True))
                request.start_async()
                working.append((request, pixels, n))
            while working:
                yield _answer(working, free, scores)
        finally:
            for request, _, _ in working:
                request.wait()

    return run


def _answer(working: deque[tuple[Any, NDArray[np.uint8], int]], free: deque[Any], scores: int) -> NDArray[np.float32]:
    request, _, n = working[0]
    request.wait()
    found = np.array(request.get_output_tensor(scores).data[:n], dtype=np.float32)
    free.append(working.popleft()[0])
    return found


def _graph(core: Any, work: Work) -> Any:
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    side = work.view.crop_px
    graph = _converted(work.network, side) if work.onnx is None else core.read_model(str(work.onnx.path))
    n = None if work.onnx is None else work.onnx.n
    graph.reshape([n or _SLICE, 3, side, side])
    steps = PrePostProcessor(graph)
    steps.input(0).tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input(0).model().set_layout(Layout("NCHW"))
    convert = steps.input(0).preprocess().convert_element_type(Type.f32)
    convert.mean([255.0 * value for value in work.view.mean]).scale([255.0 * value for value in work.view.std])
    return steps.build()


def _converted(network: Any, side: int) -> Any:
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with quiet(), torch.no_grad():
        frontend = FrontEndManager().load_by_framework("pytorch")
        plain = folded(network, side).to(memory_format=torch.contiguous_format)
        decoder = TorchScriptPythonDecoder(plain, example_input=torch.zeros(1, 3, side, side))
        return frontend.convert(frontend.load(decoder))
