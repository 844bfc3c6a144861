"""Compressed Fisher vectors: the winner of ILSVRC2011, SIFT and colour in half a million values each, a bit a value.

Perronnin and Sanchez, "Compressed Fisher vectors for large scale visual recognition", ILSVRC2011 workshop; the method
is that of Sanchez and Perronnin, "High-dimensional signature compression for large-scale image classification", CVPR
2011. Their entry erred by 25.77 % (top-5, test); the next had 31.01 %. New was the size: product quantisation makes
the vectors of a million pictures 32 times smaller, and the machines learn from the codes, decoded a few at a time.

    topfive train xrce DATASET --out RUN

Two channels, dense SIFT and local colour moments, each with principal components, a mixture of Gaussians, Fisher
vectors over a spatial pyramid, a product quantiser and one hinge machine a class; their scores are added with a weight
chosen on `tune`. `tiny` has all of it with eight Gaussians; docs/landmarks/xrce.md has its times and sizes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, ClassList, Progress, View, silent
from topfive.systems._arrays import read_arrays, write_arrays
from topfive.systems._labels import labels_of
from topfive.systems.features.colour_moments import ColourMoments
from topfive.systems.features.dense_sift import DenseSift, grey
from topfive.systems.features.encoding_pool import one_picture_each, rows_of, sample_descriptors
from topfive.systems.features.fisher import Mixture, fit_mixture, pyramid
from topfive.systems.features.linear_svm import Linear, Sgd, choose, fit_one_vs_rest, fit_scale
from topfive.systems.features.pca import Projection, fit_projection
from topfive.systems.features.product_quantiser import ProductQuantiser, affordable, fit_quantiser
from topfive.systems.features.signatures import (
    Signatures,
    compress,
    row_blocks,
    scratch_folder,
    write_signatures,
)
from topfive.systems.system import FitLog, System

Floats = NDArray[np.float32]
_FILE = "xrce.npz"
CHANNELS = ("sift", "colour")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Both channels take patches of 4 x 4 cells of `bins_px` every `step_px`, `n_axes` components, `n_components`
    Gaussians learnt from `n_sampled` descriptors, regions of `pyramid`. Quantisers have up to `n_centroids` for every
    `sub_vector` values, learnt from `n_quantised` pictures; `compare` also fits machines on vectors that are not
    quantised, to measure the loss. `shares` of colour are tried in the fusion."""

    view: View
    bins_px: tuple[int, ...]
    step_px: int
    n_axes: int
    n_components: int
    n_sampled: int
    root: bool = True
    pyramid: tuple[str, ...] = ("1x1", "3x1")
    sub_vector: int = 8
    n_centroids: int = 256
    n_quantised: int = 4096
    compare: bool = True
    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2)
    epochs: int = 40
    batch_size: int = 64
    negatives: float = 1.0
    shares: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    memory_mb: int = 2000

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be fitted with."""
        self.view.check()
        self.sift.check()
        wrong = {
            "n_axes": self.n_axes < 1 or self.n_axes > 96,
            "n_components": self.n_components < 1,
            "n_sampled": self.n_sampled < 2 * self.n_components,
            "pyramid": not self.pyramid,
            "sub_vector": self.sub_vector < 1 or self.n_axes % max(self.sub_vector, 1) != 0,
            "n_centroids": not 2 <= self.n_centroids <= 256,
            "n_quantised": self.n_quantised < 8,
            "penalties": not self.penalties or min(self.penalties) <= 0,
            "epochs": self.epochs < 1,
            "batch_size": self.batch_size < 1,
            "negatives": not self.negatives >= 0,
            "shares": not self.shares or min(self.shares) < 0 or max(self.shares) > 1,
            "memory_mb": self.memory_mb < 1,
        }
        for name, bad in wrong.items():
            if bad:
                raise BadInput(f"cannot fit with {name} = {getattr(self, name)}", where="recipe", row=name)

    @property
    def sift(self) -> DenseSift:
        """Descriptors of the first channel."""
        return DenseSift(self.bins_px, self.step_px, root=self.root)

    @property
    def colour(self) -> ColourMoments:
        """Descriptors of the second channel."""
        return ColourMoments(self.bins_px, self.step_px)

    def describe(self, channel: str, picture: NDArray[np.uint8]) -> Floats:
        """Descriptors of a channel of one picture, float32 [N, 128 or 96]."""
        found = self.sift.describe(grey(picture[None])) if channel == "sift" else self.colour.describe(picture[None])
        return np.asarray(found[0])

    def centres(self, channel: str) -> Floats:
        """Where they lie, float32 [N, 2]."""
        side = self.view.crop_px
        return self.sift.centres(side, side) if channel == "sift" else self.colour.centres(side, side)


class Encoder:
    """From a picture to the Fisher vectors of one channel, one region after the other in one row."""

    def __init__(self, channel: str, recipe: Recipe, projection: Projection, mixture: Mixture) -> None:
        self.channel = channel
        self.recipe = recipe
        self.view = recipe.view
        self.projection = projection
        self.mixture = mixture
        side = recipe.view.crop_px
        self.regions = pyramid(recipe.centres(channel), side, side, recipe.pyramid)

    @property
    def length(self) -> int:
        """Values of a row."""
        return len(self.regions) * self.mixture.length

    def __call__(self, picture: NDArray[np.uint8]) -> Floats:
        """uint8 [crop, crop, 3] to float32 [length]."""
        descriptors = self.projection(self.recipe.describe(self.channel, picture))
        return self.mixture.encode(descriptors, self.regions).reshape(-1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` makes it of, by name."""
        parts = {"mean": self.projection.mean, "axes": self.projection.axes}
        parts |= {"mixture_weights": self.mixture.weights, "mixture_means": self.mixture.means}
        return parts | {"mixture_variances": self.mixture.variances}


