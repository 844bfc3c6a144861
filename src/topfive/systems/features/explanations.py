"""What a network looks at, as pictures: its first filters, and where a grey square takes its answer away."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from topfive.loading.views import apply_view
from topfive.records import BadInput
from topfive.systems.engine import FittedNetwork
from topfive.systems.engine.pixels import floats
from topfive.systems.features.occlusion import importance, occlusion, tinted

Picture = NDArray[np.uint8]


class ExplainedNetwork(FittedNetwork):
    """A fitted network that shows what it looks at in a picture."""

    @classmethod
    def of(cls, fitted: FittedNetwork) -> FittedNetwork:
        """The same network, able to explain itself."""
        return cls(
            fitted.network,
            system=fitted.system,
            architecture=fitted.architecture,
            classes=fitted.classes,
            view=fitted.view,
            device=str(fitted.device),
        )

    def explain(self, picture: Picture) -> list[tuple[str, Picture]]:
        """Titles and pictures uint8 [h, w, 3] for one picture uint8 [h, w, 3]; raises BadInput for other arrays."""
        seen = self.seen(picture)
        first = next(layer for layer in self.network.modules() if isinstance(layer, nn.Conv2d))
        return [
            ("What the network sees", seen),
            self.occlusion(seen),
            ("Filters of the first layer", tiled_filters(first.weight.detach().cpu().numpy())),
        ]

    def seen(self, picture: Picture) -> Picture:
        """The picture through the network's view; raises BadInput where it is no uint8 [h, w, 3]."""
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
            raise BadInput(f"is {picture.dtype} {list(picture.shape)}, not uint8 [h, w, 3]", where="picture")
        return apply_view(picture, self.view)

    def occlusion(self, seen: Picture) -> tuple[str, Picture]:
        """Where a square of the mean colour, a quarter of the side wide, lowers the probability of the answer."""
        answer = int(self._probabilities(seen[None])[0].argmax())
        grey = np.round(255 * np.array(self.view.mean)).astype(np.uint8)
        sure, covered = occlusion(lambda images: self._probabilities(images)[:, answer], seen, grey)
        drop = importance(sure - covered, seen.shape[0])
        name = self.classes.names[answer]
        title = f"Where a grey square lowers the probability of {name} ({sure:.2f}, at worst {covered.min():.2f})"
        return title, tinted(seen, drop)

    @torch.inference_mode()
    def _probabilities(self, images: Picture) -> NDArray[np.float64]:
        """float64 [n, K] of pictures as seen; few at a time, a published network holds 100 MB a picture."""
        parts = [
            self.network(floats(images[i : i + 16], self.view, self.device)).double().softmax(1).cpu().numpy()
            for i in range(0, len(images), 16)
        ]
        return np.concatenate(parts)


def about_grey(values: NDArray[np.float32]) -> Picture:
    """Signed values as levels about 128, the largest magnitude at the end of the range."""
    peak = max(float(np.abs(values).max()), 1e-12)
    return np.round(128 + 127 * (values / peak)).astype(np.uint8)


def tiled_filters(weights: NDArray[np.float32]) -> Picture:
    """Filters [n, 3, k, k] side by side, each about grey at its own scale, as one uint8 [h, w, 3] on white."""
    n, _, k, _ = weights.shape
    columns = int(np.ceil(np.sqrt(1.5 * n)))
    # Enlarged to 24 px at least: filters of 3 px could not be seen.
    zoom, gap = max(1, -(-24 // k)), 2
    tile = k * zoom + gap
    sheet = np.full((-(-n // columns) * tile + gap, columns * tile + gap, 3), 255, dtype=np.uint8)
    for i, one in enumerate(weights):
        top, left = gap + i // columns * tile, gap + i % columns * tile
        large = about_grey(one.transpose(1, 2, 0)).repeat(zoom, axis=0).repeat(zoom, axis=1)
        sheet[top : top + k * zoom, left : left + k * zoom] = large
    return sheet
