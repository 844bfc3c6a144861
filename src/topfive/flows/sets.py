"""A set to predict on, whatever lies at a path: a dataset folder, or pictures that were never imported."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from topfive.records import BadInput, Dataset, Progress, silent


def open_set(
    path: Path | str, *, split: str = "val", devkit: Path | None = None, progress: Progress = silent
) -> Dataset:
    """The dataset folder at `path` (it has its labels), else the pictures there, recognised as `dataset import` does.

    A folder by class, a tar of one, or the official archive of val with its `devkit` (or the kit beside it): they are
    read where they lie, nothing is hashed, nothing stays on disk. A source without splits becomes `split`. Raises
    BadInput as import does, and for a source whose pictures have to be written out first.
    """
    path = Path(path)
    if (path / "manifest.parquet").is_file():
        return Dataset.read(path)
    from topfive.dataset import ImportOptions, import_source

    with tempfile.TemporaryDirectory(prefix="topfive-") as place:
        folder = Path(place) / "set"
        import_source(path, folder, ImportOptions(split=split, devkit=devkit, read=False), progress=progress)
        found = Dataset.read(folder)
    inside = [name for name in found.manifest.table["container"].unique().to_pylist() if not Path(name).is_absolute()]
    if inside:
        raise BadInput(
            "holds pictures that cannot be read where they lie",
            where=path,
            fix=f"Import it first: topfive dataset import {path} OUT",
        )
    return replace(found, root=path.resolve())
