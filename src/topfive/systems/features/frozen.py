"""Frozen features of a named backbone: EfficientNet-Lite with its ImageNet weights, or the network of a run folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Progress, View, silent

if TYPE_CHECKING:
    import torch

    from topfive.systems.models import OpenModel

Floats = NDArray[np.float32]

LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
_DEPTHS = (1, 4)
"""Last blocks whose class tokens DINOv2's heads see."""


class Backbone:
    """A network that is not trained any further. `name` is one of `LITES` or a run folder.

    `view` is what it has learnt to see, `contaminated` what it has probably learnt from, `run_id` names its run.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.run_id = ""
        self.fitted: Any = None
        self.contaminated: Literal["likely", "no", "unknown"] = "likely"
        if name in LITES:
            from topfive.systems.weights.efficientnet_lite import LITES as KNOWN

            self.view = KNOWN[name].view
            return
        if not name or not Path(name).is_dir():
            raise BadInput(
                "is no backbone", where=name or "backbone", fix=f"Backbones: {', '.join(LITES)}, or a run folder"
            )
        from topfive.systems.models import contamination
        from topfive.systems.predict import load_fitted

        self.fitted, run = load_fitted(Path(name))
        self.run_id = run.run_id
        if not hasattr(self.fitted, "features"):
            raise BadInput("has no features to be read", where=name, fix="Name the run folder of a neural landmark")
        self.view = self.fitted.view
        self.contaminated = contamination(self.fitted)

    @property
    def digest(self) -> str:
        """What it is: its run's id, else its name (a Lite's weights are checked against one digest when opened)."""
        return self.run_id or self.name

    def features(
        self,
        pictures: Pictures,
        view: View,
        *,
        batch_size: int = 64,
        progress: Progress = silent,
        device: str = "cpu",
    ) -> Floats:
        """What its last layer sees, float32 [n, d]; the same for a picture whatever pictures stand beside it.

        The network of a run stays on the device it loads on.
        """
        if self.fitted is not None:
            self.fitted.view = view
            found: Floats = self.fitted.features(pictures, batch_size=batch_size, progress=progress)
            return found
        from topfive.systems.models import torch_run
        from topfive.systems.weights.efficientnet_lite import FEATURES, open_lite

        run = torch_run(open_lite(self.name, classifier=False), device)
        out = np.empty((len(pictures), FEATURES), dtype=np.float32)
        done = 0
        for part in run((batch.images for batch in pictures.batches(view, batch_size)), view):
            out[done : done + len(part)] = part
            done += len(part)
            progress("frozen features", done, len(pictures), "images")
        return out

    def inputs(
        self,
        pictures: Pictures,
        view: View,
        *,
        batch_size: int = 64,
        progress: Progress = silent,
        device: str = "cpu",
    ) -> dict[str, Floats]:
        """DINOv2's inputs by name: of a ViT the class tokens of its last 1 or 4 blocks, alone (`1`, `4`) or with the
        mean patch token of the last (`1+mean`, `4+mean`); of any other network its `features`."""
        network: Any = getattr(self.fitted, "network", None)
        if not hasattr(network, "forward_intermediates") or getattr(network, "cls_token", None) is None:
            return {"features": self.features(pictures, view, batch_size=batch_size, progress=progress, device=device)}
        from topfive.systems.engine.fitted import slice_scores

        depth = min(max(_DEPTHS), len(network.blocks))
        images = (batch.images for batch in pictures.batches(view, batch_size))
        parts: list[Floats] = []
        for part in slice_scores(lambda x: tokens(network, x, depth), images, view, self.fitted.device):
            parts.append(part)
            progress("frozen features", sum(map(len, parts)), len(pictures), "images")
        whole = np.concatenate(parts).reshape(len(pictures), depth + 1, -1)
        found = {}
        for n in sorted({min(n, depth) for n in _DEPTHS}):
            last = whole[:, depth - n : depth]
            found[f"{n}"] = last.reshape(len(pictures), -1).copy()
            found[f"{n}+mean"] = whole[:, depth - n :].reshape(len(pictures), -1).copy()
        return found

    def to_json(self, folder: Path) -> dict[str, str]:
        """How a file in `folder` remembers it: by name, or by the way to its run and the run's id."""
        if self.fitted is None:
            return {"backbone": self.name}
        return {"backbone": os.path.relpath(Path(self.name).resolve(), Path(folder).resolve()), "run": self.run_id}

    @classmethod
    def from_json(cls, value: dict[str, Any], folder: Path) -> Backbone:
        """The inverse of `to_json`; raises BadInput where the run is gone or is another one."""
        name = str(value["backbone"])
        if "run" not in value:
            if name not in LITES:
                raise BadInput(f"belongs to another backbone, {name!r}", where=folder)
            return cls(name)
        place = Path(os.path.normpath(Path(folder).resolve() / name))
        if not place.is_dir():
            raise BadInput("is gone, and features cannot be read without it", where=place, fix="Put the run back")
        found = cls(str(place))
        if found.run_id != value["run"]:
            raise BadInput(
                f"holds run {found.run_id}, the features are of {value['run']}", where=place, fix="Fit it anew"
            )
        return found


