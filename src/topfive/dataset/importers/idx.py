"""IDX: raw grey pictures and labels as MNIST and its family have them, plain or gzipped."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.class_keys import read_class_keys
from topfive.dataset.found import Found, FoundImage, Images, class_list, named_classes
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.shards import Unpacked, write_out, written
from topfive.dataset.source import Source, SourceFile
from topfive.records import BadInput, ClassList, Progress, counted

TITLE = "IDX files (MNIST, Fashion-MNIST and their kin)"
ORDER = 20

_FILE = re.compile(r"(?:.*/)?(.*?)(train|t10k|test|val)-(images|labels)[-.]idx([13])-ubyte(?:\.gz)?")
_SPLITS = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
_LARGEST = 4 << 30
"""Bytes of a file at most, unpacked: all of it is in memory."""
_PACKED = 1_032
"""Bytes that gzip makes of one at most."""
_PIXELS = 50_000_000
_NONE = "is no IDX file: left out"
_FASHION_LABELS = frozenset(
    {
        "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    }
)
"""SHA-256 of Fashion-MNIST's labels (train, test), a byte each: a folder's name says nothing certain."""
_FASHION = (
    "n03595614",  # T-shirt
    "n04489008",  # trouser
    "n04021028",  # pullover
    "n03236735",  # dress
    "n03057021",  # coat
    "n04133789",  # sandal
    "n04197391",  # shirt
    "n03472535",  # sneaker
    "n02774152",  # bag
    "n02872752",  # ankle boot: WordNet's boot
)
"""Fashion-MNIST's classes 0 to 9."""


