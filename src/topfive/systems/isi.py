"""ISI: the runner-up of ILSVRC2012, four descriptors as Fisher vectors under online learners, fused with weights.

Gunji, Higuchi, Yasumoto, Muraoka, Ushiku, Harada and Kuniyoshi of the University of Tokyo; the entry erred by 26.17 %
(top-5, test), ten points behind the networks that ended its kind. There is no paper of the entry. What is known stands
on the results page: Fisher vectors of SIFT, LBP, GIST and CSIFT, a classifier each, a weighted sum of scores. That the
learners are passive-aggressive is recalled, and agrees with what the group published two years later (Ushiku, Hidaka
and Harada, CVPR 2014): multi-class, online, and averaged.

    topfive train isi DATASET --out RUN

`tiny` has all four systems with eight Gaussians each; docs/landmarks/isi.md says what was chosen where nothing is
published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, ClassList, Progress, View, silent
from topfive.systems._arrays import read_arrays, write_arrays
from topfive.systems._labels import labels_of
from topfive.systems.features.colour_sift import ColourSift
from topfive.systems.features.dense_sift import DenseSift, grey
from topfive.systems.features.encoding_pool import rows_of, sample_descriptors
from topfive.systems.features.fisher import Mixture, fit_mixture, pyramid
from topfive.systems.features.gist import Gist
from topfive.systems.features.lbp import Lbp
from topfive.systems.features.linear_svm import Linear
from topfive.systems.features.passive_aggressive import fit_passive_aggressive
from topfive.systems.features.pca import Projection, fit_projection
from topfive.systems.features.score_fusion import fit_sum
from topfive.systems.system import FitLog, System

Floats = NDArray[np.float32]
_FILE = "isi.npz"
SYSTEMS = ("sift", "lbp", "gist", "csift")
"""The four descriptors, in the order of a row's parts and of the weights."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Descriptors of these sizes every `step_px`; `n_axes` principal components and `n_components` Gaussians for each
    kind from `n_sampled` descriptors, regions of `pyramid` (rows x columns). Each learner passes `epochs` times over
    `train` with steps of at most `limit`; their weights are chosen on `tune`. The vectors of `train` must fit into
    `memory_mb`."""

    view: View
    bins_px: tuple[int, ...]
    lbp_cells_px: tuple[int, ...]
    gist_cell_px: int
    gist_directions: tuple[int, ...]
    step_px: int
    n_axes: int
    n_components: int
    n_sampled: int
    pyramid: tuple[str, ...] = ("1x1", "3x1")
    limit: float = 0.1
    epochs: int = 10
    memory_mb: int = 12_000

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be fitted with."""
        self.view.check()
        self.sift.check()
        self.lbp.check()
        self.gist.check()
        wrong = {
            "n_axes": self.n_axes < 1,
            "n_components": self.n_components < 1,
            "n_sampled": self.n_sampled < 2 * self.n_components,
            "pyramid": not self.pyramid,
            "limit": not self.limit > 0,
            "epochs": self.epochs < 1,
        }
        for name, bad in wrong.items():
            if bad:
                raise BadInput(f"cannot fit with {name} = {getattr(self, name)}", where="recipe", row=name)

    @property
    def sift(self) -> DenseSift:
        """Root-SIFT of grey, and of each channel of CSIFT."""
        return DenseSift(self.bins_px, self.step_px, root=True)

    @property
    def lbp(self) -> Lbp:
        """Binary patterns."""
        return Lbp(self.lbp_cells_px, self.step_px)

    @property
    def gist(self) -> Gist:
        """GIST of patches."""
        return Gist(self.gist_cell_px, self.step_px, directions=self.gist_directions)

    @property
    def describers(self) -> tuple[Callable[[NDArray[np.uint8]], Floats], ...]:
        """From a picture, uint8 [h, w, 3], to its descriptors of each of `SYSTEMS`, float32 [N, D]."""
        sift, lbp, gist, csift = self.sift, self.lbp, self.gist, ColourSift(self.sift)
        return (
            lambda picture: sift.describe(grey(picture[None]))[0],
            lambda picture: lbp.describe(grey(picture[None]))[0],
            lambda picture: gist.describe(grey(picture[None]))[0],
            lambda picture: csift.describe(picture[None])[0],
        )

    def centres(self) -> dict[str, Floats]:
        """Centres (x, y) in pixels of the descriptors of each of `SYSTEMS`, float32 [N, 2]."""
        kinds: tuple[DenseSift | Lbp | Gist | ColourSift, ...] = (self.sift, self.lbp, self.gist, ColourSift(self.sift))
        side = self.view.crop_px
        return {name: kind.centres(side, side) for name, kind in zip(SYSTEMS, kinds, strict=True)}


