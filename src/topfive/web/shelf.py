"""The classes of a workspace's public image set, ready to be looked up: what class pages show and thumbnails may serve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.records import UNKNOWN, Dataset


@dataclass(frozen=True)
class Shelf:
    """`counts` maps a split to its labelled images of each class, int64 [K], `hidden` to its images whose label is sealed;
    `first_image` is an image of each class (None where there is none), `ids` are the images whose label is public."""

    dataset: Dataset
    counts: dict[str, NDArray[np.int64]]
    hidden: dict[str, int]
    first_image: tuple[str | None, ...]
    ids: pa.ChunkedArray

    @classmethod
    def of(cls, dataset: Dataset) -> Shelf:
        """Count once what every page asks for."""
        manifest, n_classes = dataset.manifest, len(dataset.classes)
        known = manifest.class_index != UNKNOWN
        split = manifest.column("split")
        counts, hidden = {}, {}
        for name in manifest.splits():
            within = split == name
            labelled = manifest.class_index[within & known]
            if len(labelled):
                counts[name] = np.bincount(labelled, minlength=n_classes)
            if n_hidden := int((within & ~known).sum()):
                hidden[name] = n_hidden
        rows = np.flatnonzero(known)
        found, at = np.unique(manifest.class_index[rows], return_index=True)
        ids = manifest.table["image_id"]
        first: list[str | None] = [None] * n_classes
        for index, row in zip(found.tolist(), rows[at].tolist(), strict=True):
            first[index] = ids[row].as_py()
        return cls(dataset, counts, hidden, tuple(first), ids.filter(pa.array(known)))

    def has_image(self, image_id: str) -> bool:
        """Whether this is an image whose label is public."""
        return int(pc.index(self.ids, pa.scalar(image_id, pa.string())).as_py()) >= 0

    def row(self, index: int) -> dict[str, Any]:
        """One class: position, key, name and number of images in each split."""
        classes = self.dataset.classes
        return {
            "class_index": index,
            "wnid": classes.wnids[index],
            "name": classes.names[index],
            "n_images": {split: int(counts[index]) for split, counts in self.counts.items()},
        }

    def rows(self, words: str = "") -> list[dict[str, Any]]:
        """The classes whose key or name holds `words`, in their order; all for no words."""
        wanted = words.casefold().strip()
        classes = self.dataset.classes
        names = zip(classes.wnids, classes.names, strict=True)
        return [self.row(i) for i, pair in enumerate(names) if any(wanted in text.casefold() for text in pair)]


@lru_cache(maxsize=1)
def _last() -> list[Shelf]:
    return []


def shelf_of(dataset: Dataset) -> Shelf:
    """The shelf of a dataset, kept as long as the same dataset is asked for."""
    kept = _last()
    if not kept or kept[0].dataset is not dataset:
        kept[:] = [Shelf.of(dataset)]
    return kept[0]
