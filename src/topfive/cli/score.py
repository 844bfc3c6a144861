"""`topfive score` and `compare`: numbers from predictions files alone."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from topfive import flows
from topfive.cli.comparison import print_comparison, print_placement, print_ranking
from topfive.cli.figures import print_scores
from topfive.cli.options import Seed
from topfive.cli.output import print_json
from topfive.records import BadInput


def score(
    predictions: Path,
    source: Annotated[Path | None, Parameter(name="SET", help="A dataset folder or a truth file.")] = None,
    /,
    *,
    split: str = "val",
    truth: str | None = None,
    corrected: Path | None = None,
    order: Path | None = None,
    ids: str | None = None,
    kit: Path | None = None,
    devkit: Path | None = None,
    boxes: Path | None = None,
    restrict: bool = False,
    details: bool = False,
    report: Path | None = None,
    seed: Seed = 0,
    json: bool = False,
) -> None:
    """Every number of one predictions file: P SET; or of logits, free-text answers (.jsonl), an ILSVRC submission.

    Example: `topfive score runs/alexnet-val.parquet runs/twin --split val --report runs/alexnet-val.html`

    Example: `topfive score lite0.parquet runs/imagenet --truth original,real,corrected --corrected imagenet_mturk.json`

    Example: `topfive score logits.npy runs/imagenet --order classes.txt --ids split`

    Example: `topfive score answers.jsonl runs/pictures`, where each line is {"image_id": "...", "answer": "..."} or
    {"image_id": "...", "answers": ["...", ...]}, best first; what names no class is an error

    Example: `topfive score submission.txt --devkit ILSVRC2012_devkit_t12.tar.gz`

    Parameters
    ----------
    predictions
        A predictions file; `.npy` logits; `.csv` logits or guesses; answers in words; with `--devkit` a text file of up
        to five ILSVRC2012_IDs a line.
    split
        The split of the dataset folder.
    truth
        What to hold it against, parted by commas: original, real (ReaL), corrected (by votes), or truth files.
    corrected
        The votes that correct ImageNet's labels (imagenet_mturk.json).
    order
        The classes of the columns of logits: a classes.tsv, or a wnid, name or ILSVRC2012_ID a line.
    ids
        The images of the rows of a `.npy`: a file with one image_id a line, or the word split for the set's own order.
    kit
        The official kit, for an --order of ILSVRC2012_IDs.
    devkit
        The official kit, a folder or its tar.gz: the truth comes from it.
    boxes
        With --devkit: the archive of the validation images' boxes, or an imported set's boxes.parquet; the submission
        then has a box after each label.
    restrict
        Limit the predictions to the truth's classes; the result says so.
    details
        With --json: every class, every subtree, the confusion by subtree, the curves.
    report
        The HTML page to write.
    seed
        Draws the bootstrap and what the temperature is fitted on.
    json
        Print one JSON object.
    """
    if devkit is not None:
        if source is not None or truth is not None:
            raise BadInput(
                "takes its truth from the kit alone", where="score --devkit", fix="Leave SET and --truth out"
            )
        if restrict or report is not None:
            raise BadInput("scores a text of all 1,000 classes", where="score --devkit", fix="Leave other options out")
        result = flows.score_devkit(predictions, devkit, boxes=boxes)
    elif boxes is not None:
        raise BadInput("goes with --devkit only", where="--boxes")
    else:
        against = flows.Against(named_truths(truth, corrected), restrict, seed)
        if source is None and truth is None:
            raise BadInput(
                "needs the truth", where="score", fix="Name a dataset folder or a truth file, or --devkit KIT"
            )
        page = None if report is None else flows.Page(report, shlex.join(["topfive", *sys.argv[1:]]))
        reading = flows.Reading(order, ids, kit)
        result = flows.score_file(predictions, source, split=split, against=against, reading=reading, page=page)
        if not details:
            for view in result.get("truths", [result]):
                view.pop("details", None)
        if report is not None:
            result = result | {"report": str(report)}
    print_json(result) if json else print_scores(result)


def named_truths(truth: str | None, corrected: Path | None) -> tuple[str, ...]:
    """The truths named; the votes stand with the name that needs them."""
    names = tuple(name.strip() for name in truth.split(",")) if truth else ()
    if corrected is None:
        return names
    if "corrected" not in names:
        raise BadInput("is not asked for", where="--corrected", fix="Add corrected to --truth")
    return tuple(f"corrected={corrected}" if name == "corrected" else name for name in names)


def compare(
    *files: Path,
    split: str = "val",
    metric: Literal["top1", "top5"] = "top1",
    any_view: bool = False,
    seed: Seed = 0,
    report: Path | None = None,
    published: Path | None = None,
    name: str | None = None,
    restrict: bool = False,
    json: bool = False,
) -> None:
    """Compare predictions of the same images, with each other or with published figures: P1 P2 [P3 ...] SET.

    Two files: exact McNemar test, paired bootstrap of the difference, the images that differ. More: the ranks that all
    paired tests allow, Holm's correction at 5 %. SET is a dataset folder or a truth file.

    Example: `topfive compare runs/a.parquet runs/b.parquet runs/twin --split val --report runs/a-b.html`

    Example: `topfive compare runs/*.parquet runs/twin`

    Example: `topfive compare runs/lite0.parquet runs/val --published results.csv --name tf_efficientnet_lite0.in1k`

    Parameters
    ----------
    files
        Two or more predictions files (one with --published), then a dataset folder or a truth file.
    split
        The split of the dataset folder.
    metric
        top1 or top5.
    any_view
        Compare files that were preprocessed differently, as systems with Views of their own are.
    seed
        Draws the bootstrap; same seed, same interval.
    report
        The HTML page to write: the numbers and, of two files, the images that only one gets right.
    published
        A CSV of published figures with timm's columns: place one file among its rows.
    name
        The row's model that the file should reproduce.
    restrict
        With --published: limit the predictions to the set's classes, as published figures of ImageNet-A and -R are.
    json
        Print one JSON object.
    """
    least = 2 if published is not None else 3
    if len(files) < least:
        wanted = "P SET" if published is not None else "P1 P2 [P3 ...] SET"
        raise BadInput(f"got {len(files)} paths", where="compare", fix=f"Write: topfive compare {wanted}")
    *made, truth = files
    if published is not None:
        if len(made) != 1 or report is not None or any_view:
            raise BadInput("places one file, without --report and --any-view", where="compare --published")
        result = flows.place_file(made[0], truth, published, split=split, metric=metric, restrict=restrict, name=name)
        print_json(result) if json else print_placement(result)
        return
    if name is not None or restrict:
        raise BadInput("goes with --published only", where="--name" if name is not None else "--restrict")
    if report is not None:
        result = flows.report_comparison(made, truth, report, split=split, metric=metric, any_view=any_view, seed=seed)
    elif len(made) > 2:
        result = flows.rank_files(made, truth, split=split, metric=metric, any_view=any_view)
    else:
        result = flows.compare_files(made[0], made[1], truth, split=split, metric=metric, any_view=any_view, seed=seed)
    if json:
        print_json(result)
    elif len(made) > 2:
        print_ranking(result)
    else:
        print_comparison(result, made)
