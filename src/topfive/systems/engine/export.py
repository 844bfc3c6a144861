"""A fitted network to files that others open: safetensors with its names, ONNX checked against the network itself."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from topfive.records import BadInput, WorkFailed, replacing
from topfive.systems.engine.fitted import FittedNetwork
from topfive.systems.weights.onnx_file import write_statement
from topfive.systems.weights.stated import statement

_TOLERANCE = 1e-3
"""Largest difference of a logit that counts as the same network; runtimes add in other orders."""


def export(fitted: FittedNetwork, out: Path) -> float:
    """Write `out` (.safetensors or .onnx); returns the largest difference of its logits from the network's.

    The ONNX graph takes float32 [n, 3, crop, crop], normalised with the View's mean and std, for any n. Both state the
    classes in their order, their digest and the View in their metadata. Raises BadInput for another ending, WorkFailed
    where the written graph answers otherwise.
    """
    if out.suffix == ".safetensors":
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in fitted.network.state_dict().items()}
        with replacing(out) as part:
            save_file(tensors, part, metadata=statement(fitted.classes, fitted.view))
        return 0.0
    if out.suffix == ".onnx":
        return _onnx(fitted, out)
    raise BadInput("has no known ending", where=out, fix="Write .safetensors or .onnx")


def _onnx(fitted: FittedNetwork, out: Path) -> float:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BadInput(f"needs {error.name}", where="ONNX", fix="pip install 'topfive[onnx]'") from error
    side = fitted.view.crop_px
    network = copy.deepcopy(fitted.network).cpu().to(memory_format=torch.contiguous_format)
    inputs = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 3, side, side)).astype(np.float32))
    with replacing(out) as part:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            expected = network(inputs).numpy()
            torch.onnx.export(
                network,
                (inputs,),
                str(part),
                input_names=["pixels"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                external_data=False,
                verbose=False,
            )
        write_statement(part, fitted.classes, fitted.view)
        session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
        worst = 0.0
        for n in (3, 1):
            found = session.run(None, {"pixels": inputs[:n].numpy()})[0]
            worst = max(worst, float(np.abs(found - expected[:n]).max()))
        if worst > _TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise WorkFailed(f"{out}: the exported graph's logits differ by {worst:.2g} from the network's")
    return worst
