"""A set as a process of a cluster opens it: once for all its parts, and anew when the manifest has changed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from topfive.records import Dataset


def opened(root: Path) -> Dataset:
    """The dataset of a folder; raises BadInput as `Dataset.read` does, and OSError where there is no manifest."""
    return _read(root, (root / "manifest.parquet").stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(root: Path, _changed_ns: int) -> Dataset:
    return Dataset.read(root)
