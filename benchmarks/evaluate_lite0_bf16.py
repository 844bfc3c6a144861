"""JPEG to top-1 and top-5, EfficientNet-Lite0 with its real weights, 500 real pictures, bf16 against timm's fp32."""

from __future__ import annotations

import numpy as np

from benchmarks.evaluate_lite0 import COUNTED, network, view
from benchmarks.peers import timm_validate, topfive_evaluate
from benchmarks.row import Sides

TITLE = "JPEG to top-1 and top-5, EfficientNet-Lite0, bf16, 500 real pictures, at least 98 % the same top-1"
GOAL = "13x `validate.py`"


def sides(rng: np.random.Generator) -> Sides:
    del rng
    return Sides(
        "timm loader and network, `validate.py`'s way, fp32",
        timm_validate.validate(network, view(), counted=COUNTED),
        topfive_evaluate.evaluate("efficientnet_lite0", "bf16"),
        lambda a, b: timm_validate.agreement(a, b) >= 0.98,
        more={
            "floor: OpenVINO bf16 on ready arrays, plus decoding": topfive_evaluate.floor("efficientnet_lite0", "bf16"),
        },
        unit="images",
    )