class FittedXrce:
    """Two encoders with a linear machine for each class; the scores are weighted sums on the scale of logits.

    Codes are for learning: pictures to be classified are encoded one at a time and need no compression.
    """

    runtime = "numpy"

    def __init__(self, channels: tuple[tuple[Encoder, Linear], ...], classes: ClassList) -> None:
        self.channels = channels
        self.classes = classes
        self.view = channels[0][0].view

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> Floats:
        """Logits float32 [n, K], each picture computed alone: the same, bit for bit, in any batch and order."""

        def score(picture: NDArray[np.uint8]) -> Floats:
            parts = [linear(encoder(picture)[None])[0] for encoder, linear in self.channels]
            return np.asarray(parts[0] + parts[1])

        n = len(self.classes)
        return rows_of(score, n, pictures, self.view, batch_size=batch_size, progress=progress, task="predicting")

    def save(self, folder: Path) -> None:
        """Write `xrce.npz` into an existing folder: arrays and, as text, recipe and classes."""
        recipe = self.channels[0][0].recipe
        about = {"recipe": asdict(recipe), "classes": [self.classes.wnids, self.classes.names]}
        arrays: dict[str, NDArray[Any]] = {}
        for encoder, linear in self.channels:
            parts = encoder.arrays() | {"weights": linear.weights, "bias": linear.bias}
            arrays |= {f"{encoder.channel}_{name}": part for name, part in parts.items()}
        write_arrays(folder / _FILE, about, arrays)


def fit(train: Pictures, tune: Pictures, recipe: Recipe, *, seed: int, log: FitLog, device: str = "cpu") -> FittedXrce:
    """Learn vocabularies, quantisers and machines on `train`; penalties, scales and fusion are chosen on `tune`."""
    recipe.check()
    labels_of(train, "train")
    tune_labels = labels_of(tune, "tune")
    learnt = []
    for channel in CHANNELS:
        encoder = learn_vocabulary(channel, train, recipe, seed=seed, progress=log.progress)
        with scratch_folder(log.checkpoints) as folder:
            learnt.append((encoder, *_fit_channel(encoder, train, tune, folder, seed=seed, log=log)))
    share, scale, lines = fuse(learnt[0][2], learnt[1][2], tune_labels, recipe.shares)
    for line in lines:
        log.metrics(line)
    weight = {"sift": scale * (1.0 - share), "colour": scale * share}
    channels = tuple((encoder, linear.scaled(weight[encoder.channel])) for encoder, linear, _ in learnt)
    return FittedXrce(channels, train.classes)


