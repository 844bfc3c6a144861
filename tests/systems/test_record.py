"""What a fit tells: JSON lines, TensorBoard, Weights & Biases, and the lines of a fit that was stopped."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from topfive.systems import Record, told_once


def test_lines_and_events_are_written_as_they_come(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with Record(tmp_path, "a-run") as record:
        record({"epoch": 1, "step": 7, "loss": 2.5})
        assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"epoch": 1, "step": 7, "loss": 2.5}
    with Record(tmp_path, "a-run") as record:
        record({"epoch": 2, "step": 14, "loss": 1.5})
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(7, 2.5), (14, 1.5)]


def test_what_was_told_again_after_a_kill_stands_once() -> None:
    lines = [{"step": 5, "loss": 3}, {"step": 10, "loss": 2}, {"weight": 1}, {"step": 10, "loss": 2.5}, {"weight": 2}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert [json.loads(line) for line in told_once(text).splitlines()] == [lines[i] for i in (0, 2, 3, 4)]


def test_a_line_torn_by_a_kill_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo')
    with Record(tmp_path, "a-run") as record:
        record({"step": 2, "loss": 1})
    told = told_once((tmp_path / "metrics.jsonl").read_text())
    assert [json.loads(line)["step"] for line in told.splitlines()] == [1, 2]


def test_weights_and_biases_is_told_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    fake = types.ModuleType("wandb")
    run = types.SimpleNamespace(log=lambda values, step: told.append((values, step)), finish=lambda: told.append("end"))
    monkeypatch.setattr(fake, "init", lambda **given: told.append(given["mode"]) or run, raising=False)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with Record(tmp_path, "a-run") as record:
        record({"epoch": 3, "loss": 1.0})
    assert told == ["offline", ({"epoch": 3, "loss": 1.0}, 3), "end"]
