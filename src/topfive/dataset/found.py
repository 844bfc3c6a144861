"""What an importer finds in a source, and the rules that all importers share: which file is a picture, which class a
folder is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.dataset.reports import Problem
from topfive.dataset.source import Source, SourceFile
from topfive.records import SPLITS, UNKNOWN, BadInput, ClassList
from topfive.taxonomy import wordnet

_WNID = re.compile(r"n\d{8}")
_SUFFIXES = frozenset({"jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff"})
PICTURE_SUFFIX = rf"(?i)\.({'|'.join(sorted(_SUFFIXES))})$"
"""The same as a regular expression for columns of names."""
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


class FoundImage(NamedTuple):
    """A picture of a source: its file, its class (None where the source does not say) and its split; `image_id` only
    where the source states one that its path does not."""

    file: SourceFile
    wnid: str | None
    split: str
    image_id: str = ""


@dataclass(frozen=True, eq=False)
class Images:
    """A source's pictures as columns of one length: `path` in the source, the `container` that holds their bytes
    [offset, offset + size) (a file, absolute, or relative to the folder that is made), `class_index` and `split`.

    `image_id` is empty where the path says it, and None where all paths do. `facts` are the columns beside these that
    a release states (`stated_facts`), with empty cells where it does not.
    """

    path: pa.StringArray
    container: pa.DictionaryArray
    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    class_index: NDArray[np.int32]
    split: pa.DictionaryArray
    image_id: pa.StringArray | None = None
    facts: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.path)

    @classmethod
    def one_by_one(cls, images: Sequence[FoundImage], classes: ClassList, facts: pa.Table | None = None) -> Images:
        """From records: for sources of at most some hundred thousand pictures."""
        index = [UNKNOWN if image.wnid is None else classes.index[image.wnid] for image in images]
        return cls(
            pa.array([image.file.path for image in images], pa.string()),
            pa.array([image.file.container for image in images], pa.string()).dictionary_encode(),
            np.array([image.file.offset for image in images], np.int64),
            np.array([image.file.size for image in images], np.int64),
            np.array(index, np.int32),
            pa.array([image.split for image in images], pa.string()).dictionary_encode(),
            pa.array([image.image_id for image in images], pa.string()) if any(i.image_id for i in images) else None,
            facts,
        )

    @classmethod
    def joined(cls, parts: Sequence[Images]) -> Images:
        """All pictures of several parts, whose paths say their ids; raises ValueError for none."""
        return cls(
            pa.concat_arrays([part.path for part in parts]),
            _joined([part.container for part in parts]),
            np.concatenate([part.offset for part in parts]),
            np.concatenate([part.size for part in parts]),
            np.concatenate([part.class_index for part in parts]),
            _joined([part.split for part in parts]),
        )

    def in_order(self) -> Images:
        """Sorted by split (train, val, test), then path."""
        rank = np.array([SPLITS.index(name) for name in self.split.dictionary.to_pylist()], np.int8)
        code = self.split.indices.to_numpy(zero_copy_only=False)
        table = pa.table({"split": rank[code], "path": self.path})
        order = pc.sort_indices(table, [("split", "ascending"), ("path", "ascending")])
        rows = order.to_numpy()
        return Images(
            self.path.take(order),
            self.container.take(order),
            self.offset[rows],
            self.size[rows],
            self.class_index[rows],
            self.split.take(order),
            None if self.image_id is None else self.image_id.take(order),
            None if self.facts is None else self.facts.take(order),
        )


class Container(NamedTuple):
    """A file or folder that a set is about: pictures lie in it (`archive`, `folder`), or facts on them (`facts`).

    `size` in bytes and the digests are empty where they are not known, or it is a folder.
    """

    path: str
    kind: Literal["archive", "folder", "facts"]
    size: int | None = None
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """All pictures of a source, its classes in their final order, and what was left out.

    `containers` is for sources that are several files (else it is the source); `beside` are tables to write beside the
    manifest, by file name.
    """

    images: Images
    classes: ClassList
    problems: tuple[Problem, ...]
    containers: tuple[Container, ...] = ()
    beside: Mapping[str, pa.Table] = field(default_factory=dict)


def stems(paths: pa.StringArray) -> pa.StringArray:
    """File names without folder and suffix (a name that is all suffix stays)."""
    names = pc.replace_substring_regex(paths, pattern=r"^.*/", replacement="")
    return pc.replace_substring_regex(names, pattern=r"^(.+)\.[^.]*$", replacement=r"\1")


def is_wnid(name: str) -> bool:
    """Whether a name has the shape of a noun synset's wnid."""
    return _WNID.fullmatch(name) is not None


def class_list(keys: Iterable[str], where: str | Path) -> ClassList:
    """Sorted classes with WordNet's names; raises BadInput for a key of a wnid's shape that WordNet 3.0 lacks."""
    return named_classes(sorted(set(keys)), where)


def named_classes(keys: Sequence[str], where: str | Path) -> ClassList:
    """As `class_list`, in the order given; raises BadInput too for a key that stands twice, for two that look alike,
    and for a wnid in another spelling."""
    graph = wordnet() if any(is_wnid(key) for key in keys) else None
    alike: dict[str, str] = {}
    names = []
    for key in keys:
        same = alike.setdefault(unicodedata.normalize("NFC", key).strip(), key)
        meant = key.strip().lower()
        if same != key or (meant != key and is_wnid(meant)):
            raise BadInput(
                f"is {same!r} in another spelling" if same != key else f"is the wnid {meant} in another spelling",
                where=where,
                row=f"class {key!r}",
                fix="Give both one name" if same != key else f"Write {meant}",
            )
        if graph is None or not is_wnid(key):
            names.append(key)
            continue
        if key not in graph:
            raise BadInput(
                "is no noun synset of WordNet 3.0",
                where=where,
                row=f"class {key}",
                fix="Mend the wnid, or name the folder otherwise if it is no wnid",
            )
        names.append(graph.lemmas(key)[0].replace("_", " "))
    classes = ClassList(tuple(keys), tuple(names))
    classes.check(where)
    return classes


def is_hidden(path: str) -> bool:
    """Whether a part of a path begins with a dot, or is a Mac's archive folder: no picture or class of anybody's."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def has_picture_suffix(path: str) -> bool:
    """Whether the name ends as pictures' names do (those of unread formats too, so that they are named, not missed)."""
    return path.rpartition("/")[2].rpartition(".")[2].lower() in _SUFFIXES


def is_picture(source: Source, file: SourceFile) -> bool:
    """Whether a file is meant as a picture: by its suffix, else by its first bytes. Hidden files never are."""
    if is_hidden(file.path):
        return False
    return has_picture_suffix(file.path) or source.read_start(file).startswith(_MAGIC)


def _joined(parts: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    return pa.chunked_array(parts).unify_dictionaries().combine_chunks()
