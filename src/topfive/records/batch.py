"""Batch: decoded images on their way to a system; uint8, since mean and std belong to the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.records.errors import BadInput


@dataclass(frozen=True)
class Batch:
    """`ids` of n images, `images` uint8 [n, h, w, 3] in RGB, `class_index` int32 [n] or None where hidden."""

    ids: tuple[str, ...]
    images: NDArray[np.uint8]
    class_index: NDArray[np.int32] | None

    def __len__(self) -> int:
        return len(self.ids)

    def check(self) -> None:
        """Raise BadInput where shapes or dtypes differ from the contract."""
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            raise BadInput(
                f"images are {self.images.dtype}{list(self.images.shape)}, not uint8 [n, h, w, 3]",
                where="batch",
            )
        if len(self.ids) != len(self.images) or (
            self.class_index is not None and len(self.class_index) != len(self.ids)
        ):
            raise BadInput("ids, images and labels differ in number", where="batch")