def learn_vocabulary(
    channel: str, train: Pictures, recipe: Recipe, *, seed: int, progress: Progress = silent
) -> Encoder:
    """Projection and mixture of a channel, from descriptors drawn evenly from up to 2,000 pictures."""
    if len(recipe.centres(channel)) == 0:
        raise BadInput(f"has no room for a patch in {recipe.view.crop_px} px", where="recipe", row="bins_px")

    def describe(picture: NDArray[np.uint8]) -> Floats:
        return recipe.describe(channel, picture)

    (flat,) = sample_descriptors([describe], train, recipe.view, recipe.n_sampled, seed=seed, progress=progress)
    progress(f"learning the {channel} vocabulary", 0, 1)
    with one_picture_each(1):  # One thread: with more, sums are added in another order from run to run.
        projection = fit_projection(flat, recipe.n_axes)
        mixture = fit_mixture(projection(flat), recipe.n_components, seed=seed)
    progress(f"learning the {channel} vocabulary", 1, 1)
    return Encoder(channel, recipe, projection, mixture)


def _fit_channel(
    encoder: Encoder, train: Pictures, tune: Pictures, folder: Path, *, seed: int, log: FitLog
) -> tuple[Linear, Floats]:
    """The machines of a channel, learnt from codes, and their scores of tune, float32 [n, K]; figures go to `log`."""
    recipe, progress, memory_mb = encoder.recipe, log.progress, encoder.recipe.memory_mb
    drawn = np.arange(len(train))
    if not recipe.compare and len(train) > recipe.n_quantised:
        drawn = np.sort(np.random.default_rng([seed, 4]).permutation(len(train))[: recipe.n_quantised])
    vectors, held_out = (
        write_signatures(folder / f"{name}.npy", encoder, part, memory_mb=memory_mb, progress=progress)
        for name, part in (("vectors", train.take(drawn)), ("tune", tune))
    )
    quantiser = learn_quantiser(vectors, recipe, seed=seed, workers=train.workers)
    path = folder / "codes.npy"
    if len(drawn) == len(train):
        codes = compress(path, vectors, quantiser)
    else:
        codes = write_signatures(path, encoder, train, quantiser=quantiser, memory_mb=memory_mb, progress=progress)
    figures = {
        "vectors_mb": len(train) * encoder.length * 4 / 2**20,
        "codes_mb": codes.megabytes,
        "quantiser_mb": quantiser.centroids.nbytes / 2**20,
        "centroids": float(quantiser.centroids.shape[1]),
        "bits_a_value": quantiser.bits,
        "reconstruction_loss": _lost(quantiser, held_out),
    }
    linear, lines = _machines(codes, train, held_out, tune, recipe, seed=seed, progress=progress)
    figures["tune_error"] = min(lines, key=lambda line: line["tune_loss"])["tune_error"]
    if recipe.compare:
        _, plain = _machines(vectors, train, held_out, tune, recipe, seed=seed, progress=progress)
        figures["tune_error_unquantised"] = min(plain, key=lambda line: line["tune_loss"])["tune_error"]
    for line in [*lines, figures]:
        log.metrics({f"{encoder.channel}_{key}": value for key, value in line.items()})
    return linear, linear.over(held_out)


def learn_quantiser(vectors: Signatures, recipe: Recipe, *, seed: int, workers: int = 1) -> ProductQuantiser:
    """Up to `recipe.n_centroids` for each sub-vector, fewer where there are not four vectors for each; of more than
    `recipe.n_quantised` vectors some are drawn."""
    rows = np.sort(np.random.default_rng([seed, 5]).permutation(len(vectors))[: recipe.n_quantised])
    return fit_quantiser(
        (part[rows] for part in vectors.columns(recipe.sub_vector)),
        seed=seed,
        n_centroids=affordable(len(rows), recipe.n_centroids),
        length=recipe.sub_vector,
        workers=workers,
    )


def _lost(quantiser: ProductQuantiser, vectors: Signatures) -> float:
    """The share of squared length that coding loses, of vectors that the quantiser was not learnt from."""
    # All vectors have one length, a root of the number of regions: the mean over blocks is that over vectors.
    blocks = [vectors[rows] for rows in row_blocks(*vectors.shape)]
    return sum(len(block) * quantiser.lost(block) for block in blocks) / len(vectors)


