"""From prediction files, votes and labels to numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from topfive.records import BadInput, Dataset, Predictions, Truth, Votes


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


def score_file(predictions: Path, truth: Path, *, split: str = "val", restrict: bool = False) -> dict[str, Any]:
    """Score one predictions file, or free-text answers (`.jsonl`): the keys of INTERFACE for `score`."""
    from topfive import scoring

    if predictions.suffix == ".jsonl":
        return _score_answers(predictions, read_truth(truth, split))
    return scoring.score(Predictions.read(predictions), read_truth(truth, split), restrict=restrict).to_json()


def _score_answers(path: Path, truth: Truth) -> dict[str, Any]:
    """Answers are matched to the classes' names and WordNet lemmas; what matches none counts as an error."""
    from topfive import scoring, taxonomy

    known = taxonomy.wordnet()
    synonyms = {
        wnid: [lemma.replace("_", " ") for lemma in known.lemmas(wnid)] for wnid in truth.classes.wnids if wnid in known
    }
    guesses = scoring.to_predictions(scoring.read_answers(path), truth.classes, synonyms)
    return scoring.score_answers(guesses, truth, path).to_json()


def score_devkit(submission: Path, kit: Path) -> dict[str, Any]:
    """Score an ILSVRC text submission with the truth of the official kit: flat and hierarchical error, k = 1..5."""
    from topfive import scoring, taxonomy

    devkit = taxonomy.read_devkit(kit)
    tree = taxonomy.class_tree(devkit.classes)
    return scoring.score_submission(
        scoring.read_submission(submission, allow_repeats=True),  # as the kit does
        devkit.validation,
        classes=devkit.classes,
        index_of_id=devkit.id_to_index,
        cost=tree.leaf_costs,
        where=submission,
    ).to_json()


def compare_files(
    first: Path, second: Path, truth: Path, *, split: str = "val", metric: Literal["top1", "top5"] = "top1"
) -> dict[str, Any]:
    """Compare two predictions files on the same images: the keys of INTERFACE for `compare`."""
    from topfive import scoring

    pair = Predictions.read(first), Predictions.read(second)
    return scoring.compare(*pair, read_truth(truth, split), metric=metric).to_json()


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
