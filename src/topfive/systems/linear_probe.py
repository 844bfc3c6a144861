"""Linear probe: a linear classifier on the features of a network that is not trained any further.

Oquab et al., "DINOv2: learning robust visual features without supervision", TMLR 2024 (arXiv 2304.07193, 2023): the
frozen ViT-g/14, which has never seen a label, errs by 13.5 % (top-1, val) under a linear layer. It made the frozen
backbone with a probe the way in which representations are compared.

    topfive train linear_probe DATASET --out RUN

DINOv2's shape of protocol with other parts: the backbone is EfficientNet-Lite0 with its real ImageNet weights, which
were learnt from labels; the features are the 1,280 pooled ones before its classifier; the probe is a multinomial
logistic regression with an L2 penalty. DINOv2 picks the best of 52 heads on the very val set that it reports; here the
penalty is chosen on `tune`. On pictures that the backbone has learnt from the result is contaminated, not an accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, ClassList, Progress, View, silent
from topfive.systems._arrays import read_arrays, write_arrays
from topfive.systems._labels import labels_of
from topfive.systems.features.linear_svm import Linear
from topfive.systems.features.logistic import fit_path
from topfive.systems.system import FitLog, System

Floats = NDArray[np.float32]
_FILE = "linear_probe.npz"
BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the backbone sees, and the penalties that are tried, from large to small."""

    view: View
    penalties: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01, 0.003)

    def check(self) -> None:
        """Raise BadInput where nothing can be seen or tried."""
        self.view.check()
        if not self.penalties or min(self.penalties) <= 0:
            raise BadInput("must be numbers above 0", where="recipe", row="penalties")


# Pictures of 96 px are enlarged: the backbone has learnt from objects that fill 224 px.
TINY = Recipe(view=View(256, 224, "bicubic"))


