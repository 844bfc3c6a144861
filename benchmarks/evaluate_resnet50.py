"""JPEG to top-1 and top-5, ResNet-50 with random weights: speed only, against the floor of the same run."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers import topfive_evaluate
from benchmarks.row import Sides

TITLE = "JPEG to top-1 and top-5, ResNet-50 (random weights), fp32, 500 real pictures"
GOAL = ">= 0.88 of the floor"


def network() -> Any:
    import torch
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.resnet50(weights=None).eval()


def sides(rng: np.random.Generator) -> Sides:
    del rng
    return Sides(
        "floor: OpenVINO on ready arrays, plus decoding",
        topfive_evaluate.floor(network, "fp32"),
        topfive_evaluate.evaluate(network, "fp32", runtime="openvino"),
        lambda a, b: a == b,
        unit="images",
    )
