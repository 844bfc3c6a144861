"""NEC-UIUC: the winner of the first ILSVRC, two descriptors in two codings under linear machines.

Lin, Lv, Zhu, Yang, Cour, Yu, Cao and Huang, "Large-scale image classification: fast feature extraction and SVM
training", CVPR 2011; the entry erred by 28.19 % (top-5) on the test set of ILSVRC2010. New was the scale: codes of
hundreds of thousands of values for 1.2 million pictures in a day, and averaged stochastic gradient descent that needs
about five passes. It is no Fisher vector: those came second (`sift_fisher`).

    topfive train nec_uiuc DATASET --out RUN

Dense HOG and local binary patterns, principal components, local coordinate coding with max pooling and super-vector
coding, each over a spatial pyramid; for each of the four a linear machine a class against the rest, and the machines'
scores summed. `tiny` has every part with small vocabularies; docs/landmarks/nec_uiuc.md says what the paper leaves
open.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from topfive.systems.features.dense_sift import grey
from topfive.systems.features.encoding_pool import rows_of, sample_descriptors
from topfive.systems.features.fisher import Mixture, fit_mixture, pyramid
from topfive.systems.features.hog import Hog
from topfive.systems.features.lbp import Lbp
from topfive.systems.features.linear_svm import Linear, Sgd, choose, fit_one_vs_rest, fit_scale
from topfive.systems.features.local_coding import LocalCoding, fit_words
from topfive.systems.features.pca import Projection, fit_projection
from topfive.systems.features.super_vector import SuperVector
from topfive.systems.system import FitLog, System

Floats = NDArray[np.float32]
_FILE = "nec_uiuc.npz"
MACHINES = ("hog_local", "hog_super", "lbp_local", "lbp_super")
"""The parts of a row, in order: a descriptor and its coding."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """HOG and LBP patches of cells of these sizes every `step_px`, `n_axes` principal components, `n_words` words for
    local coding and `n_gaussians` for super-vectors, all learnt from `n_sampled` descriptors of a kind, over regions of
    `pyramid` (rows x columns). A penalty a machine is chosen on `tune`; the rows of `train` must fit into `memory_mb`.
    """

    view: View
    hog_cells_px: tuple[int, ...]
    lbp_cells_px: tuple[int, ...]
    step_px: int
    n_axes: int
    n_words: int
    n_gaussians: int
    n_sampled: int
    neighbours: int = 5
    count: float = 0.1
    pyramid: tuple[str, ...] = ("1x1", "2x2")
    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2)
    epochs: int = 40
    batch_size: int = 64
    negatives: float = 1.0
    memory_mb: int = 12_000

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be fitted with."""
        self.view.check()
        for descriptor in self.descriptors:
            descriptor.check()
        wrong = {
            "n_axes": self.n_axes < 1,
            "n_words": self.n_words < 1,
            "n_gaussians": self.n_gaussians < 1,
            "n_sampled": self.n_sampled < max(2 * self.n_gaussians, self.n_words),
            "neighbours": not 1 <= self.neighbours <= self.n_words,
            "count": not self.count >= 0,
            "pyramid": not self.pyramid,
            "penalties": not self.penalties or min(self.penalties) <= 0,
            "epochs": self.epochs < 1,
            "batch_size": self.batch_size < 1,
            "negatives": not self.negatives >= 0,
        }
        for name, bad in wrong.items():
            if bad:
                raise BadInput(f"cannot fit with {name} = {getattr(self, name)}", where="recipe", row=name)

    @property
    def descriptors(self) -> tuple[Hog | Lbp, ...]:
        """HOG and LBP, taken of a grey picture."""
        return Hog(self.hog_cells_px, self.step_px), Lbp(self.lbp_cells_px, self.step_px)


@dataclass(frozen=True)
class Vocabulary:
    """One descriptor's principal components, and its two codings over them."""

    projection: Projection
    local: LocalCoding
    super_vector: SuperVector


