"""topfive's own way from JPEG to top-1 and top-5, set up once, and the floor: network alone, plus decoding alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.peers.timm_validate import samples
from benchmarks.row import Timed


def evaluate(model: Callable[[], Any] | str, precision: str, *, runtime: str = "auto") -> Callable[[], Timed]:
    """A side that predicts all pictures anew each time, timed as `evaluate` times itself; its set-up is the first run.

    With the self-check, in the first run; the answer is the first guess by file name.
    """
    held: dict[str, Any] = {}

    def run() -> Timed:
        from topfive import flows
        from topfive.flows.inference import prepare

        if "ready" not in held:
            how = flows.Inference(decoder="exact", batch_size=16, precision=precision, runtime=runtime)
            what = model if isinstance(model, str) else model()
            held["ready"] = prepare(what, flows.open_set(samples()), "val", how)
        ready = held["ready"]
        began = time.perf_counter()
        guesses: dict[str, int] = {}
        for positions, logits in ready.answers(ready.pictures, _refuse):
            top = np.argpartition(logits, -5, axis=1)[:, -5:]
            best = np.take_along_axis(logits, top, axis=1).argmax(axis=1)
            first = np.take_along_axis(top, best[:, None], axis=1)[:, 0]
            names = [ready.pictures.ids[place] for place in positions.tolist()]
            guesses.update(zip(names, first.tolist(), strict=True))
        return Timed(guesses, time.perf_counter() - began, len(guesses))

    return run


def floor(model: Callable[[], Any] | str, precision: str) -> Callable[[], Timed]:
    """OpenVINO on pictures that lie ready in memory, then libjpeg-turbo alone on two threads: the sum of both times."""
    held: dict[str, Any] = {}

    def run() -> Timed:
        from concurrent.futures import ThreadPoolExecutor

        import simplejpeg

        from topfive import flows
        from topfive.flows.inference import prepare

        if "ready" not in held:
            how = flows.Inference(decoder="exact", precision=precision, runtime="openvino", check=False)
            what = model if isinstance(model, str) else model()
            held["ready"] = prepare(what, flows.open_set(samples()), "val", how)
            pictures = held["ready"].pictures
            held["pixels"] = pictures.arrays(replace(held["ready"].fitted.view, decoder="exact"))
            held["files"] = [pictures.read(i) for i in range(len(pictures))]
        ready, pixels = held["ready"], held["pixels"]
        began = time.perf_counter()
        logits = np.concatenate(list(ready.fitted.run(iter([pixels]), ready.fitted.view)))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda data: simplejpeg.decode_jpeg(data, "RGB").shape, held["files"]))
        seconds = time.perf_counter() - began
        return Timed(dict(zip(ready.pictures.ids, logits.argmax(axis=1).tolist(), strict=True)), seconds, len(pixels))

    return run


def _refuse(image_id: str, reason: str) -> None:
    raise SystemExit(f"{image_id} {reason}")
