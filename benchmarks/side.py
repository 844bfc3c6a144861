"""One side of a row in a process of its own, with the default allocator: it runs when it is asked to."""

from __future__ import annotations

import importlib
import multiprocessing
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks.row import Sides, Timed


def sides_of(row: str) -> Sides:
    found: Sides = importlib.import_module(f"benchmarks.{row}").sides(np.random.default_rng(0))
    return found


class Side:
    """A process that holds one side; nothing of another side is loaded, run or allocated in it."""

    def __init__(self, row: str, name: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(row, name, theirs))
        self._process.start()
        theirs.close()
        self.name = name

    def run(self, *, answer: bool = False) -> Timed:
        """One run; its answer crosses over only where it is asked for."""
        self._ours.send(answer)
        try:
            found = self._ours.recv()
        except EOFError:
            raise SystemExit(f"{self.name}: its process ended") from None
        if isinstance(found, str):
            raise SystemExit(f"{self.name}: {found}")
        return Timed(*found)

    def __enter__(self) -> Side:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.close()
        self._process.join(20)
        if self._process.is_alive():
            self._process.terminate()


def _serve(row: str, name: str, parent: Connection) -> None:
    way: Any = None
    while True:
        try:
            wanted = parent.recv()
        except EOFError:
            return
        try:
            way = way or sides_of(row).ways()[name]
            began = time.perf_counter()
            found = way()
            taken = time.perf_counter() - began
        except Exception as error:
            parent.send(f"{type(error).__name__}: {error}")
            raise
        timed = found if isinstance(found, Timed) else Timed(found, taken)
        parent.send((timed.answer if wanted else None, timed.seconds, timed.n))
