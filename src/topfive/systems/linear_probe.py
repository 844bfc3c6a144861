"""Linear probe: a linear classifier on the features of a network that is not trained any further.

Oquab et al., "DINOv2: learning robust visual features without supervision", TMLR 2024 (arXiv 2304.07193, 2023): the
frozen ViT-g/14, which has never seen a label, errs by 13.5 % (top-1, val) under a linear layer. It made the frozen
backbone with a probe the way in which representations are compared.

    topfive train linear_probe DATASET --out RUN

`tiny` is DINOv2's shape of protocol with other parts: the backbone is EfficientNet-Lite0 with its real ImageNet
weights, which were learnt from labels; the features are the 1,280 pooled ones before its classifier; the probe is a
multinomial logistic regression with an L2 penalty. `dinov2` is its protocol: heads for several inputs and 13 learning
rates, trained together. DINOv2 picks the best of 52 on the very val set that it reports; here penalty and head are
chosen on `tune`. `--set backbone=RUN` takes the features of a fitted neural landmark. On pictures that the backbone
has learnt from the result is contaminated, not an accuracy.
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
from topfive.systems.features.frozen import Backbone
from topfive.systems.features.linear_svm import Linear
from topfive.systems.features.logistic import fit_path
from topfive.systems.features.probe_heads import choose_head, choose_penalty, log_softmax
from topfive.systems.system import FitLog, System

Floats = NDArray[np.float32]
_FILE = "linear_probe.npz"
_FEATURES = "features"
BACKBONE = "efficientnet_lite0"
# Pictures of 96 px are enlarged: the backbone has learnt from objects that fill 224 px.
VIEW = View(256, 224, "bicubic")
PENALTIES = (0.3, 0.1, 0.03, 0.01, 0.003)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The backbone (a name or a run folder) and its head: `penalty` tries `penalties` from large to small, `dinov2`
    trains its grid of heads for `steps` batches of 128. `own_view` replaces what the backbone has learnt to see."""

    backbone: str = BACKBONE
    own_view: View | None = None
    head: Literal["penalty", "dinov2"] = "penalty"
    penalties: tuple[float, ...] = PENALTIES
    steps: int = 12_500

    @property
    def view(self) -> View:
        """What the backbone sees; raises BadInput where there is none."""
        return self.own_view or Backbone(self.backbone).view

    def check(self) -> None:
        """Raise BadInput where nothing can be seen or tried."""
        if self.own_view is not None:
            self.own_view.check()
        if self.head not in ("penalty", "dinov2"):
            raise BadInput(f"is {self.head!r}", where="recipe", row="head", fix="Heads: penalty, dinov2")
        if not self.penalties or min(self.penalties) <= 0:
            raise BadInput("must be numbers above 0", where="recipe", row="penalties")
        if self.steps < 1:
            raise BadInput("must be a number from 1", where="recipe", row="steps")


TINY = Recipe()


class FittedProbe:
    """The frozen backbone and a linear layer on one of its `inputs`; `contaminated` is what the backbone says."""

    runtime = "torch"

    def __init__(
        self,
        linear: Linear,
        classes: ClassList,
        view: View,
        device: str = "cpu",
        *,
        backbone: Backbone | None = None,
        inputs: str = _FEATURES,
    ) -> None:
        self.linear = linear
        self.classes = classes
        self.view = view
        self.device = device
        self.backbone = backbone or Backbone(BACKBONE)
        self.inputs = inputs
        self.contaminated = self.backbone.contaminated

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> Floats:
        """Logits float32 [n, K]; batch size and order do not matter."""
        return self.linear(self.features(pictures, batch_size=batch_size, progress=progress))

    def features(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> Floats:
        """What the linear layer sees, float32 [n, d]."""
        if self.inputs == _FEATURES:
            return self.backbone.features(
                pictures, self.view, batch_size=batch_size, progress=progress, device=self.device
            )
        return self.backbone.inputs(pictures, self.view, batch_size=batch_size, progress=progress, device=self.device)[
            self.inputs
        ]

    def save(self, folder: Path) -> None:
        """Write `linear_probe.npz` into an existing folder; the backbone stays where it is and is named."""
        about = {
            **self.backbone.to_json(folder),
            "inputs": self.inputs,
            "view": self.view.to_json(),
            "classes": [self.classes.wnids, self.classes.names],
        }
        write_arrays(folder / _FILE, about, {"weights": self.linear.weights, "bias": self.linear.bias})


def fit(train: Pictures, tune: Pictures, recipe: Recipe, *, seed: int, log: FitLog, device: str = "cpu") -> FittedProbe:
    """Fit heads on `train` and choose one on `tune`; only `dinov2` draws by chance (weights and batches)."""
    recipe.check()
    labels, tune_labels = labels_of(train, "train"), labels_of(tune, "tune")
    backbone = Backbone(recipe.backbone)
    view, n_classes, inputs = recipe.own_view or backbone.view, len(train.classes), _FEATURES
    if recipe.head == "penalty":
        seen, held_out = (backbone.features(part, view, progress=log.progress, device=device) for part in (train, tune))
        linear = choose_penalty(seen, labels, held_out, tune_labels, n_classes, recipe.penalties, log)
    else:
        many, held = (backbone.inputs(part, view, progress=log.progress, device=device) for part in (train, tune))
        inputs, linear = choose_head(
            (many, labels), (held, tune_labels), n_classes, steps=recipe.steps, seed=seed, log=log
        )
    return FittedProbe(linear, train.classes, view, device, backbone=backbone, inputs=inputs)


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
        probs[fold == i] = np.exp(log_softmax(linear(features[fold == i])))
    progress("out-of-sample probabilities", folds, folds, "folds")
    return probs


def stratified(labels: NDArray[np.integer], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row, int64 [n]: every fold has its share of every class, give or take one row."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % folds
    return fold


def load(folder: Path) -> FittedProbe:
    """Read what `save` wrote; raises BadInput for a missing or damaged file. Nothing in it is run."""
    path = Path(folder) / _FILE
    about, arrays = read_arrays(path)
    try:
        linear = Linear(arrays["weights"], arrays["bias"])
        view, inputs = View.from_json(about["view"]), str(about.get("inputs", _FEATURES))
        str(about["backbone"])
        classes = ClassList(*(tuple(part) for part in about["classes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read as a fitted linear_probe ({error})", where=path, fix="Fit it anew") from error
    classes.check(path)
    if linear.weights.ndim != 2 or linear.weights.shape[1] != len(classes):
        raise BadInput(f"has weights {list(linear.weights.shape)} for {len(classes)} classes", where=path)
    return FittedProbe(linear, classes, view, backbone=Backbone.from_json(about, path.parent), inputs=inputs)


SYSTEM = System(
    title="Linear probe of frozen features",
    year=2023,
    paper="Oquab et al., DINOv2: learning robust visual features without supervision, TMLR 2024, arXiv:2304.07193",
    claim=Claim(
        metric="top1_error",
        value=0.135,
        edition="ILSVRC2012",
        split="val",
        protocol="DINOv2 ViT-g/14 frozen, LVD-142M without labels, 1 crop; best of 52 heads on val",
        source="facebookresearch/dinov2 README, linear evaluation, ViT-g/14: 86.5 %",
        crops="1",
        n_networks=1,
        extra_data="LVD-142M (gathered around ImageNet's pictures and others), without labels",
    ),
    variants={"tiny": TINY, "dinov2": Recipe(head="dinov2")},
    fit=fit,
    load=load,
    needs=("torch", "timm"),
)