@dataclass(frozen=True)
class Vocabulary:
    """One descriptor's principal components and mixture of Gaussians."""

    projection: Projection
    mixture: Mixture


class Encoder:
    """From a picture to its Fisher vectors, descriptor by descriptor and region by region, in one row."""

    def __init__(self, recipe: Recipe, vocabularies: tuple[Vocabulary, ...]) -> None:
        self.recipe = recipe
        self.vocabularies = vocabularies
        self.describers = recipe.describers
        side = recipe.view.crop_px
        self.regions = [pyramid(centres, side, side, recipe.pyramid) for centres in recipe.centres().values()]

    @property
    def parts(self) -> tuple[slice, ...]:
        """Where each of `SYSTEMS` finds its vectors in a row."""
        sizes = [len(regions) * v.mixture.length for regions, v in zip(self.regions, self.vocabularies, strict=True)]
        return tuple(slice(start, stop) for start, stop in pairwise(np.cumsum([0, *sizes]).tolist()))

    @property
    def length(self) -> int:
        """Values of a row."""
        return int(self.parts[-1].stop)

    def __call__(self, picture: NDArray[np.uint8]) -> Floats:
        """uint8 [crop, crop, 3] to float32 [length]; each region of each descriptor has length one."""
        vectors = [
            words.mixture.encode(words.projection(describe(picture)), regions).reshape(-1)
            for describe, words, regions in zip(self.describers, self.vocabularies, self.regions, strict=True)
        ]
        return np.concatenate(vectors)


class FittedIsi:
    """An encoder and, as one, the weighted sum of four linear machines a class; scores are on the scale of logits.

    `fusion` float64 [4] are the weights of the machines, which `linear` already carries.
    """

    runtime = "numpy"

    def __init__(self, encoder: Encoder, linear: Linear, fusion: NDArray[np.float64], classes: ClassList) -> None:
        self.encoder = encoder
        self.linear = linear
        self.fusion = fusion
        self.classes = classes
        self.view = encoder.recipe.view

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> Floats:
        """Logits float32 [n, K], each picture computed alone: the same, bit for bit, in any batch and order."""

        def score(picture: NDArray[np.uint8]) -> Floats:
            return np.asarray(self.linear(self.encoder(picture)[None])[0])

        n_classes = len(self.classes)
        return rows_of(
            score, n_classes, pictures, self.view, batch_size=batch_size, progress=progress, task="predicting"
        )

    def save(self, folder: Path) -> None:
        """Write `isi.npz` into an existing folder: arrays and, as text, recipe and classes."""
        about = {"recipe": asdict(self.encoder.recipe), "classes": [self.classes.wnids, self.classes.names]}
        arrays: dict[str, NDArray[Any]] = {
            "weights": self.linear.weights,
            "bias": self.linear.bias,
            "fusion": self.fusion,
        }
        for name, words in zip(SYSTEMS, self.encoder.vocabularies, strict=True):
            arrays |= {
                f"{name}_mean": words.projection.mean,
                f"{name}_axes": words.projection.axes,
                f"{name}_mixture_weights": words.mixture.weights,
                f"{name}_mixture_means": words.mixture.means,
                f"{name}_mixture_variances": words.mixture.variances,
            }
        write_arrays(folder / _FILE, about, arrays)


def fit(train: Pictures, tune: Pictures, recipe: Recipe, *, seed: int, log: FitLog, device: str = "cpu") -> FittedIsi:
    """Learn vocabularies and machines on `train`; the machines' weights are chosen on `tune`."""
    recipe.check()
    labels, tune_labels = labels_of(train, "train"), labels_of(tune, "tune")
    encoder = learn_vocabularies(train, recipe, seed=seed, progress=log.progress)
    needed_mb = encoder.length * 4 * len(train) / 2**20
    if needed_mb > recipe.memory_mb:
        raise BadInput(
            f"needs {needed_mb:,.0f} MB for {len(train)} rows of {encoder.length} values",
            where="recipe",
            row="memory_mb",
            fix="Raise memory_mb, or lower n_components, n_axes or the pyramid",
        )
    rows, tune_rows = (
        rows_of(encoder, encoder.length, part, recipe.view, progress=log.progress, task="Fisher vectors")
        for part in (train, tune)
    )
    machines = [
        fit_passive_aggressive(
            rows[:, part],
            labels,
            len(train.classes),
            seed=seed,
            limit=recipe.limit,
            epochs=recipe.epochs,
            progress=log.progress,
        )
        for part in encoder.parts
    ]
    apart = [
        machine(np.ascontiguousarray(tune_rows[:, part])) for machine, part in zip(machines, encoder.parts, strict=True)
    ]
    fusion, loss = fit_sum(apart, tune_labels)
    for name, weight, scores in zip(SYSTEMS, fusion, apart, strict=True):
        error = float(np.mean(scores.argmax(axis=1) != tune_labels))
        log.metrics({f"{name}_weight": float(weight), f"{name}_tune_error": error})
    # The weighted sum of the machines is one machine on the vectors side by side.
    weighed = [machine.scaled(weight) for machine, weight in zip(machines, fusion, strict=True)]
    together = Linear(np.concatenate([m.weights for m in weighed]), np.sum([m.bias for m in weighed], axis=0))
    error = float(np.mean(together(tune_rows).argmax(axis=1) != tune_labels))
    log.metrics({"tune_error": error, "tune_loss": loss})
    return FittedIsi(encoder, together, fusion, train.classes)


