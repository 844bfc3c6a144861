"""Arrays that stay on disk: the same rows, whatever the block, and no more of them in memory than a few."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import ClassList, Predictions, in_blocks, lay_down, mapped


def test_what_is_laid_down_is_read(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    lay_down(tmp_path / "rows", [rows[:4], rows[4:4], rows[4:].astype(np.float64)])
    found = mapped(tmp_path / "rows", 3)
    assert np.array_equal(found, rows) and found.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 2**32), st.booleans())
def test_blocks_are_the_rows_in_order(n: int, size: int, seed: int, chosen: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2)).astype(np.float32)
    rows = rng.integers(0, n, rng.integers(1, 40)) if chosen else None
    if chosen and rng.random() < 0.5:
        rows = np.arange(rng.integers(0, n), n)
    expected = values if rows is None else values[rows]
    found = np.empty_like(expected)
    for place, block in in_blocks(values, rows, size):
        assert len(block) <= size
        found[place] = block
    assert np.array_equal(found, expected)
    assert not list(in_blocks(values[:0])) and not list(in_blocks(values, np.zeros(0, np.int64)))


def test_rows_that_follow_one_another_are_not_copied() -> None:
    values = np.zeros((20, 2), np.float32)
    assert all(np.shares_memory(block, values) for _, block in in_blocks(values, np.arange(3, 17), 4))


@pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux calls resident")
def test_what_was_read_of_a_mapped_array_leaves_memory(tmp_path: Path) -> None:
    """128 MB are read; 40 MB may be resident at once."""
    lay_down(tmp_path / "rows", (np.full((1_000, 1_000), i, np.float32) for i in range(32)))
    values = mapped(tmp_path / "rows", 1_000)
    assert float(values[0, 0]) == 0.0
    before = resident()
    most = 0
    for at, (_, block) in enumerate(in_blocks(values)):
        assert float(block.sum()) > -1
        most = max(most, resident() if at % 8 == 0 else 0)
    assert most - before < 40 << 20
    assert float(values[-1, -1]) == 31.0, "what was let go is read again"


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_predictions_of_mapped_logits_are_those_of_the_array(tmp_path: Path) -> None:
    classes = ClassList(tuple(f"n{i:08d}" for i in range(7)), tuple("abcdefg"))
    logits = np.random.default_rng(0).integers(0, 3, (600, 7)).astype(np.float32)  # full of ties
    lay_down(tmp_path / "rows", [logits])
    ids = tuple(map(str, range(600)))
    found = Predictions.from_logits(ids, mapped(tmp_path / "rows", 7), classes)
    slow = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    assert np.array_equal(found.top_index, slow)
    assert np.array_equal(found.top_score, np.take_along_axis(logits, slow, axis=1))
    assert found.logits is not None and not found.logits.flags.writeable