class Encoder:
    """From a picture to its four codes, one after the other in one row."""

    def __init__(self, recipe: Recipe, vocabularies: tuple[Vocabulary, ...]) -> None:
        self.recipe = recipe
        self.vocabularies = vocabularies
        side = recipe.view.crop_px
        self.regions = [pyramid(d.centres(side, side), side, side, recipe.pyramid) for d in recipe.descriptors]

    @property
    def parts(self) -> tuple[slice, ...]:
        """Where each of `MACHINES` finds its code in a row."""
        n_regions = len(self.regions[0])
        sizes = [
            len(v.local.words) if kind == 0 else v.super_vector.length for v in self.vocabularies for kind in (0, 1)
        ]
        bounds = np.cumsum([0, *(n_regions * size for size in sizes)]).tolist()
        return tuple(slice(start, stop) for start, stop in pairwise(bounds))

    @property
    def length(self) -> int:
        """Values of a row."""
        return int(self.parts[-1].stop)

    def __call__(self, picture: NDArray[np.uint8]) -> Floats:
        """uint8 [crop, crop, 3] to float32 [length]; each of the four codes has length one."""
        return np.concatenate(list(self._codes(grey(picture[None]))))

    def _codes(self, seen: Floats) -> Iterator[Floats]:
        for descriptor, regions, words in zip(self.recipe.descriptors, self.regions, self.vocabularies, strict=True):
            values = words.projection(descriptor.describe(seen)[0])
            yield words.local.encode(values, regions).reshape(-1)
            yield words.super_vector.encode(values, regions).reshape(-1)


class FittedNec:
    """An encoder and, as one, the sum of four linear machines a class; scores are on the scale of logits."""

    runtime = "numpy"

    def __init__(self, encoder: Encoder, linear: Linear, classes: ClassList) -> None:
        self.encoder = encoder
        self.linear = linear
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
        """Write `nec_uiuc.npz` into an existing folder: arrays and, as text, recipe and classes."""
        about = {"recipe": asdict(self.encoder.recipe), "classes": [self.classes.wnids, self.classes.names]}
        arrays = {"weights": self.linear.weights, "bias": self.linear.bias}
        for name, words in zip(("hog", "lbp"), self.encoder.vocabularies, strict=True):
            mixture = words.super_vector.mixture
            arrays |= {
                f"{name}_mean": words.projection.mean,
                f"{name}_axes": words.projection.axes,
                f"{name}_words": words.local.words,
                f"{name}_mixture_weights": mixture.weights,
                f"{name}_mixture_means": mixture.means,
                f"{name}_mixture_variances": mixture.variances,
            }
        write_arrays(folder / _FILE, about, arrays)


def fit(train: Pictures, tune: Pictures, recipe: Recipe, *, seed: int, log: FitLog, device: str = "cpu") -> FittedNec:
    """Learn vocabularies and machines on `train`; penalties and the scale of the sum are chosen on `tune`."""
    recipe.check()
    labels, tune_labels = labels_of(train, "train"), labels_of(tune, "tune")
    encoder = learn_vocabularies(train, recipe, seed=seed, progress=log.progress)
    needed_mb = encoder.length * 4 * len(train) / 2**20
    if needed_mb > recipe.memory_mb:
        raise BadInput(
            f"needs {needed_mb:,.0f} MB for {len(train)} rows of {encoder.length} values",
            where="recipe",
            row="memory_mb",
            fix="Raise memory_mb, or lower n_words, n_gaussians, n_axes or the pyramid",
        )
    rows, tune_rows = (
        rows_of(encoder, encoder.length, part, recipe.view, progress=log.progress, task="codes")
        for part in (train, tune)
    )
    sgd = Sgd(recipe.epochs, recipe.batch_size, recipe.negatives)
    chosen: list[Linear] = []
    for i, part in enumerate(encoder.parts):
        seen, held_out = np.ascontiguousarray(rows[:, part]), np.ascontiguousarray(tune_rows[:, part])
        machines = fit_one_vs_rest(
            seen, labels, len(train.classes), recipe.penalties, seed=seed, sgd=sgd, progress=log.progress
        )
        _, figures = choose(machines, recipe.penalties, held_out, tune_labels)
        for line in figures:
            log.metrics({"machine": i} | line)
        # Margins are summed as they are; what `choose` scales to logits would be weighted sums.
        chosen.append(machines[int(np.argmin([line["tune_loss"] for line in figures]))])
    # The sum of the machines is one machine on the codes side by side.
    together = Linear(np.concatenate([m.weights for m in chosen]), np.sum([m.bias for m in chosen], axis=0))
    scores = together(tune_rows)
    scale, loss = fit_scale(scores, tune_labels)
    error = float(np.mean(scores.argmax(axis=1) != tune_labels))
    log.metrics({"tune_error": error, "tune_loss": loss, "scale": scale})
    return FittedNec(encoder, together.scaled(scale), train.classes)


