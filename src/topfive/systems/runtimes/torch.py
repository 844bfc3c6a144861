"""torch, eager: freed memory kept, channels-last, batch normalisations folded. The one runtime for every device.

Keeping freed memory and channels-last are 5.7 times plain eager torch on EfficientNet-Lite0. Folding mean and deviation
into the first convolution is not done: its padding is zero after the normalisation, and the normalisation is one pass
over the pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import View
from topfive.systems.runtimes.runtime import Run, Work, folded

NEEDS = ("torch",)
SETUP_S = 0.5
AGREES = {"fp32": 0.998, "bf16": 0.98}
"""Of 500 real pictures 500 and 493 (EfficientNet-Lite0)."""
_SLICE = 16
"""Pictures at a time: 64 are no faster and take more memory."""


def refuses(work: Work, precision: str) -> str:
    """It runs every torch module."""
    del precision
    return "runs torch modules, not ONNX files" if work.network is None else ""


def build(work: Work, precision: str) -> Run:
    """The network on its device, in float32 or bfloat16."""
    import torch

    from topfive.systems._memory import keep_freed_memory
    from topfive.systems.engine.fitted import slice_scores

    keep_freed_memory()
    place = torch.device(work.device)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network = folded(work.network, work.view.crop_px).to(place, dtype=dtype, memory_format=torch.channels_last)

    def forward(pixels: Any) -> Any:
        return network(pixels.to(dtype))

    def run(batches: Iterator[NDArray[np.uint8]], view: View) -> Iterator[NDArray[np.float32]]:
        return slice_scores(forward, batches, view, place, _SLICE)

    return run