def recognises(source: Source) -> bool:
    """It has a file of pictures and one of labels with one beginning."""
    return any("images" in files and "labels" in files for files in _pairs(source).values())


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Each picture is written into the set as a PNG; files are held in memory whole (MNIST's largest has 47 MB).

    Classes are those of `options.classes`, else Fashion-MNIST's wnids where the labels are its own, else numbers.
    Raises BadInput for a file that is damaged, cut short or too long, where pictures and labels are not as many, and
    where several sets lie together.
    """
    whole = {key: files for key, files in sorted(_pairs(source).items()) if set(files) == {"images", "labels"}}
    splits = [_SPLITS[part] for _, part in whole]
    if len({begin for begin, _ in whole}) > 1 or len(set(splits)) < len(splits):
        raise _several(source, [files["images"].path for files in whole.values()])
    read_files = {file.path for files in whole.values() for file in files.values()}
    problems = [*source.problems, *(Problem(f.path, _why(f.path)) for f in source.files if f.path not in read_files)]
    arrays = [tuple(_array(source, files[kind]) for kind in ("images", "labels")) for files in whole.values()]
    for files, (pictures, labels) in zip(whole.values(), arrays, strict=True):
        if len(pictures) != len(labels):
            raise BadInput(
                f"holds {len(labels)} labels for {len(pictures)} pictures",
                where=source.root,
                row=files["labels"].path,
                fix="Get both files again",
            )
    stated = None if options.classes is None else named_classes(read_class_keys(options.classes), options.classes)
    names = _names(stated, [labels for _, labels in arrays])
    images: list[FoundImage] = []
    for split, (pictures, labels) in zip(splits, arrays, strict=True):
        drawn = counted(_pngs(split, pictures, labels, names), f"writing {split}", len(labels), progress, "images")
        images += write_out(into, split, drawn)
    classes = stated or class_list([image.wnid for image in images if image.wnid is not None], source.root)
    return Found(Images.one_by_one(images, classes), classes, tuple(problems), written(into))


def _pairs(source: Source) -> dict[tuple[str, str], dict[str, SourceFile]]:
    """The files of pictures and of labels, by what their names begin with and their part of the set."""
    pairs: dict[tuple[str, str], dict[str, SourceFile]] = {}
    for file in source.files:
        match = _FILE.fullmatch(file.path)
        if match and (match[3], match[4]) in (("images", "3"), ("labels", "1")):
            files = pairs.setdefault((match[1], match[2]), {})
            first = files.setdefault(match[3], file)  # sorted by path: plain stands before gzipped
            if file.path not in (first.path, f"{first.path}.gz"):
                raise _several(source, [first.path, file.path])
    return pairs


def _several(source: Source, paths: list[str]) -> BadInput:
    return BadInput(
        f"holds several sets: {', '.join(paths[:6])}",
        where=source.root,
        fix="Lay the files of one in a folder of their own",
    )


def _why(path: str) -> str:
    return "has no file beside it to pair with, or is there twice: left out" if _FILE.fullmatch(path) else _NONE


def _names(stated: ClassList | None, labels: list[NDArray[np.uint8]]) -> tuple[str, ...]:
    """The class key of each label; raises BadInput where the stated classes are fewer than the labels need."""
    if stated is not None:
        most = max((int(values.max()) for values in labels if len(values)), default=-1)
        if most >= len(stated):
            raise BadInput(f"lists {len(stated)} classes, and there is a label {most}", where="--classes")
        return stated.wnids
    if all(hashlib.sha256(values.tobytes()).hexdigest() in _FASHION_LABELS for values in labels):
        return _FASHION
    return tuple(map(str, range(256)))


def _array(source: Source, file: SourceFile) -> NDArray[np.uint8]:
    """The values of an IDX file of unsigned bytes, in its own shape; no more is read than its head says."""
    start = source.read_start(file)
    if start.startswith(b"\x1f\x8b"):
        data = _unpacked(source, file)
        have = len(data)
    else:
        wanted = _length(source, file, _shape(source, file, start))
        have = file.size
        data = source.read(file) if have == wanted else start
    shape = _shape(source, file, data)
    if have != (wanted := _length(source, file, shape)):
        says = f"has {'more' if have > wanted else have} bytes, and its head says {wanted}"
        raise BadInput(says, where=source.root, row=file.path, fix="Get it again")
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def _unpacked(source: Source, file: SourceFile) -> bytes:
    """A gzipped file: what its head says, and one byte more where there is more."""
    try:
        with gzip.open(io.BytesIO(source.read(file))) as stream:
            head = stream.read(16)
            wanted = _length(source, file, _shape(source, file, head))
            if wanted > _PACKED * file.size + 64:
                raise _claims(source, file, wanted)
            return head + stream.read(max(0, wanted + 1 - len(head)))
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(
            f"is no whole gzip file ({error})", where=source.root, row=file.path, fix="Get it again"
        ) from error


def _shape(source: Source, file: SourceFile, head: bytes) -> tuple[int, ...]:
    """The lengths of the axes: pictures (or labels), then height and width."""
    n_axes = head[3] if len(head) > 3 else 0
    if head[:3] != b"\0\0\x08" or n_axes not in (1, 3) or len(head) < 4 + 4 * n_axes:
        raise BadInput(
            "does not begin as an IDX file of unsigned bytes", where=source.root, row=file.path, fix="Get it again"
        )
    shape = tuple(int.from_bytes(head[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(n_axes))
    if n_axes == 3 and not 0 < shape[1] * shape[2] <= _PIXELS:
        raise BadInput(
            f"says that its pictures are {shape[2]} x {shape[1]} px",
            where=source.root,
            row=file.path,
            fix="Get it again",
        )
    return shape


def _length(source: Source, file: SourceFile, shape: tuple[int, ...]) -> int:
    """Bytes of a whole file of this shape; raises BadInput for more than memory should hold."""
    wanted = 4 + 4 * len(shape) + math.prod(shape)
    if wanted > _LARGEST:
        raise _claims(source, file, wanted)
    return wanted


def _claims(source: Source, file: SourceFile, wanted: int) -> BadInput:
    return BadInput(
        f"says that it holds {wanted} bytes, which it cannot", where=source.root, row=file.path, fix="Get it again"
    )


def _pngs(
    split: str, pictures: NDArray[np.uint8], labels: NDArray[np.uint8], names: tuple[str, ...]
) -> Iterator[Unpacked]:
    from PIL import Image

    for row, (picture, label) in enumerate(zip(pictures, labels.tolist(), strict=True)):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        yield Unpacked(f"{split}/{split}_{row:05d}.png", buffer.getvalue(), names[label])
