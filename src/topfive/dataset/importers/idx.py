"""IDX: raw grey pictures and labels as MNIST and its family have them, plain or gzipped."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.dataset.found import Found, FoundImage, Images, class_list
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.shards import write_out, written
from topfive.dataset.source import Source, SourceFile
from topfive.records import BadInput, Progress, counted

TITLE = "IDX files (MNIST, Fashion-MNIST and their kin)"
ORDER = 20

_FILE = re.compile(r"(?:.*/)?(.*?)(train|t10k|test|val)-(images|labels)[-.]idx([13])-ubyte(?:\.gz)?")
_SPLITS = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
_LARGEST = 4 << 30
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
    return any("images" in parts and "labels" in parts for parts in _pairs(source).values())


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Each picture is written into the set as a PNG; classes are Fashion-MNIST's wnids where the labels are its own.

    Any other labels are classes named by their number. Raises BadInput for a file that is damaged, cut short or too
    long, and where pictures and labels are not as many.
    """
    images: list[FoundImage] = []
    problems = list(source.problems)
    read_files: set[str] = set()
    found: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]] = []
    fashion = False
    for (_, part), files in sorted(_pairs(source).items()):
        if set(files) != {"images", "labels"}:
            continue
        pictures, labels = (_array(source, files[kind]) for kind in ("images", "labels"))
        if len(pictures) != len(labels):
            raise BadInput(
                f"holds {len(labels)} labels for {len(pictures)} pictures", where=source.root, row=files["labels"].path
            )
        fashion |= hashlib.sha256(labels.tobytes()).hexdigest() in _FASHION_LABELS
        found.append((_SPLITS[part], pictures, labels))
        read_files |= {file.path for file in files.values()}
    problems += [Problem(f.path, "is no IDX file: left out") for f in source.files if f.path not in read_files]
    for split, pictures, labels in found:
        drawn = _pngs(split, pictures, labels, fashion)
        images += write_out(into, split, counted(drawn, f"writing {split}", len(labels), progress, "images"))
    classes = class_list([image.wnid for image in images if image.wnid is not None], source.root)
    return Found(Images.one_by_one(images, classes), classes, tuple(problems), written(into))


def _pairs(source: Source) -> dict[tuple[str, str], dict[str, SourceFile]]:
    pairs: dict[tuple[str, str], dict[str, SourceFile]] = {}
    for file in source.files:
        match = _FILE.fullmatch(file.path)
        if match and (match[3], match[4]) in (("images", "3"), ("labels", "1")):
            pairs.setdefault((match[1], match[2]), {})[match[3]] = file
    return pairs


def _array(source: Source, file: SourceFile) -> NDArray[np.uint8]:
    """The values of an IDX file of unsigned bytes, in its own shape; its length must be what its head says."""
    data = source.read(file)
    if data.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(io.BytesIO(data)) as unpacked:
                data = unpacked.read(_LARGEST)
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(f"is no whole gzip file ({error})", where=source.root, row=file.path) from error
    n_axes = data[3] if len(data) > 3 else 0
    if data[:3] != b"\0\0\x08" or n_axes not in (1, 3) or len(data) < 4 + 4 * n_axes:
        raise BadInput("does not begin as an IDX file of unsigned bytes", where=source.root, row=file.path)
    shape = tuple(int.from_bytes(data[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(n_axes))
    wanted = 4 + 4 * n_axes + int(np.prod(shape, dtype=np.uint64))
    if len(data) != wanted:
        raise BadInput(
            f"has {len(data)} bytes, and its head says {wanted}", where=source.root, row=file.path, fix="Get it again"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * n_axes).reshape(shape)


def _pngs(
    split: str, pictures: NDArray[np.uint8], labels: NDArray[np.uint8], fashion: bool
) -> Iterator[tuple[str, bytes, str]]:
    from PIL import Image

    for row, (picture, label) in enumerate(zip(pictures, labels.tolist(), strict=True)):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        yield f"{split}/{split}_{row:05d}.png", buffer.getvalue(), _FASHION[label] if fashion else str(label)
