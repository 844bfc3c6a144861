"""`topfive score` and `compare`: numbers from predictions files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from topfive import flows
from topfive.cli.output import percent, print_facts, print_json, print_table
from topfive.records import BadInput


def score(
    predictions: Path,
    truth: Annotated[Path | None, Parameter(help="A dataset folder or a truth file.")] = None,
    *,
    split: str = "val",
    devkit: Path | None = None,
    restrict: bool = False,
    json: bool = False,
) -> None:
    """Score a predictions file, free-text answers (.jsonl), or an ILSVRC text submission with `--devkit`.

    Example: `topfive score runs/alexnet-val.parquet runs/twin --split val`

    Example: `topfive score answers.jsonl runs/pictures`, where each line is {"image_id": "...", "answer": "..."} or
    {"image_id": "...", "answers": ["...", ...]}, best first; what names no class is an error

    Example: `topfive score submission.txt --devkit ILSVRC2012_devkit_t12.tar.gz`

    Parameters
    ----------
    predictions
        A predictions file, or answers in words; with `--devkit` a text file of up to five ILSVRC2012_IDs a line.
    split
        The split of the dataset folder.
    devkit
        The official kit, a folder or its tar.gz: the truth comes from it.
    restrict
        Limit the predictions to the truth's classes; the result says so.
    json
        Print one JSON object.
    """
    if devkit is not None:
        if truth is not None:
            raise BadInput("takes its truth from the kit and no second argument", where="score --devkit")
        if restrict:
            raise BadInput("scores all 1,000 classes", where="score --devkit", fix="Leave --restrict out")
        result = flows.score_devkit(predictions, devkit)
    elif truth is None:
        raise BadInput("needs the truth", where="score", fix="Name a dataset folder or a truth file, or use --devkit")
    else:
        result = flows.score_file(predictions, truth, split=split, restrict=restrict)
    print_json(result) if json else _print(result)


def compare(
    first: Path,
    second: Path,
    truth: Path,
    *,
    split: str = "val",
    metric: Literal["top1", "top5"] = "top1",
    json: bool = False,
) -> None:
    """Compare two predictions files on the same images: exact McNemar test, interval of the difference.

    Example: `topfive compare runs/a.parquet runs/b.parquet runs/twin --split val`

    Parameters
    ----------
    first
        A predictions file.
    second
        Another.
    truth
        A dataset folder or a truth file.
    split
        The split of the dataset folder.
    metric
        top1 or top5.
    json
        Print one JSON object.
    """
    result = flows.compare_files(first, second, truth, split=split, metric=metric)
    if json:
        print_json(result)
        return
    print_facts(
        {
            "difference in error, points": percent(result["difference"], result["interval"]),
            "p (exact McNemar)": f"{result['p_value']:.3g}",
            "images that differ": result["n_discordant"],
        }
    )


def _print(result: dict[str, Any]) -> None:
    print_facts(
        {
            "protocol": result["protocol"],
            "images": f"{result['n']:,}",
            "top-1 error %": percent(result["top1_error"], result["top1_error_interval"]),
            "top-5 error %": percent(result["top5_error"], result["top5_error_interval"]),
        }
    )
    if "flat_error" in result:
        rows = [
            (k + 1, f"{flat:.5f}", f"{result['hierarchical_error'][k]:.5f}")
            for k, flat in enumerate(result["flat_error"])
        ]
        print_table(("guesses", "flat error", "hierarchical error"), rows)