def _machines(
    vectors: Signatures,
    train: Pictures,
    held_out: Signatures,
    tune: Pictures,
    recipe: Recipe,
    *,
    seed: int,
    progress: Progress,
) -> tuple[Linear, list[dict[str, float]]]:
    """The machine of the best penalty, its scores on the scale of logits, and figures of each penalty."""
    machines = fit_one_vs_rest(
        vectors,
        labels_of(train, "train"),
        len(train.classes),
        recipe.penalties,
        seed=seed,
        sgd=Sgd(recipe.epochs, recipe.batch_size, recipe.negatives),
        progress=progress,
    )
    return choose(machines, recipe.penalties, held_out, labels_of(tune, "tune"))


def fuse(
    sift: Floats, colour: Floats, class_index: NDArray[np.integer[Any]], shares: tuple[float, ...]
) -> tuple[float, float, list[dict[str, float]]]:
    """The share of colour whose sum, scaled to logits, gives the labels the greatest likelihood; its scale; figures."""
    lines = []
    for share in shares:
        scores = np.float32(1.0 - share) * sift + np.float32(share) * colour
        scale, loss = fit_scale(scores, class_index)
        error = float(np.mean(scores.argmax(axis=1) != class_index))
        lines.append({"colour_share": share, "tune_error": error, "tune_loss": loss, "scale": scale})
    best = min(lines, key=lambda line: line["tune_loss"])
    return best["colour_share"], best["scale"], lines


def load(folder: Path) -> FittedXrce:
    """Read what `save` wrote; raises BadInput for a missing or damaged file. Nothing in it is run."""
    path = Path(folder) / _FILE
    about, arrays = read_arrays(path)
    try:
        settings: dict[str, Any] = about["recipe"]
        settings = {key: tuple(item) if isinstance(item, list) else item for key, item in settings.items()}
        settings["view"] = View.from_json(settings["view"])
        recipe = Recipe(**settings)
        recipe.check()
        classes = ClassList(*(tuple(part) for part in about["classes"]))
        channels = []
        for channel in CHANNELS:
            one = {name.removeprefix(f"{channel}_"): part for name, part in arrays.items() if name.startswith(channel)}
            mixture = Mixture(one["mixture_weights"], one["mixture_means"], one["mixture_variances"])
            encoder = Encoder(channel, recipe, Projection(one["mean"], one["axes"]), mixture)
            channels.append((encoder, Linear(one["weights"], one["bias"])))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read as a fitted xrce ({error})", where=path, fix="Fit it anew") from error
    classes.check(path)
    for encoder, linear in channels:
        if linear.weights.shape != (encoder.length, len(classes)):
            raise BadInput(f"has weights {list(linear.weights.shape)} for {len(classes)} classes", where=path)
    return FittedXrce(tuple(channels), classes)


TINY = Recipe(
    view=View(96, 96, "bicubic"),
    bins_px=(4, 6, 8),
    step_px=4,
    n_axes=32,
    n_components=8,
    n_sampled=30_000,
)

# Half a million values a channel, as entered: 64 axes, 1,024 Gaussians, 4 regions. The view and the patches are those
# of XRCE's papers: about 100,000 pixels, 24 px every 4 px at five scales. The vectors of 1.2 million pictures would
# take 2.6 TB a channel, so no machines are fitted on them for comparison.
PUBLISHED = Recipe(
    view=View(316, 316, "bicubic", squash=True),
    bins_px=(6, 8, 12, 17, 24),
    step_px=4,
    root=False,
    n_axes=64,
    n_components=1024,
    n_sampled=1_024_000,
    n_quantised=10_000,
    compare=False,
    penalties=(1e-5,),
    negatives=8.0,
    epochs=10,
)

SYSTEM = System(
    title="XRCE: compressed Fisher vectors",
    year=2011,
    paper="Perronnin and Sanchez, Compressed Fisher vectors for large scale visual recognition, ILSVRC2011 workshop",
    claim=Claim(
        metric="top5_error",
        value=0.25770,
        edition="ILSVRC2011",
        split="test",
        protocol="contest entry (winner): SIFT and colour Fisher vectors, linear machines, late fusion; supplied data",
        source="ILSVRC2011 results page, flat error of XRCE, as transcribed by public fact sheets",
        crops="whole picture",
        n_networks=0,
        extra_data="none",
    ),
    variants={"tiny": TINY, "published": PUBLISHED},
    fit=fit,
    load=load,
    needs=(),
)