class OpenBackbone:
    """The network of a model from elsewhere; its features are what its last linear layer is given."""

    def __init__(self, model: OpenModel, device: str = "cpu") -> None:
        import torch

        network = model.network
        if network is None or not any(isinstance(module, torch.nn.Linear) for module in network.modules()):
            raise BadInput(
                "has no features to be read", where=model.name, fix="Name a torch network that ends in a linear layer"
            )
        self.name, self.view, self.contaminated = model.name, model.view, model.contaminated
        self.network, self.device = network, device

    @property
    def digest(self) -> str:
        """Of its weights and structure."""
        from topfive.systems.runtimes import Work

        return Work(self.network, None, self.view).digest

    def features(
        self,
        pictures: Pictures,
        view: View,
        *,
        batch_size: int = 64,
        progress: Progress = silent,
        device: str = "cpu",
    ) -> Floats:
        """Float32 [n, d]; the same for a picture whatever pictures stand beside it."""
        from topfive.systems.engine.fitted import seen_by_head
        from topfive.systems.models import torch_run

        parts: list[Floats] = []
        with seen_by_head(self.network) as forward:
            self.network.to(device)
            run = torch_run(_Headless(forward), device)
            for part in run((batch.images for batch in pictures.batches(view, batch_size)), view):
                if part.ndim != 2:
                    raise BadInput(f"gives its last layer {list(part.shape)}, not one row a picture", where=self.name)
                parts.append(part)
                progress("frozen features", sum(map(len, parts)), len(pictures), "images")
        return np.concatenate(parts)


class _Headless:
    """Looks like a network to `torch_run`."""

    def __init__(self, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.forward = forward

    def to(self, *_: Any, **__: Any) -> _Headless:
        return self

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.forward(inputs)


def open_backbone(
    spec: str, *, weights: Path | None = None, device: str = "cpu", download: bool = False
) -> Backbone | OpenBackbone:
    """The backbone of a MODEL of the command line; raises BadInput where there are no features to be read."""
    if spec in LITES or Path(spec).is_dir():
        return Backbone(spec)
    from topfive.systems.models import OpenModel, open_model

    model = open_model(spec, weights=weights, device=device, download=download)
    if not isinstance(model, OpenModel):
        raise BadInput("has no features to be read", where=spec)
    return OpenBackbone(model, device)


def tokens(network: Any, x: torch.Tensor, depth: int) -> torch.Tensor:
    """The normalised class tokens of a ViT's last `depth` blocks and its last mean patch token, [n, (depth + 1) w]."""
    import torch

    found = network.forward_intermediates(
        x, depth, return_prefix_tokens=True, norm=True, output_fmt="NLC", intermediates_only=True
    )
    return torch.cat([*(prefix[:, 0] for _, prefix in found), found[-1][0].mean(dim=1)], dim=1)


def frozen(
    backbone: str,
    pictures: Pictures,
    view: View,
    *,
    batch_size: int = 64,
    progress: Progress = silent,
    device: str = "cpu",
) -> Floats:
    """The features of a named backbone, float32 [n, d]; raises BadInput where there is none of this name."""
    return Backbone(backbone).features(pictures, view, batch_size=batch_size, progress=progress, device=device)
