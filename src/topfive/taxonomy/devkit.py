"""The development kit of ILSVRC2012 (tasks 1 and 2): its synsets, its own class numbers, the validation labels."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN, BadInput, ClassList

N_CLASSES, N_SYNSETS, N_VALIDATION = 1000, 1860, 50_000
_META = "data/meta.mat"
_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_DEMO = "evaluation/demo.val.pred.txt"
_FIELDS = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images")
_FIX = "Use the official ILSVRC2012_devkit_t12.tar.gz (MD5 fa75699e90414af021442c21a62c3abf), or the folder in it"
_LARGEST = 64 << 20
"""Bytes unpacked: the official kit has 6 million. Guards against reading a packed set of pictures into memory."""


@dataclass(frozen=True, eq=False)
class Devkit:
    """The kit's content; entry i of the first six fields is the synset with `ILSVRC2012_ID` i + 1 (1860 of them).

    IDs 1 to 1000 are the classes, 1001 is the root. `children` are IDs; `heights` and `n_train_images` int32 [1860];
    `validation` int32 [50000] holds the ID of the class of each validation image in order of file name;
    `demo_predictions` is the text of the kit's sample submission, None where the kit lacks it.
    """

    wnids: tuple[str, ...]
    words: tuple[str, ...]
    glosses: tuple[str, ...]
    children: tuple[tuple[int, ...], ...]
    heights: NDArray[np.int32]
    n_train_images: NDArray[np.int32]
    validation: NDArray[np.int32]
    demo_predictions: str | None

    @cached_property
    def classes(self) -> ClassList:
        """The 1000 classes in order of wnid, named by their first word."""
        names = {wnid: words.split(", ")[0] for wnid, words in zip(self.wnids, self.words, strict=True)}
        wnids = tuple(sorted(self.wnids[:N_CLASSES]))
        return ClassList(wnids, tuple(names[wnid] for wnid in wnids))

    @cached_property
    def id_to_index(self) -> NDArray[np.int32]:
        """The class_index in `classes` of each ILSVRC2012_ID, int32 [1001]; UNKNOWN for 0, which is no ID."""
        return np.array([UNKNOWN, *(self.classes.index[wnid] for wnid in self.wnids[:N_CLASSES])], dtype=np.int32)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The ILSVRC2012_ID of each wnid: 1 to 1000 for the classes, above for the synsets over them."""
        return {wnid: number for number, wnid in enumerate(self.wnids, start=1)}

    @cached_property
    def validation_ids(self) -> tuple[str, ...]:
        """The image_id of each validation image."""
        return tuple(f"ILSVRC2012_val_{number:08d}" for number in range(1, N_VALIDATION + 1))


def read_devkit(path: Path) -> Devkit:
    """Read the kit from the official archive, without unpacking it to disk, or from a folder.

    Raises BadInput naming the file and the reason: an archive that is cut or damaged anywhere, a file that is missing,
    a count, number or label that does not fit.
    """
    path = Path(path)
    files = _from_folder(path) if path.is_dir() else _from_archive(path)
    for name in (_META, _TRUTH):
        if name not in files:
            raise BadInput(f"has no {name}", where=path, fix=_FIX)
    synsets = _synsets(files[_META], f"{path}: {_META}")
    demo = files.get(_DEMO)
    return Devkit(
        validation=_validation(files[_TRUTH], f"{path}: {_TRUTH}"),
        demo_predictions=None if demo is None else _text(demo, f"{path}: {_DEMO}"),
        **synsets,
    )


def _from_folder(path: Path) -> dict[str, bytes]:
    inner = path / "ILSVRC2012_devkit_t12"
    root = inner if inner.is_dir() else path
    try:
        return {name: (root / name).read_bytes() for name in (_META, _TRUTH, _DEMO) if (root / name).exists()}
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=error.filename or path, fix=_FIX) from error


