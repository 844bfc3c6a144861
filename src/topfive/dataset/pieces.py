"""A piece of a set: some of its rows and what is known of their files, all that another process needs to read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.records import ClassList, Dataset, Manifest

_COLUMNS = ("image_id", "container", "offset", "size", "sha256", "width", "height")
_NO_CLASSES = ClassList((), ())


class Part(NamedTuple):
    """A piece of a set, and whether its files are read whole, for their own digests too."""

    piece: Dataset
    whole: bool


class Pieces:
    """Cuts one set. A piece is small (100 bytes a picture), is pickled whole, and has neither labels nor classes."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._entries = {str(entry["contentUrl"]): entry for entry in file_objects(dataset)}

    def of(self, rows: NDArray[np.int64], files: Iterable[str] = ()) -> Dataset:
        """The rows at these positions, with the entries of their containers and of `files` in `dataset.json`."""
        table = self._dataset.manifest.take(rows).table.select(list(_COLUMNS))
        names = dict.fromkeys((*files, *table["container"].unique().to_pylist()))
        about = {"distribution": [self._entries[name] for name in names if name in self._entries]}
        return Dataset(self._dataset.root, Manifest(table, _NO_CLASSES), about)


def file_objects(dataset: Dataset) -> list[dict[str, Any]]:
    """The entries of `dataset.json` about files that lie somewhere."""
    entries = dataset.about.get("distribution", [])
    return [entry for entry in entries if entry.get("@type") == "cr:FileObject" and "contentUrl" in entry]
