"""k-NN: the label that the nearest pictures carry, in the features of a network that is not trained any further.

Oquab et al., "DINOv2: learning robust visual features without supervision", TMLR 2024 (arXiv 2304.07193, 2023): with
nothing fitted at all, the frozen ViT-g/14 errs by 16.5 % (top-1, val). The weighted vote is older: Wu, Xiong, Yu and
Lin, "Unsupervised feature learning via non-parametric instance discrimination", CVPR 2018.

    topfive train knn DATASET --out RUN

Features are scaled to length one; the k nearest by dot product vote with weights softmax(similarity / 0.07). The
protocol states four k; here one of them is chosen on `tune`. The default backbone is EfficientNet-Lite0 with its real
ImageNet weights, which were learnt from labels: on pictures that it has learnt from the result is contaminated.
`--set backbone=RUN` takes the features of a fitted neural landmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, ClassList, Progress, View, silent
from topfive.systems._arrays import read_arrays, write_arrays
from topfive.systems._labels import labels_of
from topfive.systems.features.frozen import Backbone
from topfive.systems.features.nearest import nearest
from topfive.systems.system import FitLog, System

Floats = NDArray[np.float32]
_FILE = "knn.npz"
FLOOR = 1e-6
"""Added to each class's share of the vote, so that the score of a class without votes is a number."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The backbone (a name or a run folder), the `ks` that are tried, and the temperature of the vote.

    `own_view` replaces what the backbone has learnt to see.
    """

    backbone: str = "efficientnet_lite0"
    own_view: View | None = None
    ks: tuple[int, ...] = (10, 20, 100, 200)
    temperature: float = 0.07

    @property
    def view(self) -> View:
        """What the backbone sees; raises BadInput where there is none."""
        return self.own_view or Backbone(self.backbone).view

    def check(self) -> None:
        """Raise BadInput where nothing can be tried."""
        if not self.ks or min(self.ks) < 1:
            raise BadInput("must be numbers from 1", where="recipe", row="ks")
        if not self.temperature > 0:
            raise BadInput("must be above 0", where="recipe", row="temperature")


class FittedKnn:
    """The pictures that were learnt from, as unit vectors float32 [n, d] with labels int64 [n], and how they vote."""

    runtime = "torch"

    def __init__(
        self,
        backbone: Backbone,
        known: Floats,
        labels: NDArray[np.int64],
        classes: ClassList,
        view: View,
        *,
        k: int,
        temperature: float,
    ) -> None:
        self.backbone = backbone
        self.contaminated = backbone.contaminated
        self.known = known
        self.labels = labels
        self.classes = classes
        self.view = view
        self.k = k
        self.temperature = temperature
        self.device = "cpu"

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> Floats:
        """Logarithms of the share of the vote plus 1e-6, float32 [n, K]; batch size and order do not matter."""
        seen = unit(
            self.backbone.features(pictures, self.view, batch_size=batch_size, progress=progress, device=self.device)
        )
        index, similarity = nearest(seen, self.known, self.k)
        return vote(self.labels[index], similarity, len(self.classes), self.temperature)

    def save(self, folder: Path) -> None:
        """Write `knn.npz` into an existing folder; the backbone stays where it is and is named."""
        about = {
            **self.backbone.to_json(folder),
            "view": self.view.to_json(),
            "classes": [self.classes.wnids, self.classes.names],
            "k": self.k,
            "temperature": self.temperature,
        }
        write_arrays(folder / _FILE, about, {"known": self.known, "labels": self.labels})


def unit(features: Floats) -> Floats:
    """float32 [n, d] scaled to length one; a row of zeros stays one."""
    length = np.sqrt(np.square(features.astype(np.float64)).sum(axis=1, keepdims=True))
    return np.asarray(features / np.maximum(length, 1e-12), dtype=np.float32)


def vote(labels: NDArray[np.int64], similarity: Floats, n_classes: int, temperature: float) -> Floats:
    """log(share + 1e-6), float32 [m, K]: of neighbours' labels and similarities [m, k], each weighing
    softmax(similarity / temperature)."""
    wide = similarity.astype(np.float64) / temperature
    weight = np.exp(wide - wide.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    places = labels + n_classes * np.arange(len(labels))[:, None]
    share = np.bincount(places.ravel(), weight.ravel(), minlength=len(labels) * n_classes)
    return np.asarray(np.log(share.reshape(len(labels), n_classes) + FLOOR), dtype=np.float32)


def fit(train: Pictures, tune: Pictures, recipe: Recipe, *, seed: int, log: FitLog, device: str = "cpu") -> FittedKnn:
    """Remember the features of `train` and choose k on `tune`: fewest errors, then greatest likelihood; no chance."""
    recipe.check()
    labels, tune_labels = labels_of(train, "train"), labels_of(tune, "tune")
    backbone = Backbone(recipe.backbone)
    view = recipe.own_view or backbone.view
    known, held_out = (
        unit(backbone.features(part, view, progress=log.progress, device=device)) for part in (train, tune)
    )
    k = choose_k((known, labels), (held_out, tune_labels), len(train.classes), recipe, log)
    fitted = FittedKnn(backbone, known, labels, train.classes, view, k=k, temperature=recipe.temperature)
    fitted.device = device
    return fitted


def choose_k(
    train: tuple[Floats, NDArray[np.int64]],
    tune: tuple[Floats, NDArray[np.int64]],
    n_classes: int,
    recipe: Recipe,
    log: FitLog,
) -> int:
    """Of the recipe's k the one with the fewest errors on `tune`, then the greatest likelihood; of unit vectors."""
    (known, labels), (held_out, tune_labels) = train, tune
    ks = sorted({min(k, len(known)) for k in recipe.ks})
    index, similarity = nearest(held_out, known, ks[-1])
    best: tuple[float, float, int] | None = None
    for k in ks:
        scores = vote(labels[index[:, :k]], similarity[:, :k], n_classes, recipe.temperature)
        loss = -float(scores[np.arange(len(tune_labels)), tune_labels].mean(dtype=np.float64))
        error = float(np.mean(scores.argmax(axis=1) != tune_labels))
        log.metrics({"k": k, "tune_loss": loss, "tune_error": error})
        if best is None or (error, loss) < best[:2]:
            best = error, loss, k
    assert best is not None
    return best[2]


