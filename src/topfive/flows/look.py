"""What doors show: each function returns the JSON object of one command and of one page's twin."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from topfive import loading, systems, taxonomy
from topfive.records import BadInput, Board, Dataset, Scores

_NO_WORKSPACE = "Make a workspace with `topfive run --out DIR`"


def show_board(workspace: Path) -> dict[str, Any]:
    """The content of `board.json`."""
    path = workspace / "board.json"
    if not path.is_file():
        raise BadInput("has no board.json", where=workspace, fix=_NO_WORKSPACE)
    return Board.read(path).to_json()


def run_folder(workspace: Path, run_id: str) -> Path:
    """The folder of one run, looked up among those there are (an id is never joined to a path)."""
    runs = workspace / "runs"
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        if folder.name == run_id and (folder / "run.json").is_file():
            return folder
    raise BadInput(f"has no run {run_id!r}", where=workspace, fix="The board lists the runs there are")


def show_run(workspace: Path, run_id: str) -> dict[str, Any]:
    """`run.json` and, under `scores`, what was measured on the open `val` split (null where it was not)."""
    folder = run_folder(workspace, run_id)
    value: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    scores = folder / "scores.json"
    value["scores"] = None
    if scores.is_file():
        read = Scores.read(scores)
        value["scores"] = read.to_json() | {"per_class": read.per_class}
    return value


def show_systems() -> dict[str, Any]:
    """All landmarks, oldest first; imports none of them."""
    return {"systems": [landmark.to_json() for landmark in systems.landmarks()]}


def show_class(wnid: str) -> dict[str, Any]:
    """The card of one synset."""
    return taxonomy.show(wnid).to_json()


@lru_cache(maxsize=4)
def _public(workspace: Path, changed_ns: int) -> Dataset:
    return Dataset.read(workspace / "public")


def public_dataset(workspace: Path) -> Dataset:
    """The workspace's image set as entrants see it; read anew when its manifest changes."""
    manifest = workspace / "public" / "manifest.parquet"
    if not manifest.is_file():
        raise BadInput("has no public image set", where=workspace, fix=_NO_WORKSPACE)
    return _public(workspace, manifest.stat().st_mtime_ns)


def class_pictures(workspace: Path, wnid: str, limit: int) -> list[str]:
    """Ids of up to `limit` images labelled with this class; a sealed image has no label and is not among them."""
    dataset = public_dataset(workspace)
    index = dataset.classes.index.get(wnid)
    if index is None:
        raise BadInput(f"is no class of {dataset.name}", where=wnid, fix="/classes lists them")
    rows = np.flatnonzero(dataset.manifest.class_index == index)
    return [dataset.manifest.ids[row] for row in rows[:limit]]


def thumbnail(workspace: Path, image_id: str, size_px: int) -> bytes:
    """A JPEG of at most `size_px` a side, decoded and encoded anew, so that no stranger's bytes are served."""
    dataset = public_dataset(workspace)
    rows = np.flatnonzero(dataset.manifest.column("image_id") == image_id)
    if not len(rows):
        raise BadInput(f"has no image {image_id!r}", where=dataset.name)
    pictures = loading.Pictures(dataset, dataset.manifest.take(rows), labels=False)
    return loading.thumbnail(pictures.read(0), size_px)