def learn_vocabularies(train: Pictures, recipe: Recipe, *, seed: int, progress: Progress = silent) -> Encoder:
    """Projections, words and mixtures, from descriptors drawn evenly from up to 2,000 pictures."""
    side = recipe.view.crop_px
    hog, lbp = recipe.descriptors
    for name, descriptor in (("hog_cells_px", hog), ("lbp_cells_px", lbp)):
        if not len(descriptor.centres(side, side)):
            raise BadInput(f"has no room for a descriptor in {side} px", where="recipe", row=name)
    samples = sample_descriptors(
        (lambda picture: hog.describe(grey(picture[None]))[0], lambda picture: lbp.describe(grey(picture[None]))[0]),
        train,
        recipe.view,
        recipe.n_sampled,
        seed=seed,
        progress=progress,
    )
    vocabularies = []
    for i, sample in enumerate(samples):
        progress("learning the vocabularies", i, len(samples))
        projection = fit_projection(sample, recipe.n_axes)
        values = projection(sample)
        local = LocalCoding(fit_words(values, recipe.n_words, seed=seed), recipe.neighbours)
        mixture = fit_mixture(values, recipe.n_gaussians, seed=seed)
        vocabularies.append(Vocabulary(projection, local, SuperVector(mixture, recipe.count)))
    progress("learning the vocabularies", len(samples), len(samples))
    return Encoder(recipe, tuple(vocabularies))


def load(folder: Path) -> FittedNec:
    """Read what `save` wrote; raises BadInput for a missing or damaged file. Nothing in it is run."""
    path = Path(folder) / _FILE
    about, arrays = read_arrays(path)
    try:
        settings: dict[str, Any] = about["recipe"]
        settings = {key: tuple(item) if isinstance(item, list) else item for key, item in settings.items()}
        settings["view"] = View.from_json(settings["view"])
        recipe = Recipe(**settings)
        classes = ClassList(*(tuple(part) for part in about["classes"]))
        vocabularies = tuple(_vocabulary(name, arrays, recipe) for name in ("hog", "lbp"))
        linear = Linear(arrays["weights"], arrays["bias"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read as a fitted nec_uiuc ({error})", where=path, fix="Fit it anew") from error
    recipe.check()
    classes.check(path)
    encoder = Encoder(recipe, vocabularies)
    if linear.weights.shape != (encoder.length, len(classes)):
        raise BadInput(f"has weights {list(linear.weights.shape)} for {len(classes)} classes", where=path)
    return FittedNec(encoder, linear, classes)


def _vocabulary(name: str, arrays: dict[str, NDArray[Any]], recipe: Recipe) -> Vocabulary:
    mixture = Mixture(*(arrays[f"{name}_mixture_{part}"] for part in ("weights", "means", "variances")))
    return Vocabulary(
        Projection(arrays[f"{name}_mean"], arrays[f"{name}_axes"]),
        LocalCoding(arrays[f"{name}_words"], recipe.neighbours),
        SuperVector(mixture, recipe.count),
    )


TINY = Recipe(
    view=View(64, 64, "bicubic"),
    hog_cells_px=(4, 6),
    lbp_cells_px=(6, 8),
    step_px=4,
    n_axes=32,
    n_words=128,
    n_gaussians=16,
    n_sampled=20_000,
)

# Pictures of at most 500 px a side (the paper); the other sizes are recalled or chosen, see docs/landmarks/nec_uiuc.md.
PUBLISHED = Recipe(
    view=View(500, 500, "bicubic", squash=True),
    hog_cells_px=(4, 6, 8),
    lbp_cells_px=(8, 12, 16),
    step_px=6,
    n_axes=64,
    n_words=8192,
    n_gaussians=512,
    n_sampled=1_000_000,
    pyramid=("1x1", "2x2", "3x1"),
    penalties=(1e-5,),
    negatives=0.0,
    epochs=5,
)

SYSTEM = System(
    title="NEC-UIUC",
    year=2010,
    paper="Lin et al., Large-scale image classification: fast feature extraction and SVM training, CVPR 2011",
    claim=Claim(
        metric="top5_error",
        value=0.28191,
        edition="ILSVRC2010",
        split="test",
        protocol="contest entry (first place): two codings, stochastic linear machines, scores combined, supplied data",
        source="ILSVRC2010 results page, flat error of NEC-UIUC, as transcribed by two public fact sheets",
        crops="whole picture",
        n_networks=0,
        extra_data="none",
    ),
    variants={"tiny": TINY, "published": PUBLISHED},
    fit=fit,
    load=load,
    needs=(),
)
