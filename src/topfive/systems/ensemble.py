"""Ensemble: unlike systems judged together err less than the best of them; the winner of ILSVRC2016.

Trimps-Soushen (Third Research Institute of the Ministry of Public Security, China): 2.99 % top-5 error on test, from
five or so networks of unlike design fused with weights. There is no paper; summaries of the talk agree on the fusion,
and single networks are said to have erred by 3.5 to 4.3 % on val.

    topfive train ensemble DATASET --set members=RUN,RUN --out RUN

Members are run folders of any landmarks. One weight each is fitted to the log-likelihood of `tune`, which no member
has learnt from. `train` is not looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import BadInput, Claim, ClassList, Progress, View, silent, write_text
from topfive.systems._labels import labels_of
from topfive.systems.features.score_fusion import fit_sum
from topfive.systems.predict import load_fitted
from topfive.systems.system import FitLog, Fitted, System

Mean = Literal["log", "probability"]


def pool(scores: NDArray[np.float64], weights: NDArray[np.float64], mean: Mean) -> NDArray[np.float64]:
    """Log-probabilities [n, K] of members' logits [members, n, K].

    `log`: softmax(sum_m w_m z_m), the weighted geometric mean; weights are free, so that each also sets how sharp its
    member is. `probability`: log sum_m w_m softmax(z_m), the weighted mean; weights sum to one.
    """
    from scipy.special import log_softmax, logsumexp

    if mean == "log":
        return np.asarray(log_softmax(np.tensordot(weights, scores, axes=1), axis=1))
    each = log_softmax(scores, axis=2)
    return np.asarray(logsumexp(each, axis=0, b=weights[:, None, None]))


def fit_weights(scores: NDArray[np.float64], labels: NDArray[np.int64], mean: Mean) -> NDArray[np.float64]:
    """The weights, none below zero, with the greatest likelihood of the labels; both problems are concave."""
    if mean == "probability":
        return _mixture_weights(scores, labels)
    return fit_sum(list(scores), labels)[0]


def _mixture_weights(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Expectation maximisation of the mixture's weights: each step raises the likelihood."""
    from scipy.special import softmax

    likely = softmax(scores, axis=2)[:, np.arange(len(labels)), labels] + 1e-300
    weights = np.full(len(scores), 1.0 / len(scores))
    for _ in range(1000):
        share = weights[:, None] * likely
        moved = (share / share.sum(axis=0)).mean(axis=1)
        if np.abs(moved - weights).max() < 1e-9:
            break
        weights = moved
    return weights


class FittedEnsemble:
    """Members with a weight each; every member sees pictures through its own view, `view` is the first member's."""

    classes: ClassList
    view: View

    def __init__(self, folders: Sequence[Path], weights: NDArray[np.float64], mean: Mean) -> None:
        self.folders = [Path(folder).resolve() for folder in folders]
        loaded = [load_fitted(folder) for folder in self.folders]
        self.members = [fitted for fitted, _ in loaded]
        self.runs = [run.run_id for _, run in loaded]
        # Another `train` has another `tune`: a member would be weighed by pictures that it has learnt from.
        for folder, (_, run) in zip(self.folders, loaded, strict=True):
            if run.manifest != loaded[0][1].manifest:
                first = self.folders[0].name
                raise BadInput(f"was fitted on other pictures than {first}", where=folder, fix="Leave it out")
        self.weights = weights
        self.mean: Mean = mean
        self.classes, self.view = self.members[0].classes, self.members[0].view
        for folder, member in zip(self.folders, self.members, strict=True):
            if member.classes.digest != self.classes.digest:
                raise BadInput(
                    f"was fitted on other classes than {self.folders[0].name}", where=folder, fix="Leave it out"
                )

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> NDArray[np.float32]:
        """Log-probabilities float32 [n, K]; members of weight zero are not run."""
        used = np.flatnonzero(self.weights)
        members = [self.members[i] for i in used]
        scores = member_scores(members, pictures, self.view.decoder, batch_size, progress)
        return pool(scores, self.weights[used], self.mean).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write `ensemble.json`: where the members lie from here, their run ids, their weights."""
        value = {
            "members": [os.path.relpath(member, Path(folder).resolve()) for member in self.folders],
            "runs": self.runs,
            "weights": self.weights.tolist(),
            "mean": self.mean,
            "decoder": self.view.decoder,
        }
        write_text(folder / "ensemble.json", json.dumps(value, indent=1) + "\n")


def member_scores(
    members: Sequence[Fitted],
    pictures: Pictures,
    decoder: Literal["reference", "exact"],
    batch_size: int = 64,
    progress: Progress = silent,
) -> NDArray[np.float64]:
    """Each member's logits [members, n, K], through its own view with this pixel rule."""
    scores = np.empty((len(members), len(pictures), len(pictures.classes)))
    for i, member in enumerate(members):
        member.view = replace(member.view, decoder=decoder)
        scores[i] = member.scores(pictures, batch_size=batch_size, progress=progress)
    return scores


