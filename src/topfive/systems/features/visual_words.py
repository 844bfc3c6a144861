"""Visual words as a picture: which component of the vocabulary stands at each place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito's colours, told apart by people with any colour vision; words past the eighth share them.
_COLOURS = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
        (120, 120, 120),
    ],
    dtype=np.float64,
)


def word_map(
    picture: NDArray[np.uint8], centres: NDArray[np.float32], words: NDArray[np.integer], step_px: int
) -> NDArray[np.uint8]:
    """The picture in pale grey, tinted around each centre (x, y) [N, 2] in its word's colour; uint8 [h, w, 3]."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    columns, rows = np.unique(centres[:, 0]), np.unique(centres[:, 1])
    near_x, near_y = (np.abs(axis[..., None] - lines).argmin(axis=-1) for axis, lines in ((x, columns), (y, rows)))
    at = {(float(cx), float(cy)): int(word) for (cx, cy), word in zip(centres, words, strict=True)}
    grid = np.array([[at.get((float(cx), float(cy)), -1) for cx in columns] for cy in rows])
    word = grid[near_y, near_x]
    # Beyond half a step there is no descriptor: the border is left as it is.
    far = (np.abs(x - columns[near_x]) > step_px) | (np.abs(y - rows[near_y]) > step_px) | (word < 0)
    pale = 128 + 0.5 * (picture.astype(np.float64) @ (0.299, 0.587, 0.114))[..., None] * np.ones(3)
    tinted = 0.45 * pale + 0.55 * _COLOURS[word % len(_COLOURS)]
    return np.where(far[..., None], pale, tinted).round().astype(np.uint8)
