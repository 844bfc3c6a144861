"""Labels corrected by votes, as a Truth: the review of suspected errors by Northcutt et al. 2021, arXiv 2103.14749."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topfive.records import BadInput, Truth, unreadable

RULE = (
    "consensus of 3 of 5 votes: the given label, the guessed one, or both; no valid label where neither won or nothing "
    "did; images that were not reviewed keep their label"
)
CONSENSUS = 3
ANSWERS = ("given", "guessed", "both", "neither")


@dataclass(frozen=True)
class Reviewed:
    """One image's review: its id, the given and the guessed class_index, the votes for each of ANSWERS."""

    image_id: str
    given: int
    guessed: int
    votes: tuple[int, ...]

    @property
    def outcome(self) -> str | None:
        """The answer with at least CONSENSUS votes, None where there is none."""
        most = max(range(len(ANSWERS)), key=lambda i: self.votes[i])
        return ANSWERS[most] if self.votes[most] >= CONSENSUS else None

    @property
    def labels(self) -> tuple[int, ...]:
        """What the image may be called by RULE."""
        allowed: dict[str | None, tuple[int, ...]] = {
            "given": (self.given,),
            "guessed": (self.guessed,),
            "both": (self.given, self.guessed),
        }
        return allowed.get(self.outcome, ())


def read_reviews(path: Path, n_classes: int = 1000) -> tuple[Reviewed, ...]:
    """Read the study's JSON; images are named by the last part of `url`, since `id` counts file names, not rows.

    Raises BadInput naming file and entry for what is no such list.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable("JSON", path, error, fix="Name imagenet_mturk.json") from error
    if not isinstance(entries, list) or not entries:
        raise BadInput("is no list of reviewed images", where=path, fix="Name imagenet_mturk.json")
    found: dict[str, Reviewed] = {}
    for row, entry in enumerate(entries, start=1):
        review = _review(entry, n_classes)
        if review is None:
            raise BadInput("lacks url, labels or votes as the study writes them", where=path, row=f"entry {row}")
        if review.image_id in found:
            raise BadInput(f"image {review.image_id!r} stands twice", where=path, row=f"entry {row}")
        found[review.image_id] = review
    return tuple(found.values())


def corrected(original: Truth, reviews: tuple[Reviewed, ...], where: str | Path = "reviews") -> Truth:
    """The original labels with those of the reviewed images replaced by RULE; joined on image_id.

    Reviews of images that `original` does not hold are left aside. Raises BadInput where none fits, or where a review
    gives an image another original label.
    """
    row_of = {image_id: row for row, image_id in enumerate(original.ids)}
    here = [review for review in reviews if review.image_id in row_of]
    if not here:
        raise BadInput("reviews none of these images", where=where, fix="Corrected labels are for ImageNet's val split")
    changed: dict[int, tuple[int, ...]] = {}
    for review in here:
        row = row_of[review.image_id]
        if review.given not in original.of(row):
            raise BadInput(
                f"image {review.image_id!r} was reviewed as class {review.given}, not {original.of(row).tolist()}",
                where=where,
                fix="The reviews count ILSVRC's classes in the order of their wnids",
            )
        changed[row] = review.labels
    parts = np.split(original.labels, original.offsets[1:-1])
    sets = [changed.get(row, part.tolist()) for row, part in enumerate(parts)]
    return Truth.from_sets(original.ids, sets, original.classes, "corrected")


def _review(entry: Any, n_classes: int) -> Reviewed | None:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("mturk"), Mapping):
        return None
    labels: list[Any] = [entry.get("given_original_label"), entry.get("our_guessed_label")]
    votes: list[Any] = [entry["mturk"].get(answer) for answer in ANSWERS]
    if not isinstance(entry.get("url"), str) or any(type(value) is not int or value < 0 for value in labels + votes):
        return None
    image_id = entry["url"].rpartition("/")[2].rpartition(".")[0]
    if not image_id or max(labels) >= n_classes:
        return None
    return Reviewed(image_id, labels[0], labels[1], tuple(votes))
