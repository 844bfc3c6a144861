"""What a fit tells while it runs: JSON lines and TensorBoard always, Weights & Biases where it is installed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any


class Record:
    """Writes `metrics.jsonl` and `tensorboard/` into a folder; a resumed fit goes on in the same files.

    Weights & Biases is kept offline: nothing leaves the machine unasked (`wandb sync` uploads it).
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = (folder / "metrics.jsonl").open("a+", encoding="utf-8")
        self._lines.seek(0)
        told = self._lines.read()
        if told and not told.endswith("\n"):
            self._lines.write("\n")  # a line was torn by a kill
        self._board = _board(folder / "tensorboard")
        self._wandb = _wandb(folder, name)
        self._count = 0

    def __call__(self, values: Mapping[str, float]) -> None:
        """Tell one step or epoch; TensorBoard's axis is its `step`, else its `epoch`, else its number."""
        self._lines.write(json.dumps(dict(values)) + "\n")
        self._lines.flush()
        self._count += 1
        step = int(values.get("step", values.get("epoch", self._count)))
        if self._board is not None:
            self._board.add_event(_event(values, step))
        if self._wandb is not None:
            self._wandb.log(dict(values), step=step)

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def told_once(text: str) -> str:
    """The lines of a resumed fit: what was told again after a kill replaces what was told before."""
    rows: dict[Any, str] = {}
    for number, line in enumerate(text.splitlines()):
        try:
            values = json.loads(line)
        except ValueError:
            continue  # torn by a kill
        key = ("step", values["step"], "spike" in values) if "step" in values else ("line", number)
        rows.pop(key, None)
        rows[key] = line
    return "".join(line + "\n" for line in rows.values())


def _board(folder: Path) -> Any:
    """TensorBoard's own writer, which needs no torch; None where the package is not installed."""
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        return None
    return EventFileWriter(str(folder))


def _event(values: Mapping[str, float], step: int) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    parts = [Summary.Value(tag=key, simple_value=float(value)) for key, value in values.items()]
    return Event(wall_time=time.time(), step=step, summary=Summary(value=parts))


def _wandb(folder: Path, name: str) -> Any:
    try:
        import wandb
    except ImportError:
        return None
    return wandb.init(project="topfive", name=name, dir=str(folder), mode="offline")