class FittedProbe:
    """The frozen backbone and a linear layer; `contaminated` holds for real ImageNet pictures."""

    runtime = "torch"
    contaminated: Literal["likely"] = "likely"

    def __init__(self, linear: Linear, classes: ClassList, view: View, device: str = "cpu") -> None:
        self.linear = linear
        self.classes = classes
        self.view = view
        self.device = device

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> Floats:
        """Logits float32 [n, K]; batch size and order do not matter."""
        return self.linear(self.features(pictures, batch_size=batch_size, progress=progress))

    def features(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> Floats:
        """What the linear layer sees, float32 [n, 1280]."""
        return features(pictures, progress, view=self.view, batch_size=batch_size, device=self.device)

    def save(self, folder: Path) -> None:
        """Write `linear_probe.npz` into an existing folder; the backbone stays in its package and is named."""
        about = {
            "backbone": BACKBONE,
            "view": self.view.to_json(),
            "classes": [self.classes.wnids, self.classes.names],
        }
        write_arrays(folder / _FILE, about, {"weights": self.linear.weights, "bias": self.linear.bias})


def features(
    pictures: Pictures,
    progress: Progress = silent,
    *,
    view: View = TINY.view,
    batch_size: int = 64,
    device: str = "cpu",
) -> Floats:
    """The backbone's pooled features, float32 [n, 1280]; the same for a picture whatever pictures stand beside it."""
    from topfive.systems.models import torch_run
    from topfive.systems.weights.efficientnet_lite import FEATURES, open_lite

    run = torch_run(open_lite(BACKBONE, classifier=False), device)
    out = np.empty((len(pictures), FEATURES), dtype=np.float32)
    done = 0
    for found in run((batch.images for batch in pictures.batches(view, batch_size)), view):
        out[done : done + len(found)] = found
        done += len(found)
        progress("frozen features", done, len(pictures), "images")
    return out


def fit(train: Pictures, tune: Pictures, recipe: Recipe, *, seed: int, log: FitLog, device: str = "cpu") -> FittedProbe:
    """Fit the probe on `train` for each penalty and choose on `tune`; nothing is drawn by chance."""
    recipe.check()
    labels, tune_labels = labels_of(train, "train"), labels_of(tune, "tune")
    seen, held_out = (features(part, log.progress, view=recipe.view, device=device) for part in (train, tune))
    linear = choose(seen, labels, held_out, tune_labels, len(train.classes), recipe.penalties, log)
    return FittedProbe(linear, train.classes, recipe.view, device)


def choose(
    train: Floats,
    labels: NDArray[np.int64],
    tune: Floats,
    tune_labels: NDArray[np.int64],
    n_classes: int,
    penalties: tuple[float, ...] = TINY.penalties,
    log: FitLog | None = None,
) -> Linear:
    """The probe of the penalty with the greatest likelihood of the held-out labels; of errors most would be tied."""
    log = log or FitLog()
    best: tuple[float, Linear] | None = None
    for penalty, linear in zip(
        penalties, fit_path(train, labels, n_classes, penalties, progress=log.progress), strict=True
    ):
        scores = linear(tune)
        loss = -float(_log_softmax(scores)[np.arange(len(tune_labels)), tune_labels].mean())
        error = float(np.mean(scores.argmax(axis=1) != tune_labels))
        log.metrics({"penalty": penalty, "tune_loss": loss, "tune_error": error})
        if best is None or loss < best[0]:
            best = loss, linear
    assert best is not None
    return best[1]


def out_of_sample(
    features: Floats,
    labels: NDArray[np.integer],
    k: int,
    seed: int,
    folds: int = 5,
    *,
    penalty: float = 0.03,
    progress: Progress = silent,
) -> Floats:
    """Probabilities float32 [n, k] of each row by a probe that has not learnt from it, for the audit of labels.

    Rows are dealt to `folds` by chance, each class evenly. Raises BadInput where a label is missing.
    """
    if not 2 <= folds <= len(labels):
        raise BadInput(f"{len(labels)} rows cannot be dealt to {folds} folds", where="out_of_sample")
    bad = np.flatnonzero((labels < 0) | (labels >= k))
    if len(bad):
        raise BadInput(f"label {labels[bad[0]]} is not among {k} classes", where="out_of_sample", row=int(bad[0]))
    fold = stratified(labels, folds, seed)
    probs = np.empty((len(labels), k), dtype=np.float32)
    for i in range(folds):
        progress("out-of-sample probabilities", i, folds, "folds")
        (linear,) = fit_path(features[fold != i], labels[fold != i], k, (penalty,))
        probs[fold == i] = np.exp(_log_softmax(linear(features[fold == i])))
    progress("out-of-sample probabilities", folds, folds, "folds")
    return probs


def stratified(labels: NDArray[np.integer], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row, int64 [n]: every fold has its share of every class, give or take one row."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % folds
    return fold


def _log_softmax(scores: Floats) -> NDArray[np.float64]:
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def load(folder: Path) -> FittedProbe:
    """Read what `save` wrote; raises BadInput for a missing or damaged file. Nothing in it is run."""
    path = Path(folder) / _FILE
    about, arrays = read_arrays(path)
    try:
        linear = Linear(arrays["weights"], arrays["bias"])
        view, backbone = View.from_json(about["view"]), about["backbone"]
        classes = ClassList(*(tuple(part) for part in about["classes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read as a fitted linear_probe ({error})", where=path, fix="Fit it anew") from error
    classes.check(path)
    if backbone != BACKBONE:
        raise BadInput(f"belongs to another backbone, {backbone!r}", where=path)
    if linear.weights.ndim != 2 or linear.weights.shape[1] != len(classes):
        raise BadInput(f"has weights {list(linear.weights.shape)} for {len(classes)} classes", where=path)
    return FittedProbe(linear, classes, view)


SYSTEM = System(
    title="Linear probe of frozen features",
    year=2023,
    paper="Oquab et al., DINOv2: learning robust visual features without supervision, TMLR 2024, arXiv:2304.07193",
    claim=Claim(
        metric="top1_error",
        value=0.135,
        edition="ILSVRC2012",
        split="val",
        protocol="DINOv2 ViT-g/14 frozen, 142 million other pictures without labels, 1 crop; best of 52 heads on val",
        source="facebookresearch/dinov2 README, linear evaluation, ViT-g/14: 86.5 %",
        crops="1",
        n_networks=1,
        extra_data="LVD-142M, without labels",
    ),
    variants={"tiny": TINY},
    fit=fit,
    load=load,
    needs=("torch", "timm"),
)
