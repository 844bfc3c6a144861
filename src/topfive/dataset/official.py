"""The official ILSVRC2012 archives: their names and MD5s, and how many pictures a class and a split must have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.dataset.reports import Problem
from topfive.records import Manifest
from topfive.taxonomy import Devkit

TRAIN = "ILSVRC2012_img_train.tar"
VAL = "ILSVRC2012_img_val.tar"
TEST = "ILSVRC2012_img_test_v10102019.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
N_VAL, N_TEST = 50_000, 100_000

PUBLISHED_MD5 = {
    TRAIN: "1d675b47d978889d74fa0da5fadfb00e",
    VAL: "29b22e2961454d5413ddabcf34fc5622",
    TEST: "e1b8681fff3d63731c599df9b4b6fc02",
    DEVKIT: "fa75699e90414af021442c21a62c3abf",
    "ILSVRC2012_bbox_train_v2.tar.gz": "9271167e2176350e65cfe4e546f14b17",
    "ILSVRC2012_bbox_val_v3.tgz": "f4cd18b5ea29fe6bbea62ec9c20d80f0",
}
"""As image-net.org lists them; torchvision and TensorFlow Datasets carry the same for the first two."""

_BOXES = re.compile(r"ILSVRC2012_bbox_(train|val)_\w+\.(tar\.gz|tgz)")


def role(name: str) -> str:
    """What an official file is: `train`, `val`, `test`, `devkit`, `boxes`, or empty for none of them."""
    roles = {TRAIN: "train", VAL: "val", TEST: "test", DEVKIT: "devkit", DEVKIT.removesuffix(".tar.gz"): "devkit"}
    return roles.get(name) or ("boxes" if _BOXES.fullmatch(name) else "")


def numbers(ids: pa.Array, split: str) -> NDArray[np.int32]:
    """The number in each official image_id of val or test, int32 [n]; 0 where an id is none."""
    pattern = rf"^ILSVRC2012_{split}_(?P<number>[0-9]{{8}})$"
    matched = pc.struct_field(pc.extract_regex(ids, pattern=pattern), "number")
    return np.asarray(pc.fill_null(matched, "0").cast(pa.int32()).to_numpy(zero_copy_only=False), np.int32)


def count_problems(manifest: Manifest, devkit: Devkit) -> list[Problem]:
    """Where a set differs from the kit: training pictures of each class, pictures and labels of val, pictures of test.

    A split that the set does not have at all is no problem; a class that lacks all its pictures is named with others.
    """
    splits = manifest.splits()
    problems: list[Problem] = []
    if "train" in splits:
        problems += _train_problems(manifest.rows("train").class_index, devkit)
    if "val" in splits:
        problems += _val_problems(manifest.rows("val"), devkit)
    if splits.get("test", N_TEST) != N_TEST:
        problems.append(Problem("test", f"has {splits['test']} of {N_TEST} pictures"))
    return problems


def _train_problems(index: NDArray[np.int32], devkit: Devkit) -> Iterator[Problem]:
    ids_to_index = devkit.id_to_index[1:]
    due = np.zeros(len(ids_to_index), np.int64)
    due[ids_to_index] = devkit.n_train_images[: len(ids_to_index)]
    have = np.bincount(index, minlength=len(due))
    missing = np.flatnonzero((have == 0) & (due > 0))
    if len(missing):
        named = ", ".join(devkit.classes.wnids[row] for row in missing[:3].tolist()) + (
            " ..." if len(missing) > 3 else ""
        )
        yield Problem("train", f"has no pictures of {len(missing)} classes ({named})")
    for row in np.flatnonzero((have != due) & (have > 0)).tolist():
        yield Problem(
            devkit.classes.wnids[row], f"has {have[row]} training pictures, and meta.mat of the kit says {due[row]}"
        )


def _val_problems(val: Manifest, devkit: Devkit) -> Iterator[Problem]:
    due = len(devkit.validation)
    if len(val) != due:
        yield Problem("val", f"has {len(val)} of {due} pictures")
    number = numbers(val.table["image_id"].combine_chunks(), "val")
    known = (number > 0) & (number <= due)
    label = devkit.id_to_index[devkit.validation[np.where(known, number, 1) - 1]]
    for row in np.flatnonzero(known & (label != val.class_index)).tolist():
        yield Problem(val.ids[row], f"is not of class {devkit.classes.wnids[label[row]]}, as the kit says")


def beside(path: Path) -> Path | None:
    """The kit in a folder, as an archive or unpacked."""
    for name in (DEVKIT, DEVKIT.removesuffix(".tar.gz")):
        if (path / name).exists():
            return path / name
    return None