@dataclass(frozen=True, kw_only=True)
class EnsembleRecipe:
    """`members` are run folders; `mean` says whether logarithms or probabilities are averaged."""

    members: tuple[str, ...] = ()
    mean: Mean = "log"

    @property
    def view(self) -> View:
        """The first member's view; raises BadInput where no member is named."""
        self.check()
        return load_fitted(Path(self.members[0]))[0].view

    def check(self) -> None:
        """Raise BadInput where there is nothing to fuse."""
        if not self.members:
            raise BadInput("names no run folder", where="recipe", row="members", fix="Say --set members=RUN,RUN")
        if self.mean not in ("log", "probability"):
            raise BadInput(f"is {self.mean!r}", where="recipe", row="mean", fix="Means: log, probability")


def fit(
    train: Pictures, tune: Pictures, recipe: EnsembleRecipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedEnsemble:
    """Weigh the members on `tune`; nothing is drawn by chance, and members stay on the device they load on."""
    recipe.check()
    folders = [Path(folder) for folder in recipe.members]
    fitted = FittedEnsemble(folders, np.ones(len(folders)), recipe.mean)
    if fitted.classes.digest != tune.classes.digest:
        raise BadInput("was fitted on other classes than this set's", where=folders[0])
    labels = labels_of(tune, "tune")
    scores = member_scores(fitted.members, tune, fitted.view.decoder, progress=log.progress)
    fitted.weights = fit_weights(scores, labels, recipe.mean)
    guesses = pool(scores, fitted.weights, recipe.mean).argmax(axis=1)
    log.metrics(
        {f"weight_{i}": float(weight) for i, weight in enumerate(fitted.weights)}
        | {"tune_error": float(np.mean(guesses != labels))}
    )
    return fitted


def load(folder: Path) -> FittedEnsemble:
    """Read an ensemble and its members; raises BadInput where a member is gone or is another run."""
    path = Path(folder) / "ensemble.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        folders = [Path(folder).resolve() / member for member in value["members"]]
        runs, mean, decoder = list(value["runs"]), value["mean"], value["decoder"]
        weights = np.array(value["weights"], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read as an ensemble ({error})", where=path) from error
    if not folders or not len(folders) == len(runs) == len(weights) or mean not in ("log", "probability"):
        raise BadInput("is no ensemble: members, runs and weights do not fit", where=path)
    fitted = FittedEnsemble(folders, weights, mean)
    for place, run, now in zip(fitted.folders, runs, fitted.runs, strict=True):
        if run != now:
            raise BadInput(f"holds run {now}, the ensemble was made of {run}", where=place, fix="Fit the ensemble anew")
    fitted.view = replace(fitted.view, decoder=decoder)
    return fitted


SYSTEM = System(
    title="Ensemble",
    year=2016,
    paper="Trimps-Soushen, ILSVRC2016 (no paper)",
    claim=Claim(
        metric="top5_error",
        value=0.02991,
        edition="ILSVRC2012",
        split="test",
        protocol="contest of 2016: several networks fused with weights, several scales and crops, supplied data",
        source="ILSVRC2016 results page, classification, first entry, as transcribed",
        crops="several scales and crops",
        n_networks=None,
        extra_data="none",
    ),
    variants={"tiny": EnsembleRecipe()},
    fit=fit,
    load=load,
)
