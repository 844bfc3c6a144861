"""read_counts: how many images each class has, by a table, the development kit, a dataset folder or class folders."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from topfive.records import BadInput, Dataset
from topfive.taxonomy.devkit import read_devkit

_FIX = "Give a file of `WNID NUMBER` a line, a dataset folder, a folder with one folder a wnid, or the development kit"


def read_counts(path: Path) -> dict[str, int]:
    """Wnid to number of images.

    From a text file of `wnid<TAB or spaces>number` a line (`#` begins a remark), a dataset folder (all its splits), a
    folder whose subfolders are named by wnid (their files are counted), or the ILSVRC2012 development kit (training
    images). Raises BadInput naming the row that is no count.
    """
    path = Path(path)
    if path.is_dir():
        if (path / "manifest.parquet").is_file():
            return _of_dataset(path)
        if not (path / "data").is_dir() and not (path / "ILSVRC2012_devkit_t12").is_dir():
            return _of_folders(path)
    if path.is_dir() or path.name.endswith((".tar.gz", ".tgz")):
        kit = read_devkit(path)
        n_train = kit.n_train_images.tolist()
        return {wnid: n for wnid, n in zip(kit.wnids, n_train, strict=True) if n}
    return _of_text(path)


def _of_dataset(path: Path) -> dict[str, int]:
    dataset = Dataset.read(path)
    index = dataset.manifest.class_index
    counts = np.bincount(index[index >= 0], minlength=len(dataset.classes))
    return dict(zip(dataset.classes.wnids, counts.tolist(), strict=True))


def _of_folders(path: Path) -> dict[str, int]:
    folders = [
        folder for folder in sorted(path.iterdir()) if folder.is_dir() and re.fullmatch("n[0-9]{8}", folder.name)
    ]
    if not folders:
        raise BadInput("has no folder named by a wnid", where=path, fix=_FIX)
    return {folder.name: sum(file.is_file() for file in folder.rglob("*")) for folder in folders}


def _of_text(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=path, fix=_FIX) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"is no text (byte {error.start})", where=path, fix=_FIX) from error
    counts: dict[str, int] = {}
    for row, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"\s*(n[0-9]{8})[\s,;]+([0-9]{1,12})\s*", line)
        if match is None:
            raise BadInput(f"{line[:60]!r} is no wnid and number", where=path, row=row, fix=_FIX)
        if match[1] in counts:
            raise BadInput(f"{match[1]} stands twice", where=path, row=row, fix=_FIX)
        counts[match[1]] = int(match[2])
    if not counts:
        raise BadInput("holds no count", where=path, fix=_FIX)
    return counts
