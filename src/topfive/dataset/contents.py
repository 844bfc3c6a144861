"""What a release holds: the chosen images of a set, split by split, each read and checked against its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from topfive.dataset.ahead import map_ahead
from topfive.dataset.released import with_free_names
from topfive.dataset.shares import shares
from topfive.dataset.tar_header import folded
from topfive.loading import Pictures
from topfive.records import UNKNOWN, BadInput, ClassList, Dataset, Manifest, Progress

_WORKERS = 2
_UNSAFE = re.compile(r'^\.|[%/\\:*?"<>|\x00-\x1f\x7f-\x9f]')
_LONGEST = 180
_SUFFIXES = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n\x1a\n", ".png"))
PLACE = ("container", "offset", "size")
"""Columns that say where an image lay in the set it came from; a release has places of its own."""
TAKEN = ("file", "image", "label", "wnid")
"""Names that formats give to columns of their own."""


class Item(NamedTuple):
    """One image: its row in the contents, its bytes and their SHA-256; `key` and `suffix` name a file of it."""

    row: int
    image_id: str
    class_index: int
    data: bytes
    sha256: str
    key: str
    suffix: str


@dataclass(frozen=True)
class Contents:
    """`manifest` has the rows of the release, `per_shard` is the number of images a file holds at most."""

    name: str
    dataset: Dataset
    manifest: Manifest
    per_shard: int
    progress: Progress

    @property
    def classes(self) -> ClassList:
        """The classes of the release."""
        return self.manifest.classes

    @cached_property
    def splits(self) -> dict[str, int]:
        """Split name to number of images."""
        return self.manifest.splits()

    @cached_property
    def facts(self) -> pa.Table:
        """Every column but those of PLACE, in the contents' order, under names that no format has."""
        return with_free_names(self.manifest.table.drop_columns(list(PLACE)), TAKEN)

    def rows(self, split: str) -> NDArray[np.int64]:
        """The rows of a split, in the order of a hash of their ids: classes are mixed, and the same set gives the same
        order however its manifest is ordered."""
        rows = np.flatnonzero(self.manifest.column("split") == split)
        ids = self.manifest.column("image_id")[rows]
        drawn = shares(ids, "topfive release order")
        return rows[np.lexsort((ids.astype(str), drawn))]

    def shards(self, split: str) -> list[NDArray[np.int64]]:
        """The rows of a split in parts of `per_shard`."""
        rows = self.rows(split)
        return [rows[start : start + self.per_shard] for start in range(0, len(rows), self.per_shard)]

    def items(self, rows: Sequence[int] | NDArray[np.int64]) -> Iterator[Item]:
        """These images in order; raises BadInput naming the first whose bytes are not those of the manifest."""
        return map_ahead(self._item, np.asarray(rows).tolist(), _WORKERS)

    def counted(self, n: int) -> None:
        """Say that `n` more images are written."""
        self._done[0] += n
        self.progress("exporting", self._done[0], len(self.manifest), "images")

    def wnid(self, class_index: int) -> str:
        """The key of a class, empty where the label is unknown."""
        return "" if class_index == UNKNOWN else self.classes.wnids[class_index]

    @cached_property
    def _done(self) -> list[int]:
        return [0]

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self.dataset, self.manifest)

    @cached_property
    def _keys(self) -> list[str]:
        """A file name for each image, which differ on any file system: ids that would be one there are hashed too."""
        ids = self._pictures.ids
        names = [file_name(one) for one in ids]
        for row in np.flatnonzero(_together(names)).tolist():
            names[row] = shortened(names[row], ids[row])
        again = np.flatnonzero(_together(names))
        if len(again):
            raise BadInput(
                "would have the file name of another image where case makes no difference",
                where=self.dataset.root,
                row=f"image {ids[int(again[0])]}",
                fix="Give it another id",
            )
        return names

    @cached_property
    def _sha256(self) -> NDArray[Any]:
        return self.manifest.column("sha256")

    def _item(self, row: int) -> Item:
        data = self._pictures.read(row)
        digest = hashlib.sha256(data).hexdigest()
        image_id = self._pictures.ids[row]
        if self._sha256[row] and digest != self._sha256[row]:
            raise BadInput(
                f"its bytes have changed (SHA-256 {digest[:12]}, imported as {self._sha256[row][:12]})",
                where=self.dataset.root,
                row=f"image {image_id}",
                fix="`topfive dataset verify` lists every picture that is not as it was",
            )
        suffix = next((suffix for magic, suffix in _SUFFIXES if data.startswith(magic)), ".bin")
        return Item(row, image_id, int(self.manifest.class_index[row]), data, digest, self._keys[row], suffix)


def file_name(text: str) -> str:
    """`text` as the name of a file or folder: what some system forbids is written `%2F`, what is too long is hashed."""
    name = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text)
    return name if len(name.encode()) <= _LONGEST else shortened(name, text)


def shortened(name: str, text: str) -> str:
    """A name cut to 180 bytes at most, which ends in a hash of `text`."""
    return name.encode()[: _LONGEST - 33].decode(errors="ignore") + "-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _together(names: Sequence[str]) -> NDArray[np.bool_]:
    """Which names are those of another too, where case and Unicode form make no difference."""
    code = folded(pa.array(names, pa.string())).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return np.asarray(np.bincount(code)[code] > 1) if len(code) else np.zeros(0, np.bool_)
