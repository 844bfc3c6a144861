"""The official ILSVRC2012 archives as they lie, any of them: train (a tar of 1,000 tars), val, test, devkit, boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from topfive.dataset import official
from topfive.dataset.boxes import NAME as BOXES
from topfive.dataset.boxes import read_boxes
from topfive.dataset.found import Container, Found, Images, stems
from topfive.dataset.nested import Inner, inner_wnid, pictures_of, read_inner
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source
from topfive.dataset.tar import read_tar
from topfive.records import UNKNOWN, BadInput, ClassList, Manifest, Progress
from topfive.taxonomy import Devkit, ilsvrc_classes, read_devkit

TITLE = "the official ILSVRC2012 archives (train, val, test, devkit, boxes: any of them, as they lie)"
ORDER = 5


def recognises(source: Source) -> bool:
    """One of the three archives of pictures lies in the folder, or the source is one."""
    return any(official.role(path.name) in ("train", "val", "test") for path in _archives(source))


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Classes are always the 1,000 in order of wnid; val labels are joined by the number in the file's name.

    Raises BadInput for val without a devkit, a train class that is none of the 1,000, and a devkit of other classes.
    """
    archives = {official.role(path.name): path for path in _archives(source)}
    classes = ilsvrc_classes()
    kit_path = options.devkit or official.beside(_folder(source))
    kit = None if kit_path is None else _kit(kit_path, classes)
    parts, problems = [], _strangers(source, kit_path)
    for role, path in archives.items():
        if role not in ("train", "val", "test"):
            continue
        images, wrong = _train(path, classes, progress) if role == "train" else _flat(path, role, kit, progress)
        parts.append(images)
        problems += wrong
    images = Images.joined([part for part in parts if len(part)] or parts)
    containers = [_container(path, "archive") for role, path in archives.items() if role in ("train", "val", "test")]
    if kit is not None and kit_path is not None:
        problems += official.count_problems(_counted(images, classes), kit)
        if kit_path.is_file():
            containers.append(_container(kit_path, "facts"))
    found = Found(images, classes, (), tuple(containers))
    found, wrong = _with_boxes(
        found, [path for path in _archives(source) if official.role(path.name) == "boxes"], progress
    )
    return replace(found, problems=(*problems, *wrong))


def _folder(source: Source) -> Path:
    path = Path(source.container)
    return path if path.is_dir() else path.parent


def _archives(source: Source) -> list[Path]:
    """The official files of a source, which may be one of them; train, val and test first."""
    root = Path(source.container)
    names = [file.path for file in source.files if "/" not in file.path] if root.is_dir() else [root.name]
    order = ("train", "val", "test", "devkit", "boxes")
    chosen = sorted((order.index(role), name) for name in names if (role := official.role(name)))
    return [_folder(source) / name for _, name in chosen]


def _strangers(source: Source, kit: Path | None) -> list[Problem]:
    """Files and folders beside the archives, which are left out."""
    if source.is_archive:
        return []
    tops = {file.path.partition("/")[0] for file in source.files} | {name for name in source.folders if "/" not in name}
    known = {name for name in tops if official.role(name) or (kit is not None and name == kit.name)}
    left = [Problem(name, "is no official archive of pictures: left out") for name in sorted(tops - known)]
    return [*source.problems, *left]


def _kit(path: Path, classes: ClassList) -> Devkit:
    kit = read_devkit(path)
    if kit.classes.wnids != classes.wnids:
        raise BadInput("has other classes than ILSVRC2012", where=path, fix="Use ILSVRC2012_devkit_t12.tar.gz")
    return kit


def _train(path: Path, classes: ClassList, progress: Progress) -> tuple[Images, list[Problem]]:
    outer = read_tar(path)
    problems = [Problem(name, f"{reason}: left out") for name, reason in outer.refusals]
    inner = []
    for name, offset, size in outer.members:
        wnid = inner_wnid(name)
        if not wnid:
            problems.append(Problem(name, "is no tar of a class: left out"))
        elif wnid not in classes.index:
            raise BadInput(
                "is none of the 1,000 classes of ILSVRC2012",
                where=path,
                row=name,
                fix="Rename the archive if it is another set: any tar of tars by wnid is read as the whole ImageNet",
            )
        else:
            inner.append(Inner(f"{wnid}.tar", str(path), offset, size, classes.index[wnid]))
    if not inner:
        raise BadInput("holds no tar of a class", where=path, fix="Get the archive again")
    images, wrong = read_inner(inner, "train", path.parent, progress)
    return images, problems + wrong


def _flat(path: Path, role: str, kit: Devkit | None, progress: Progress) -> tuple[Images, list[Problem]]:
    """Val or test: pictures named by number, labelled by the kit if they are val's."""
    images, problems = pictures_of(read_tar(path, progress), str(path), role, UNKNOWN)
    number = official.numbers(stems(images.path), role)
    top = official.N_TEST if role == "test" else len(kit.validation) if kit else official.N_VAL
    known = (number > 0) & (number <= top)
    if not known.all():
        left = images.path.filter(pa.array(~known)).to_pylist()
        problems += [Problem(name, f"is not named as a picture of {role}: left out") for name in left]
        images = _rows(images, known)
    if role == "test":
        return images, problems
    if kit is None:
        raise BadInput(
            "has no labels: they are in the development kit, which is not there",
            where=path,
            fix=f"Put {official.DEVKIT} beside it, or name it with --devkit",
        )
    labels = kit.id_to_index[kit.validation[number[known] - 1]]
    return replace(images, class_index=np.asarray(labels, np.int32)), problems


def _rows(images: Images, mask: np.ndarray) -> Images:
    keep = pa.array(mask)
    return Images(
        images.path.filter(keep),
        images.container.filter(keep),
        images.offset[mask],
        images.size[mask],
        images.class_index[mask],
        images.split.filter(keep),
    )


def _counted(images: Images, classes: ClassList) -> Manifest:
    """What the counts of the kit are compared with."""
    ids = stems(images.path)
    columns = {"image_id": ids, "class_index": images.class_index, "split": images.split.cast(pa.string())}
    return Manifest(pa.table(columns), classes)


def _with_boxes(found: Found, paths: Sequence[Path], progress: Progress) -> tuple[Found, list[Problem]]:
    if not paths:
        return found, []
    tables, problems = [], []
    for path in paths:
        table, wrong = read_boxes(path, progress)
        tables.append(table)
        problems += wrong
    boxes = pa.concat_tables(tables).combine_chunks()
    ids = stems(found.images.path)
    here = pc.is_in(boxes["image_id"], value_set=ids)
    absent = len(boxes) - int(pc.sum(here).as_py() or 0)
    if absent:
        problems.append(Problem(BOXES, f"leaves out {absent} boxes of pictures that are not in the set"))
    boxes = boxes.filter(here).sort_by([("image_id", "ascending"), ("xmin", "ascending"), ("ymin", "ascending")])
    containers = (*found.containers, *(_container(path, "facts") for path in paths))
    return replace(found, containers=containers, beside={BOXES: boxes}), problems


def _container(path: Path, kind: str) -> Container:
    return Container(str(path), "archive" if kind == "archive" else "facts", path.stat().st_size)
