"""torch compiled by Inductor with frozen weights. Needs a C++ compiler, and the longest set-up.

On EfficientNet-Lite0 the network alone is 1.1 times as fast as eager torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import View
from topfive.systems.runtimes.runtime import Run, Work, folded, quiet
from topfive.systems.runtimes.slices import normal, slices

NEEDS = ("torch",)
SETUP_S = 15.0
AGREES = {"fp32": 0.998, "bf16": 0.98}
"""Of 500 real pictures 500 and 493 (EfficientNet-Lite0)."""
_SLICE = 16


def refuses(work: Work, precision: str) -> str:
    """It compiles torch modules for the CPU."""
    del precision
    if work.network is None:
        return "compiles torch modules, not ONNX files"
    if work.device != "cpu":
        return f"is set up for the CPU here, not for {work.device}"
    return "" if any(shutil.which(name) for name in ("g++", "c++", "clang++")) else "needs a C++ compiler (g++)"


def build(work: Work, precision: str) -> Run:
    """From uint8 pixels to logits in one compiled graph."""
    import torch

    from topfive.systems._memory import keep_freed_memory

    keep_freed_memory()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network = folded(work.network, work.view.crop_px).to(dtype=dtype, memory_format=torch.channels_last)
    scale, shift = (torch.from_numpy(values) for values in normal(work.view))

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.register_buffer("scale", scale)
            self.register_buffer("shift", shift)

        def forward(self, pixels: Any) -> Any:
            return self.network((pixels.float() * self.scale + self.shift).to(dtype).permute(0, 3, 1, 2)).float()

    # torch compiles one code object for 8 networks at most, and runs those that follow plainly.
    FromPixels.forward.__code__ = FromPixels.forward.__code__.replace()
    side = work.view.crop_px
    with quiet(), torch.no_grad():  # under inference_mode Inductor freezes nothing
        compiled = torch.compile(FromPixels().eval(), options={"freezing": True}, dynamic=False)
        compiled(torch.zeros((_SLICE, side, side, 3), dtype=torch.uint8))

    def run(batches: Iterator[NDArray[np.uint8]], view: View) -> Iterator[NDArray[np.float32]]:
        del view  # its mean and deviation are in the graph
        for images, n in slices(batches, _SLICE):
            with torch.no_grad():
                found = compiled(torch.from_numpy(np.ascontiguousarray(images)))
            yield found[:n].numpy()

    return run
