"""A set in a process that lives longer than the set's manifest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from topfive.dataset.opened import opened
from topfive.records import ClassList, Dataset, Manifest


def test_it_is_read_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    classes = ClassList(("cat",), ("cat",))
    Dataset(tmp_path, Manifest.from_columns({"image_id": ["a"]}, classes)).write(tmp_path)
    first = opened(tmp_path)
    assert opened(tmp_path) is first
    Dataset(tmp_path, Manifest.from_columns({"image_id": ["a", "b"]}, classes)).write(tmp_path)
    later = (tmp_path / "manifest.parquet").stat().st_mtime_ns + 1_000_000
    os.utime(tmp_path / "manifest.parquet", ns=(later, later))
    assert opened(tmp_path).manifest.ids == ("a", "b")
    with pytest.raises(OSError):
        opened(tmp_path / "nothing")
