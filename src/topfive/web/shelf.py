"""The classes of a workspace's public image set, counted once: what class pages show and thumbnails may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.records import UNKNOWN, Dataset


@dataclass(frozen=True)
class Shelf:
    """What may be shown of an image set: nothing of an image whose label is sealed but that there is one.

    `counts` maps a split to its labelled images of each class (int64 [K]), `hidden` to its number of images without
    a public label; `first_image` has one image_id of each class, or None; `ids` are the images with a public label.
    """

    dataset: Dataset
    counts: dict[str, NDArray[np.int64]]
    hidden: dict[str, int]
    first_image: tuple[str | None, ...]
    ids: pa.ChunkedArray

    @classmethod
    def of(cls, dataset: Dataset) -> Shelf:
        """Count a dataset."""
        manifest, n_classes = dataset.manifest, len(dataset.classes)
        known = manifest.class_index != UNKNOWN
        counts, hidden = {}, {}
        for name in manifest.splits():
            within = pc.equal(manifest.table["split"], name).to_numpy(zero_copy_only=False)
            if (within & known).any():
                counts[name] = np.bincount(manifest.class_index[within & known], minlength=n_classes)
            if (within & ~known).any():
                hidden[name] = int((within & ~known).sum())
        rows = np.flatnonzero(known)
        found, at = np.unique(manifest.class_index[rows], return_index=True)
        ids = manifest.table["image_id"]
        first: list[str | None] = [None] * n_classes
        for index, row in zip(found.tolist(), rows[at].tolist(), strict=True):
            first[index] = ids[row].as_py()
        return cls(dataset, counts, hidden, tuple(first), ids.filter(pa.array(known)))

    def has_image(self, image_id: str) -> bool:
        """Whether this is the id of an image with a public label."""
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
        """The classes whose key or name holds `words`, in their order; all of them for no words."""
        wanted = words.casefold().strip()
        classes = self.dataset.classes
        pairs = zip(classes.wnids, classes.names, strict=True)
        return [self.row(i) for i, pair in enumerate(pairs) if any(wanted in text.casefold() for text in pair)]