def load(folder: Path) -> FittedKnn:
    """Read what `save` wrote; raises BadInput for a damaged file, or a backbone that is gone or another."""
    path = Path(folder) / _FILE
    about, arrays = read_arrays(path)
    try:
        known, labels = arrays["known"], arrays["labels"]
        view, k, temperature = View.from_json(about["view"]), int(about["k"]), float(about["temperature"])
        classes = ClassList(*(tuple(part) for part in about["classes"]))
        str(about["backbone"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read as a fitted knn ({error})", where=path, fix="Fit it anew") from error
    classes.check(path)
    fits = known.ndim == 2 and labels.shape == (len(known),) and 1 <= k <= len(known) and temperature > 0
    if not fits or labels.min() < 0 or labels.max() >= len(classes):
        raise BadInput("is no fitted knn: pictures, labels and k do not fit", where=path, fix="Fit it anew")
    return FittedKnn(
        Backbone.from_json(about, Path(folder)), known, labels, classes, view, k=k, temperature=temperature
    )


SYSTEM = System(
    title="k-NN on frozen features",
    year=2023,
    paper="Oquab et al., DINOv2: learning robust visual features without supervision, TMLR 2024, arXiv:2304.07193",
    claim=Claim(
        metric="top1_error",
        value=0.165,
        edition="ILSVRC2012",
        split="val",
        protocol="DINOv2 ViT-g/14 frozen, LVD-142M without labels, weighted k-NN vote, 1 crop",
        source="facebookresearch/dinov2 README, k-NN evaluation, ViT-g/14: 83.5 %",
        crops="1",
        n_networks=1,
        extra_data="LVD-142M (gathered around ImageNet's pictures and others), without labels",
    ),
    variants={"tiny": Recipe()},
    fit=fit,
    load=load,
    needs=("torch", "timm"),
)
