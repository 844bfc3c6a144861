"""From prediction files, votes and labels to numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from topfive.flows.truths import gather_truths, read_truth
from topfive.records import BadInput, ClassList, Predictions, Truth, Votes, silent, unreadable

if TYPE_CHECKING:
    from topfive.scoring import Boxes, Details, Hierarchy
    from topfive.taxonomy import Devkit


RULES = {
    "original": "the labels as given",
    "real": "labels that ReaL's reviewers found valid (Beyer et al. 2020); images where they found none are left out",
}


@dataclass(frozen=True)
class Reading:
    """What a file of numbers from elsewhere does not say itself.

    `order` lists the classes of its columns; `ids` the images of its rows, one a line, or is the word `split` where
    they stand in the order of the set's split; `kit` is the development kit that explains ILSVRC2012_IDs.
    """

    order: Path | None = None
    ids: str | None = None
    kit: Path | None = None


@dataclass(frozen=True)
class Against:
    """What predictions are held against: `truths` by the names that `gather_truths` knows (none: the set's own labels).

    `restrict` limits the guesses to the truth's classes. `seed` draws the bootstrap and parts what temperatures are
    fitted on from what they are measured on. `details` keeps every class, every subtree and the curves in the result.
    """

    truths: Sequence[str] = ()
    restrict: bool = False
    seed: int = 0
    details: bool = False


@dataclass(frozen=True)
class Page:
    """Where the page of a result goes, what it says of how the predictions came to be, and what must be said first."""

    out: Path
    command: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    caution: str = ""


def score_file(
    predictions: Path,
    truth: Path | None = None,
    *,
    split: str = "val",
    against: Against = Against(),
    reading: Reading = Reading(),
    page: Page | None = None,
) -> dict[str, Any]:
    """Score one predictions file, or free-text answers (`.jsonl`): the keys of INTERFACE for `score`.

    With several truths the result is a list under `truths`. `page` has it written as HTML too.
    """
    if predictions.suffix == ".jsonl":
        if truth is None or against != Against() or page is not None:
            raise BadInput("are answers in words: they take one truth and no page", where=predictions)
        return _score_answers(predictions, read_truth(truth, split))
    made = read_predictions(predictions, truth, split=split, reading=reading)
    truths = gather_truths(against.truths, truth, made.ids, split=split)
    found = measure(made, truths, restrict=against.restrict, seed=against.seed, where=predictions)
    if page is not None:
        from topfive.flows.result import report_result

        report_result(made, truths, found, page, own=truth, split=split)
    return told(found)


def read_predictions(
    path: Path, truth: Path | None, *, split: str = "val", reading: Reading = Reading()
) -> Predictions:
    """A predictions file; or `.npy` logits, or `.csv` logits or guesses, whose classes must be explicit.

    Raises BadInput where an order is missing, and where options are given that a file does not need.
    """
    from topfive import scoring, taxonomy

    if path.suffix not in (".npy", ".csv"):
        if reading != Reading():
            raise BadInput("says its classes and images itself", where=path, fix="Leave --order, --ids and --kit out")
        return Predictions.read(path)
    own = None if truth is None else read_truth(truth, split)
    ilsvrc = taxonomy.ilsvrc_classes()
    known = ilsvrc if own is None else own.classes
    order = None
    if reading.order is not None:
        of_id = dict(enumerate(taxonomy.read_devkit(reading.kit).wnids[:1000], 1)) if reading.kit else {}
        order = scoring.read_order(reading.order, _joined(known, ilsvrc), of_id)
    if path.suffix == ".csv":
        if reading.ids is not None:
            raise BadInput("names its images itself", where=path, fix="Leave --ids out")
        return scoring.read_table(path, known, order)
    if order is None:
        raise BadInput("does not say which class a column is", where=path, fix="Add --order CLASSES")
    return scoring.read_logits(path, _ids(path, own, reading.ids), order)


def _joined(first: ClassList, second: ClassList) -> ClassList:
    """The first's classes, then those of the second that it lacks."""
    more = [i for i, wnid in enumerate(second.wnids) if wnid not in first.index]
    return ClassList((*first.wnids, *(second.wnids[i] for i in more)), (*first.names, *(second.names[i] for i in more)))


def _ids(path: Path, own: Truth | None, ids: str | None) -> tuple[str, ...]:
    if ids is None:
        raise BadInput(
            "does not say which image a row is",
            where=path,
            fix="Add --ids FILE (one image_id a line), or --ids split if rows stand in the order of the set's split",
        )
    if ids == "split":
        if own is None:
            raise BadInput("needs a set or a truth file", where="--ids split", fix="Name it as second argument")
        return own.ids
    try:
        return tuple(Path(ids).read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable("a list of ids", ids, error) from error


def measure(
    made: Predictions,
    truths: Sequence[Truth],
    *,
    restrict: bool = False,
    seed: int = 0,
    where: str | Path = "predictions",
) -> tuple[Details, ...]:
    """Everything that the predictions say under each truth; WordNet is the hierarchy where it has all the classes."""
    from topfive import scoring

    found = []
    for truth in truths:
        classes = scoring.classes_kept(made.classes, truth.classes, where) if restrict else made.classes
        tree = hierarchy_over(classes)
        found.append(scoring.details(made, truth, hierarchy=tree, restrict=restrict, seed=seed, where=where))
    return tuple(found)


@lru_cache(maxsize=4)
def hierarchy_over(classes: ClassList) -> Hierarchy | None:
    """WordNet above the classes, as scoring takes it; None where a class is no noun synset."""
    from topfive import scoring, taxonomy

    known = taxonomy.wordnet()
    if any(wnid not in known for wnid in classes.wnids):
        return None
    tree = taxonomy.class_tree(classes)
    return scoring.Hierarchy(
        n_classes=len(classes),
        wnids=tree.wnids,
        names=tuple(known.lemmas(wnid)[0].replace("_", " ") for wnid in tree.wnids),
        parent_start=tree.parent_start,
        parents=tree.parents,
        leaf_start=tree.leaf_start,
        leaves=tree.leaves,
        heights=tree.heights,
        full_heights=tree.full_heights,
    )


def truth_rules() -> dict[str, str]:
    """What the truths that have a name mean."""
    from topfive import scoring

    return RULES | {"corrected": scoring.CORRECTION_RULE}


def told(found: Sequence[Details]) -> dict[str, Any]:
    """The JSON object of `score`: the keys of the one truth, or a list under `truths`."""
    rules = truth_rules()
    views = [details.to_json() for details in found]
    for view in views:
        if view["truth"] in rules:
            view["truth_rule"] = rules[view["truth"]]
    return views[0] if len(views) == 1 else {"truths": views}


def _score_answers(path: Path, truth: Truth) -> dict[str, Any]:
    """Answers are matched to the classes' names and WordNet lemmas; what matches none counts as an error."""
    from topfive import scoring, taxonomy

    known = taxonomy.wordnet()
    synonyms = {
        wnid: [lemma.replace("_", " ") for lemma in known.lemmas(wnid)] for wnid in truth.classes.wnids if wnid in known
    }
    guesses = scoring.to_predictions(scoring.read_answers(path), truth.classes, synonyms)
    return scoring.score_answers(guesses, truth, path).to_json()


def score_devkit(submission: Path, kit: Path, *, boxes: Path | None = None) -> dict[str, Any]:
    """Score an ILSVRC text submission with the truth of the official kit: flat and hierarchical error, k = 1..5.

    With `boxes` (the archive of the validation images' boxes, or the `boxes.parquet` of an imported set) it is a
    submission of task 2, with a box after each label, and `localisation_error` is given too.
    """
    from topfive import scoring, taxonomy

    devkit = taxonomy.read_devkit(kit)
    tree = taxonomy.class_tree(devkit.classes)
    extra: dict[str, Any] = {"rank_by": scoring.rank_by(2012)}
    if boxes is None:
        guesses = scoring.read_submission(submission, allow_repeats=True)  # as the kit does
    else:
        guesses, corners = scoring.read_box_submission(submission)
        truth = _boxes(boxes, devkit)
        errors = scoring.localisation_errors(guesses, corners, devkit.validation, truth, where=submission)
        extra["localisation_error"] = list(errors)
    scores = scoring.score_submission(
        guesses,
        devkit.validation,
        classes=devkit.classes,
        index_of_id=devkit.id_to_index,
        cost=tree.leaf_costs,
        where=submission,
    )
    return scores.to_json() | extra


def _boxes(path: Path, devkit: Devkit) -> Boxes:
    """The validation images' boxes, labelled by ILSVRC2012_ID; objects that are no synset of the kit count not."""
    from topfive import scoring
    from topfive.dataset.boxes import SCHEMA, read_boxes

    if path.suffix == ".parquet":
        try:
            table = pq.read_table(path, columns=SCHEMA.names)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise unreadable("boxes", path, error) from error
    elif path.is_file():
        table, problems = read_boxes(path, silent)
        if problems:
            raise BadInput(f"holds {problems[0].image_id}, which {problems[0].reason}", where=path)
    else:
        raise BadInput("is no file", where=path, fix="Name ILSVRC2012_bbox_val_v3.tgz, or a set's boxes.parquet")
    number = {wnid: number for number, wnid in enumerate(devkit.wnids, 1)}
    labels = np.array([number.get(wnid, 0) for wnid in table["wnid"].to_pylist()], dtype=np.int32)
    corners = np.stack([table[side].to_numpy().astype(np.float64) for side in ("xmin", "ymin", "xmax", "ymax")], axis=1)
    return scoring.boxes_by_image(devkit.validation_ids, table["image_id"].to_pylist(), labels, corners)


def agree(
    votes: Path, method: str, out: Path, *, classes: Sequence[str] | None = None, gold: Path | None = None
) -> dict[str, Any]:
    """Votes -> Consensus, written to `out`; returns the keys of INTERFACE for `label consensus`."""
    from topfive import labelling

    if out.suffix not in (".csv", ".parquet"):
        raise BadInput(f"ends in {out.suffix!r}", where=out, fix="Name a .csv or a .parquet file")
    read = Votes.read(votes)
    known = None if gold is None else labelling.read_gold(gold)
    labelling.prepare(method)
    began = time.perf_counter()
    consensus = labelling.consensus(read, method, classes=classes, gold=known)
    seconds = time.perf_counter() - began
    consensus.write(out)
    return consensus.to_json() | {"seconds": seconds, "out": str(out)}


def audit_label_errors(
    labels: Path, probs: Path, *, filter_by: str, out: Path | None, threads: int, chunk: int | None
) -> dict[str, Any]:
    """Confident learning on two mapped arrays; the suspects go to `out`."""
    from topfive import audit

    found = audit.label_errors(*audit.read_arrays(labels, probs), filter_by=filter_by, threads=threads, chunk=chunk)
    if out is not None:
        found.write_csv(out)
    return found.to_json()


def audit_imagenet() -> dict[str, Any]:
    """ImageNet's own validation labels against ReaL's, from what installed packages carry."""
    from topfive import audit, taxonomy

    return audit.imagenet_validation(taxonomy.ilsvrc_classes()).to_json()