def learn_vocabularies(train: Pictures, recipe: Recipe, *, seed: int, progress: Progress = silent) -> Encoder:
    """Projections and mixtures, from descriptors drawn evenly from up to 2,000 pictures."""
    for name, centres in recipe.centres().items():
        if not len(centres):
            raise BadInput(f"leaves {name} no room for a descriptor", where="recipe", row="view")
    samples = sample_descriptors(recipe.describers, train, recipe.view, recipe.n_sampled, seed=seed, progress=progress)
    vocabularies = []
    for i, sample in enumerate(samples):
        progress("learning the vocabularies", i, len(samples))
        projection = fit_projection(sample, recipe.n_axes)
        mixture = fit_mixture(projection(sample), recipe.n_components, seed=seed)
        vocabularies.append(Vocabulary(projection, mixture))
    progress("learning the vocabularies", len(samples), len(samples))
    return Encoder(recipe, tuple(vocabularies))


def load(folder: Path) -> FittedIsi:
    """Read what `save` wrote; raises BadInput for a missing or damaged file. Nothing in it is run."""
    path = Path(folder) / _FILE
    about, arrays = read_arrays(path)
    try:
        settings: dict[str, Any] = about["recipe"]
        settings = {key: tuple(item) if isinstance(item, list) else item for key, item in settings.items()}
        settings["view"] = View.from_json(settings["view"])
        recipe = Recipe(**settings)
        classes = ClassList(*(tuple(part) for part in about["classes"]))
        vocabularies = tuple(_vocabulary(name, arrays) for name in SYSTEMS)
        linear, fusion = Linear(arrays["weights"], arrays["bias"]), arrays["fusion"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read as a fitted isi ({error})", where=path, fix="Fit it anew") from error
    recipe.check()
    classes.check(path)
    encoder = Encoder(recipe, vocabularies)
    if linear.weights.shape != (encoder.length, len(classes)):
        raise BadInput(f"has weights {list(linear.weights.shape)} for {len(classes)} classes", where=path)
    return FittedIsi(encoder, linear, fusion, classes)


def _vocabulary(name: str, arrays: dict[str, NDArray[Any]]) -> Vocabulary:
    mixture = Mixture(*(arrays[f"{name}_mixture_{part}"] for part in ("weights", "means", "variances")))
    return Vocabulary(Projection(arrays[f"{name}_mean"], arrays[f"{name}_axes"]), mixture)


TINY = Recipe(
    view=View(64, 64, "bicubic"),
    bins_px=(4, 6, 8),
    lbp_cells_px=(6, 8),
    gist_cell_px=8,
    gist_directions=(8, 8, 4),
    step_px=4,
    n_axes=24,
    n_components=8,
    n_sampled=12_000,
)

# Nothing of the entry's sizes is published: those of its contemporaries' Fisher vectors (XRCE, see `sift_fisher`).
PUBLISHED = Recipe(
    view=View(316, 316, "bicubic", squash=True),
    bins_px=(6, 8, 12, 17, 24),
    lbp_cells_px=(8, 12, 16),
    gist_cell_px=8,
    gist_directions=(8, 8, 4),
    step_px=4,
    n_axes=64,
    n_components=256,
    n_sampled=256_000,
)

SYSTEM = System(
    title="ISI",
    year=2012,
    paper="Gunji et al., ISI, ILSVRC2012 (no paper)",
    claim=Claim(
        metric="top5_error",
        value=0.26172,
        edition="ILSVRC2012",
        split="test",
        protocol="contest entry (second place): weighted sum of four Fisher-vector classifiers, supplied data",
        source="ILSVRC2012 results page, task 1, pred_FVs_wLACs_weighted.txt",
        crops="whole picture",
        n_networks=0,
        extra_data="none",
    ),
    variants={"tiny": TINY, "published": PUBLISHED},
    fit=fit,
    load=load,
    needs=(),
)
