"""What a runtime is: a file here that builds a way to run a network, and says how well it keeps to the reference."""

from __future__ import annotations

import copy
import functools
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, View, digest_json
from topfive.systems.weights.onnx_file import Graph

Run = Callable[[Iterator[NDArray[np.uint8]], View], Iterator[NDArray[Any]]]
"""Batches uint8 [n, h, w, 3] to logits [m, K] in the same order, cut as the runtime likes."""

_NO_RUNTIMES = {"runtime", "choose", "check", "stream", "parts", "slices", "together"}


@dataclass(frozen=True)
class Work:
    """A torch module in evaluation mode or a graph in a file, from normalised float [n, 3, h, w] to logits.

    `view` says its crop, mean and deviation. `threads` is how many cores it may use.
    """

    network: Any
    onnx: Graph | None
    view: View
    device: str = "cpu"
    threads: int = 1

    @functools.cached_property
    def digest(self) -> str:
        """Digest of the weights with their names and of the layers' names, or of the graph's files."""
        if self.network is None:
            assert self.onnx is not None, "a network or a graph"
            return self.onnx.digest
        import torch

        state = hashlib.sha256()
        for name, tensor in self.network.state_dict().items():
            values = tensor.detach().cpu().contiguous()
            state.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            state.update(memoryview(values.reshape(-1).view(torch.uint8).numpy()))
        return digest_json([state.hexdigest(), str(self.network)])


class Runtime(Protocol):
    """A module of this folder.

    `NEEDS` names its packages, `SETUP_S` how long it takes to build for a network of usual size, `AGREES` for each
    precision the share of pictures whose top-1 is the reference's (View `reference`, torch eager, fp32): the rate that
    the self-check holds it to.
    """

    NEEDS: tuple[str, ...]
    SETUP_S: float
    AGREES: Mapping[str, float]

    def refuses(self, work: Work, precision: str) -> str:
        """Why it cannot run this here, or nothing."""

    def build(self, work: Work, precision: str) -> Run:
        """Make it ready; may raise whatever the library raises."""


def names() -> list[str]:
    """Every runtime's name, as `--runtime` takes it."""
    package = importlib.import_module(__package__)
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name.replace("_", "-") for name in found if name not in _NO_RUNTIMES)


def get(name: str) -> Runtime:
    """The runtime of this name; raises BadInput naming those there are."""
    if name not in names():
        raise BadInput(f"is no runtime: {name!r}", where="--runtime", fix=f"Runtimes: auto, {', '.join(names())}")
    return cast(Runtime, importlib.import_module(f"{__package__}.{name.replace('-', '_')}"))


def refusal(name: str, work: Work, precision: str) -> str:
    """Why a runtime cannot run this work here, or nothing."""
    runtime = get(name)
    missing = [package for package in runtime.NEEDS if importlib.util.find_spec(package) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if precision not in runtime.AGREES:
        return f"does not compute in {precision}"
    return runtime.refuses(work, precision)


def cores() -> int:
    """Threads that a runtime may use: the usable cores, fewer where torch was told so (`torchrun` does)."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if importlib.util.find_spec("torch") is None:
        return n
    import torch

    return min(n, torch.get_num_threads())


def folded(network: Any, side: int) -> Any:
    """A copy with batch normalisations merged into the convolutions before them, where that changes no answer.

    Layers are taken in the order they are registered, which need not be the order they run in, so the copy is asked.
    Raises BadInput for a network that gives anything but logits [n, K].
    """
    import torch

    from topfive.systems.weights.efficientnet_lite import fold_normalisation

    plain = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    pixels = torch.linspace(-2.0, 2.0, 3 * side * side).reshape(1, 3, side, side)
    expected = _answer(plain, pixels)
    if expected is None:
        return plain
    if not isinstance(expected, torch.Tensor) or expected.ndim != 2:
        said = list(expected.shape) if isinstance(expected, torch.Tensor) else f"a {type(expected).__name__}"
        raise BadInput(
            f"gives {said}, not logits [n, classes]", where="the network", fix="Let it give the logits alone"
        )
    made = copy.deepcopy(plain)
    try:
        fold_normalisation(made)
    except (RuntimeError, TypeError, AttributeError, ValueError):
        return plain
    found = _answer(made, pixels)
    near = 1e-4 * max(1.0, float(expected.abs().max()))
    same = found is not None and torch.allclose(expected, found, rtol=1e-3, atol=near)
    return made if same else plain


def _answer(network: Any, pixels: Any) -> Any:
    """What it gives, None where it fails: it may want another device, or more pictures at once."""
    import torch

    try:
        with torch.inference_mode():
            return network(pixels)
    except Exception:  # networks raise what they like
        return None


@contextmanager
def quiet() -> Iterator[None]:
    """Exporters and compilers warn of their own deprecations, which nobody here can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
