"""Pictures as they look through a corruption: what `imagenet-c/generated` shows a system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.corruptions import check_corruption, corrupt
from topfive.loading.pictures import Pictures
from topfive.records import BadInput, Batch, View


class CorruptedPictures(Pictures):
    """The same pictures, each crop corrupted after the View and before the system.

    What happens to a picture depends on (seed, kind, severity, image_id) alone: not on its place, batch or thread.
    """

    def __init__(self, pictures: Pictures, kind: str, severity: int, *, seed: int = 0) -> None:
        check_corruption(kind, severity)
        self._source = pictures
        self.kind, self.severity, self.seed = kind, severity, seed
        self.dataset, self.manifest, self.classes = pictures.dataset, pictures.manifest, pictures.classes
        self.ids, self.class_index, self.workers = pictures.ids, pictures.class_index, pictures.workers

    def seen(self, i: int, view: View) -> NDArray[np.uint8]:
        """Image i through the view and the corruption, uint8 [crop, crop, 3]."""
        return corrupt(self._source.seen(i, view), self.kind, self.severity, seed=self.seed, image_id=self.ids[i])

    def read(self, i: int) -> bytes:
        """The file as it lies, without the corruption."""
        return self._source.read(i)

    def decoded(self, i: int, view: View) -> Image.Image:
        """Refused: corruptions have their size in the View's crop, and there is no such thing as a larger one."""
        raise BadInput(
            "are defined on the View's own crop", where="corruptions", fix="Use the protocol 1-crop with them"
        )

    def cropped(self, *args: Any, **kwargs: Any) -> Iterator[Batch]:
        """Refused: these are for evaluation."""
        raise BadInput("are for evaluation", where="corruptions", fix="Train on the pictures themselves")

    def take(self, positions: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Pictures:
        """The corrupted images at these positions, or where this mask is true."""
        return CorruptedPictures(self._source.take(positions), self.kind, self.severity, seed=self.seed)
