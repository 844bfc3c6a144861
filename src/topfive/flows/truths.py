"""Truths by name: a set's own labels, ReaL's, labels corrected by votes, or any truth file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from topfive.records import BadInput, Dataset, Truth

NAMES = ("original", "real", "corrected")
_VOTES = "the label-errors project publishes them as mturk/imagenet_mturk.json"


def read_truth(path: Path, split: str) -> Truth:
    """The labels of one split of a dataset folder, or a truth file."""
    if path.is_dir():
        dataset = Dataset.read(path)
        rows = dataset.manifest.rows(split)
        if (rows.class_index < 0).all():
            raise BadInput(
                f"split {split!r} has no labels here", where=path, fix="Sealed labels are scored by the vault's owner"
            )
        return Truth.single(rows.ids, rows.class_index, dataset.classes)
    return Truth.read(path)


def gather_truths(
    wanted: Sequence[str],
    own: Path | Truth | None,
    ids: Sequence[str],
    *,
    split: str = "val",
    votes: Path | None = None,
) -> tuple[Truth, ...]:
    """The truths named `wanted`, in order: `original`, `real`, `corrected`, `corrected=VOTES.json` or a truth file.

    `own` is the set's folder, truth file or truth, which `original` means; without it ImageNet's own labels are, from
    the installed packages, as they always are for `real` and `corrected`: these two are cut to the images `ids`.
    `votes` is the JSON of the review. Raises BadInput for a name twice or unknown, for what is not installed, and for
    images that are none of ImageNet's validation images.
    """
    if not wanted:
        wanted = ("original",)
    found: list[Truth] = []
    for name in wanted:
        kind, _, file = name.partition("=")
        if kind == "original" and not file:
            truth = own if isinstance(own, Truth) else read_truth(own, split) if own else _imagenet(ids)[0]
        elif kind == "real" and not file:
            truth = _imagenet(ids)[1]
        elif kind == "corrected":
            truth = _corrected(ids, Path(file) if file else votes)
        elif Path(name).is_file():
            truth = Truth.read(Path(name))
            if truth.name in [known.name for known in found]:
                truth = truth.renamed(Path(name).stem)
        else:
            raise BadInput(
                f"{name!r} is no truth and no file", where="--truth", fix=f"Use {', '.join(NAMES)} or a truth file"
            )
        if truth.name in [known.name for known in found]:
            raise BadInput(f"names {truth.name!r} twice", where="--truth")
        found.append(truth)
    return tuple(found)


def _imagenet(ids: Sequence[str]) -> tuple[Truth, Truth]:
    """ImageNet's original and ReaL labels of these validation images."""
    from topfive import audit, taxonomy

    original, real = audit.read_imagenet_labels(taxonomy.ilsvrc_classes())
    row_of = {image_id: row for row, image_id in enumerate(original.ids)}
    strange = next((image_id for image_id in ids if image_id not in row_of), None)
    if strange is not None:
        raise BadInput(
            f"image {strange!r} is none of ImageNet's 50,000 validation images",
            where="--truth",
            fix="These labels are for ids like ILSVRC2012_val_00000001; for other images name a truth file",
        )
    if len(ids) == len(original):
        return original, real
    rows = np.array([row_of[image_id] for image_id in ids], dtype=np.int64)
    return original.take(rows), real.take(rows)


def _corrected(ids: Sequence[str], votes: Path | None) -> Truth:
    from topfive import scoring

    if votes is None:
        raise BadInput(
            "'corrected' needs the votes of the review", where="--truth", fix=f"Add --corrected FILE; {_VOTES}"
        )
    if not votes.is_file():
        raise BadInput("is not there", where=votes, fix=f"Name the votes of the review; {_VOTES}")
    return scoring.corrected(_imagenet(ids)[0], scoring.read_reviews(votes), votes)
