"""Which runtime: the one that is asked for, or the fastest of a short trial, which a folder remembers."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, Progress, WorkFailed, digest_json, silent, write_text
from topfive.systems.runtimes.runtime import Run, Work, get, names, refusal

AUTO = "auto"
_TRIAL_S = 1.0
"""Long enough for 5 % of noise at 100 pictures a second."""
_AT_ONCE = 16
_FEW = 100
"""So few pictures are done before anything is set up: they run by the first runtime that can."""
_SOON_S = 10.0
"""A runtime whose set-up takes no longer is always tried."""
_WORTH = 0.25
"""Another is tried where its set-up takes at most this share of the time that the best so far would need."""


@dataclass(frozen=True)
class Chosen:
    """A runtime that is ready; `rates` are the pictures a second of those that were tried, by name."""

    name: str
    run: Run
    agrees: float
    rates: dict[str, float]


def choose(
    work: Work, precision: str, asked: str = AUTO, *, n: int, cache: Path | None = None, progress: Progress = silent
) -> Chosen:
    """Make a runtime ready for `n` pictures; raises BadInput where what is asked for cannot run here.

    Trials are remembered in the folder `cache` for this network, crop, precision, processor and these packages.
    """
    if asked != AUTO:
        reason = refusal(asked, work, precision)
        if reason:
            raise BadInput(reason, where=f"runtime {asked}", fix="Use --runtime auto")
        try:
            return _ready(asked, work, precision, {})
        except WorkFailed as error:
            raise WorkFailed(f"{error}. Use --runtime auto") from error.__cause__
    able = sorted((name for name in names() if not refusal(name, work, precision)), key=lambda name: get(name).SETUP_S)
    if not able:
        reasons = "; ".join(f"{name} {refusal(name, work, precision)}" for name in names())
        raise BadInput(f"no runtime computes this in {precision} here: {reasons}", where="--runtime")
    if n < _FEW or len(able) == 1:
        return _first_ready(able, work, precision, {}, {})
    path = None if cache is None else cache / f"runtimes-{_key(work, precision)[:24]}.json"
    return _fastest(able, work, precision, n=n, path=path, progress=progress)


def _fastest(able: list[str], work: Work, precision: str, *, n: int, path: Path | None, progress: Progress) -> Chosen:
    rates, built = _remembered(path), dict[str, Run]()
    known = set(rates)
    for number, name in enumerate(able):
        progress("trying runtimes", number, len(able), "runtimes")
        best = max(rates.values(), default=0.0)
        setup = get(name).SETUP_S
        if name not in known and (setup <= _SOON_S or setup <= _WORTH * n / max(best, 1e-9)):
            rates[name], run = _tried(name, work, precision)
            if run is not None:
                built[name] = run
    progress("trying runtimes", len(able), len(able), "runtimes")
    if path is not None and set(rates) != known:
        write_text(path, json.dumps({"images_per_s": rates}, indent=1) + "\n")
    # Those that failed stand last: what stood in their way then (memory, a full disk) may be gone.
    return _first_ready(sorted(able, key=lambda name: -rates.get(name, 0.0)), work, precision, rates, built)


def _first_ready(
    names: list[str], work: Work, precision: str, rates: dict[str, float], built: dict[str, Run]
) -> Chosen:
    """The first of these that can be made ready; raises WorkFailed with the reason of the first where none can."""
    failed: list[WorkFailed] = []
    for name in names:
        try:
            return _ready(name, work, precision, rates, built.get(name))
        except WorkFailed as error:
            failed.append(error)
    raise failed[0]


def _ready(name: str, work: Work, precision: str, rates: dict[str, float], run: Run | None = None) -> Chosen:
    runtime = get(name)
    try:
        return Chosen(name, run or runtime.build(work, precision), runtime.AGREES[precision], rates)
    except BadInput:
        raise
    except Exception as error:  # what libraries raise on graphs that they cannot take shares no class
        reason = " ".join(str(error).split())[:200]
        raise WorkFailed(f"runtime {name}: cannot run this network ({type(error).__name__}: {reason})") from error


def _tried(name: str, work: Work, precision: str) -> tuple[float, Run | None]:
    """Pictures a second after one round that does not count; 0 and None for a runtime that fails."""
    try:
        run = get(name).build(work, precision)
        side = work.view.crop_px
        images = np.random.default_rng(0).integers(0, 256, (_AT_ONCE, side, side, 3), dtype=np.uint8)
        for _ in run(iter([images]), work.view):
            pass
        done, began = 0, time.perf_counter()
        for found in run(_until(images, began + _TRIAL_S), work.view):
            done += len(found)
        return done / (time.perf_counter() - began), run
    except BadInput:  # the network's own mistake, which no other runtime would mend
        raise
    except Exception:  # as in `_ready`; another runtime will do
        return 0.0, None


def _until(images: NDArray[np.uint8], end: float) -> Iterator[NDArray[np.uint8]]:
    yield images
    while time.perf_counter() < end:
        yield images


def _remembered(path: Path | None) -> dict[str, float]:
    """Rates by name of an earlier trial; a file that cannot be read is none."""
    if path is None or not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["images_per_s"]
        return {str(name): float(rate) for name, rate in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _key(work: Work, precision: str) -> str:
    """What a trial depends on."""
    packages = {}
    for package in ("torch", "openvino", "onnxruntime", "topfive"):
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return digest_json([work.digest, work.view.crop_px, precision, work.device, _processor(), work.threads, packages])


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line for line in lines if line.startswith("model name")), platform.machine())
    return platform.processor() or platform.machine()
