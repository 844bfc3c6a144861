"""Pictures on their way into a network: kept as uint8, turned to floats a batch at a time, shifted in colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from topfive.loading import Pictures, draws, uniform
from topfive.records import Progress, View, silent

_COLOUR_SAMPLE = 4_096
"""Pictures that the colour components are computed from, evenly spaced; more move the eigenvalues by under 1 %."""


class Store:
    """The pictures of a split seen through a view: in memory where they fit in `limit_mb`, else decoded when asked for.

    Both ways give the same pixels, so a recipe's result does not depend on the memory at hand.
    """

    def __init__(self, pictures: Pictures, view: View, limit_mb: int, progress: Progress = silent) -> None:
        self.pictures = pictures
        self.view = view
        n_bytes = len(pictures) * view.crop_px**2 * 3
        self._kept = pictures.arrays(view, progress) if n_bytes <= limit_mb * 2**20 else None

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures at these positions, uint8 [n, px, px, 3]."""
        return self.pictures.take(positions).arrays(self.view) if self._kept is None else self._kept[positions]

    def batches(self, positions: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.uint8]]:
        """The pictures at these positions in their order, uint8 [n, px, px, 3]; the last batch may be short."""
        if self._kept is None:
            for batch in self.pictures.take(positions).batches(self.view, batch_size):
                yield batch.images
        else:
            for start in range(0, len(positions), batch_size):
                yield self._kept[positions[start : start + batch_size]]


def floats(
    images: NDArray[np.uint8],
    view: View,
    device: str | torch.device = "cpu",
    colour: NDArray[np.float32] | None = None,
    spoil: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """uint8 [n, h, w, 3] to (x / 255 + colour - mean) / std, float32 [n, 3, h, w] in channels-last memory.

    `colour` is one RGB shift a picture, [n, 3]; `spoil` changes the pixels in [0, 1], [n, 3, h, w], before that.
    """
    n, height, width, _ = images.shape
    std = np.array(view.std)
    scale = np.tile((1.0 if spoil else 1.0 / 255.0) / std, width).astype(np.float32)
    moved = (np.zeros((1, 3)) if colour is None else colour) - np.array(view.mean)
    shift = np.tile(moved / std, (1, width)).astype(np.float32)[:, None]
    # Rows of width x 3 values: torch vectorises along the last axis, and 3 channels alone would run at a tenth of it.
    pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device).view(n, height, width * 3)
    if spoil:
        planes = (pixels.float() / 255.0).view(n, height, width, 3).permute(0, 3, 1, 2)
        pixels = spoil(planes).permute(0, 2, 3, 1).reshape(n, height, width * 3)
    rows = torch.from_numpy(shift).to(device) + pixels * torch.from_numpy(scale).to(device)
    return rows.view(n, height, width, 3).permute(0, 3, 1, 2)


def principal_colours(store: Store) -> NDArray[np.float64]:
    """The three eigenvectors of the RGB covariance, each times its eigenvalue, for pixels in [0, 1]: float64 [3, 3].

    Row i is lambda_i p_i of the AlexNet paper (section 4.1). The formula is not scale-free; [0, 1] is the scale at
    which its shifts are about 5 grey levels at sigma 0.1 on photographs, on 0-255 they would exceed 1,000.
    """
    n = len(store)
    chosen = np.unique(np.linspace(0, n - 1, min(n, _COLOUR_SAMPLE)).astype(np.int64))
    count, total, products = 0, np.zeros(3), np.zeros((3, 3))
    for images in store.batches(chosen, 64):
        flat = images.reshape(-1, 3).astype(np.float32) / np.float32(255.0)
        count += len(flat)
        total += flat.sum(axis=0, dtype=np.float64)
        products += (flat.T @ flat).astype(np.float64)
    mean = total / count
    values, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
    # An eigenvector's sign is free, but must not depend on the LAPACK at hand: its largest part is made positive.
    signs = np.sign(vectors[np.argmax(np.abs(vectors), axis=0), range(3)])
    return np.asarray((vectors * signs * np.maximum(values, 0.0)).T)


def colour_shift(
    components: NDArray[np.float64], sigma: float, *, seed: int, epoch: int, positions: NDArray[np.integer[Any]]
) -> NDArray[np.float32]:
    """The RGB shift of each picture in [0, 1] units, float32 [n, 3]: a normal draw a component, picture and epoch."""
    share = np.stack([uniform(draws(f"colour {i}", seed, epoch, positions)) for i in range(4)])
    # Box and Muller: two uniforms make two normals, so four make the three that are needed.
    radius, angle = np.sqrt(-2.0 * np.log(share[:2])), 2.0 * np.pi * share[2:]
    normal = np.stack([radius[0] * np.cos(angle[0]), radius[0] * np.sin(angle[0]), radius[1] * np.cos(angle[1])])
    return (sigma * normal.T @ components).astype(np.float32)