def _from_archive(path: Path) -> dict[str, bytes]:
    # The whole stream is read first: only its end holds the checksum, and tarfile takes a damaged header for the end.
    try:
        with gzip.open(path) as stream:
            raw = stream.read(_LARGEST + 1)
    except EOFError as error:
        raise BadInput("is cut: it ends before its archive does", where=path, fix=_FIX) from error
    except zlib.error as error:
        raise BadInput(f"is damaged ({error})", where=path, fix=_FIX) from error
    except OSError as error:
        raise BadInput(f"cannot be read as a gzip archive ({error.strerror or error})", where=path, fix=_FIX) from error
    if len(raw) > _LARGEST:
        raise BadInput(f"unpacks to more than {_LARGEST} bytes, too much for a kit", where=path, fix=_FIX)
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
            for member in archive:
                name = "/".join(member.name.split("/")[-2:])
                if name not in (_META, _TRUTH, _DEMO) or not member.isfile():
                    continue
                if name in files:
                    raise BadInput(f"holds {name} twice", where=path, fix=_FIX)
                content = archive.extractfile(member)
                files[name] = content.read() if content else b""
    except tarfile.TarError as error:
        raise BadInput(f"is no whole tar archive ({error})", where=path, fix=_FIX) from error
    return files


def _synsets(raw: bytes, where: str) -> dict[str, Any]:
    rows = _load_mat(raw, where)
    if len(rows) != N_SYNSETS:
        raise BadInput(f"has {len(rows)} synsets, not {N_SYNSETS}", where=where, fix=_FIX)
    try:
        columns: Mapping[str, list[Any]] = {field: list(rows[field]) for field in _FIELDS}
        ids = [int(value) for value in columns["ILSVRC2012_ID"]]
        children = [tuple(int(child) for child in np.atleast_1d(value)) for value in columns["children"]]
        n_children = [int(value) for value in columns["num_children"]]
        heights = np.array([int(value) for value in columns["wordnet_height"]], dtype=np.int32)
        n_train_images = np.array([int(value) for value in columns["num_train_images"]], dtype=np.int32)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"a number in it is none ({error})", where=where, fix=_FIX) from error
    wnids = [str(value) for value in columns["WNID"]]
    for row in range(N_SYNSETS):
        wrong = (
            f"ILSVRC2012_ID {ids[row]} stands where {row + 1} is due"
            if ids[row] != row + 1
            else f"{wnids[row]!r} is no wnid"
            if not re.fullmatch("n[0-9]{8}", wnids[row])
            else f"num_children is {n_children[row]} but {len(children[row])} are named"
            if n_children[row] != len(children[row])
            else "a class has children, or a synset above the classes has none"
            if (n_children[row] == 0) != (row < N_CLASSES)
            else f"children {children[row]} are not all IDs"
            if any(not 1 <= child <= N_SYNSETS for child in children[row])
            else ""
        )
        if wrong:
            raise BadInput(wrong, where=where, row=f"synset {row + 1}", fix=_FIX)
    if len(set(wnids)) != N_SYNSETS:
        raise BadInput("a wnid stands twice", where=where, fix=_FIX)
    return {
        "wnids": tuple(wnids),
        "words": tuple(str(value) for value in columns["words"]),
        "glosses": tuple(str(value) for value in columns["gloss"]),
        "children": tuple(children),
        "heights": heights,
        "n_train_images": n_train_images,
    }


def _load_mat(raw: bytes, where: str) -> NDArray[Any]:
    from scipy.io import loadmat

    try:
        rows = np.atleast_1d(loadmat(io.BytesIO(raw), squeeze_me=True)["synsets"])
    except Exception as error:  # SciPy's reader fails on damaged bytes with errors of a dozen kinds
        raise BadInput(f"cannot be read as a MATLAB file with `synsets` ({error})", where=where, fix=_FIX) from error
    missing = [field for field in _FIELDS if field not in (rows.dtype.names or ())]
    if missing:
        raise BadInput(f"lacks the field {missing[0]}", where=where, fix=_FIX)
    return rows


def _validation(raw: bytes, where: str) -> NDArray[np.int32]:
    lines = _text(raw, where).splitlines()
    labels = np.zeros(len(lines), dtype=np.int32)
    for row, line in enumerate(lines):
        if not re.fullmatch(r"\s*[0-9]{1,4}\s*", line) or not 1 <= int(line) <= N_CLASSES:
            raise BadInput(f"{line[:40]!r} is no class ID from 1 to {N_CLASSES}", where=where, row=row + 1, fix=_FIX)
        labels[row] = int(line)
    if len(labels) != N_VALIDATION:
        raise BadInput(f"has {len(labels)} labels, not {N_VALIDATION}", where=where, fix=_FIX)
    return labels


def _text(raw: bytes, where: str) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadInput(f"is no plain text (byte {error.start})", where=where, fix=_FIX) from error
