"""A language model's answers in words, from the file to the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from topfive import flows
from topfive.records import BadInput, ClassList, Truth


def test_answers_are_scored_by_names_and_lemmas(tmp_path: Path) -> None:
    classes = ClassList(("n02123045", "n01443537", "n02084071"), ("tabby", "goldfish", "dog"))
    truth = tmp_path / "truth.parquet"
    Truth.single(("a", "b", "c", "d"), np.array([0, 1, 2, 2], dtype=np.int32), classes).write(truth)
    said = {"a": "It is a tabby cat.", "b": "Carassius auratus", "c": "I cannot tell.", "d": "goldfish"}
    lines = tmp_path / "answers.jsonl"
    lines.write_text("".join(json.dumps({"image_id": key, "answer": text}) + "\n" for key, text in said.items()))
    result = flows.score_file(lines, truth)
    assert result["n"] == 4
    assert result["protocol"] == "free-text-top5/1"
    assert result["top1_correct"] == 2
    assert result["answers"]["abstained"] == 1
    with pytest.raises(BadInput, match="row 2"):
        lines.write_text('{"image_id": "a", "answer": "x"}\nnonsense\n')
        flows.score_file(lines, truth)
