"""ONNX Runtime on the CPU: a torch network is written as ONNX, with the normalisation in the graph; fp32 only."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import View
from topfive.systems.runtimes.runtime import Run, Work, folded, quiet
from topfive.systems.runtimes.slices import normal, slices

NEEDS = ("onnxruntime", "onnx", "onnxscript")
SETUP_S = 5.0
AGREES = {"fp32": 0.998}
"""Of 500 real pictures 500 (EfficientNet-Lite0)."""
_SLICE = 8


def refuses(work: Work, precision: str) -> str:
    """It runs on the CPU here."""
    del precision
    return "" if work.device == "cpu" else f"is set up for the CPU here, not for {work.device}"


def build(work: Work, precision: str) -> Run:
    """A session for slices of 8 pictures, or of as many as the file says."""
    del precision
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = work.threads
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    if work.network is not None:
        session = onnxruntime.InferenceSession(_written(work), options, providers=providers)
        return _run(session, session.get_outputs()[0].name, _SLICE, None)
    assert work.onnx is not None, "a network or a graph"
    session = onnxruntime.InferenceSession(str(work.onnx.path), options, providers=providers)
    return _run(session, work.onnx.output, work.onnx.n or _SLICE, normal(work.view))


def _written(work: Work) -> bytes:
    """The network as ONNX, from uint8 [8, h, w, 3] to logits."""
    import torch

    network = folded(work.network, work.view.crop_px)
    scale, shift = (torch.from_numpy(values) for values in normal(work.view))

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: Any) -> Any:
            return self.network((pixels.float() * scale + shift).permute(0, 3, 1, 2).contiguous())

    side = work.view.crop_px
    with tempfile.TemporaryDirectory() as folder, quiet(), torch.no_grad():
        path = Path(folder) / "network.onnx"
        pixels = torch.zeros((_SLICE, side, side, 3), dtype=torch.uint8)
        torch.onnx.export(FromPixels().eval(), (pixels,), str(path), external_data=False, verbose=False)
        return path.read_bytes()


def _run(session: Any, given: str, size: int, scaled: tuple[NDArray[np.float32], NDArray[np.float32]] | None) -> Run:
    taken = session.get_inputs()[0].name

    def run(batches: Iterator[NDArray[np.uint8]], view: View) -> Iterator[NDArray[np.float32]]:
        del view
        for images, n in slices(batches, size):
            pixels: NDArray[Any] = np.ascontiguousarray(images)
            if scaled is not None:
                pixels = np.ascontiguousarray((images * scaled[0] + scaled[1]).transpose(0, 3, 1, 2))
            yield session.run([given], {taken: pixels})[0][:n]

    return run
