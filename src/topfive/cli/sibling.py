"""`topfive sibling`: predictions scored on ImageNet's siblings, each by its own protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from topfive import flows
from topfive.cli.options import Seed
from topfive.cli.output import percent, print_facts, print_json, print_table
from topfive.records import BadInput

Name = Literal["v2", "sketch", "a", "r", "objectnet", "o", "w", "c"]


def sibling(
    name: Name,
    predictions: Path,
    dataset: Path,
    *,
    split: str = "val",
    clean: Path | None = None,
    clean_set: Path | None = None,
    mappings: Path | None = None,
    classes: Path | None = None,
    baseline: Path | None = None,
    seed: Seed = 0,
    json: bool = False,
) -> None:
    """Score predictions on a sibling of ImageNet: V2, Sketch, A, R, ObjectNet, O, W or C.

    V2, Sketch, A, R and ObjectNet are scored among their own classes and among all of the model's. O gives the area
    under the precision-recall curve of the anomaly score, W what a watermark does, C errors by corruption and severity
    with mCE on the released JPEGs.

    Example: `topfive sibling a runs/a.parquet runs/imagenet-a --clean runs/val.parquet --clean-set runs/val`

    Example: `topfive sibling c runs/c.parquet runs/imagenet-c`

    Parameters
    ----------
    name
        v2, sketch, a, r, objectnet, o, w or c: a set is named, never guessed.
    predictions
        A predictions file of the sibling's pictures.
    dataset
        The sibling as a dataset folder; for w, val: its pictures keep their ids under the watermark.
    split
        The split of both dataset folders.
    clean
        The same model's predictions on val: needed for o and w, beside the others where given.
    clean_set
        val as a dataset folder or truth file: goes with --clean (not for w).
    mappings
        For objectnet: the release's folder of that name.
    classes
        For o: a file of the known classes' wnids, one a line; else those that the set's folders name, and where these
        are none of ILSVRC's, all classes of val.
    baseline
        For c: JSON of a mean error for each of the 15 corruptions, in AlexNet's place.
    seed
        Draws the bootstraps of o and w.
    json
        Print one JSON object.
    """
    needs_set = name != "w"
    if clean is not None and needs_set and clean_set is None:
        raise BadInput("goes with --clean-set", where="--clean", fix="Name val, a dataset folder or truth file")
    if clean is None and name in ("o", "w"):
        raise BadInput("needs --clean", where=f"sibling {name}", fix="Give the same model's predictions on val")
    for given, option, owner in ((mappings, "--mappings", "objectnet"), (classes, "--classes", "o")):
        if given is not None and name != owner:
            raise BadInput(f"goes with sibling {owner} only", where=option)
    if baseline is not None and name != "c":
        raise BadInput("goes with sibling c only", where="--baseline")
    beside = (clean, clean_set) if clean is not None and clean_set is not None else None
    if name == "objectnet":
        if mappings is None:
            raise BadInput("needs --mappings", where="sibling objectnet", fix="The release has them in mappings/")
        result = flows.score_objectnet(predictions, dataset, mappings, split=split)
    elif name == "o" and beside is not None:
        result = flows.score_outliers(predictions, dataset, beside, classes=classes, split=split, seed=seed)
    elif name == "w" and clean is not None:
        result = flows.score_watermark(predictions, dataset, clean, split=split, seed=seed)
    elif name == "c":
        result = flows.score_released_corruptions(predictions, dataset, split=split, clean=beside, baseline=baseline)
    else:
        result = flows.score_sibling(name, predictions, dataset, split=split, clean=beside)
    print_json(result) if json else _print(result)


def _print(result: Mapping[str, Any]) -> None:
    facts: dict[str, object] = {"set": f"{result['title']} ({result['source']})", "protocol": result["protocol"]}
    if "ways" in result:
        facts["classes"] = (
            f"{result['n_classes']:,} ({result['subset']}), {result['n_classes_with_images']:,} with images"
        )
        print_facts(facts)
        rows = [_way(result["title"], way) for way in result["ways"]]
        rows += [_way("val, same classes", way) for way in result.get("clean", {}).get("ways", ())]
        print_table(("pictures", "images", "among", "top-1 error %", "top-5 error %"), rows)
    elif "aupr" in result:
        facts["images"] = f"{result['n_outside']:,} outside, {result['n_inside']:,} of {result['n_ways']:,} classes"
        facts["area under precision-recall, %"] = percent(result["aupr"], result["aupr_interval"])
        facts["chance, %"] = percent(result["chance"])
        print_facts(facts)
    elif "called_rise" in result:
        facts["images"] = f"{result['n']:,}"
        facts["top-1 error % without"] = percent(result["clean_error"])
        facts["top-1 error % with"] = percent(result["marked_error"])
        facts["rise, points"] = percent(result["error_rise"], result["error_rise_interval"])
        facts[f"called {result['wnid']} % without"] = percent(result["called_clean"], result["called_clean_interval"])
        facts[f"called {result['wnid']} % with"] = percent(result["called_marked"], result["called_marked_interval"])
        facts["rise of that, points"] = percent(result["called_rise"], result["called_rise_interval"])
        print_facts(facts)
    else:
        print_corruptions(result, facts)


def print_corruptions(result: Mapping[str, Any], facts: Mapping[str, object]) -> None:
    """Errors by corruption and severity as a table, with CE where it has a meaning."""
    shown = dict(facts)
    if result["clean_error"] is not None:
        shown["top-1 error % without"] = percent(result["clean_error"], result["clean_error_interval"])
    if result["mean_error"] is not None:
        shown["mean error % of the 15"] = percent(result["mean_error"])
    released = "mce" in result
    if released and result["mce"] is not None:
        shown[f"mCE ({result['baseline']} is 100)"] = percent(result["mce"])
    elif released:
        shown["mCE"] = f"none: {len(result['missing'])} of 75 are missing, the first is {result['missing'][0]}"
    print_facts(shown)
    rows = []
    for row in result["corruptions"]:
        by = {cell["severity"]: percent(cell["error"]) for cell in row["severities"]}
        mean = "" if row["mean_error"] is None else percent(row["mean_error"])
        ce = [] if not released else ["" if row["ce"] is None else percent(row["ce"])]
        rows.append((row["corruption"], *(by.get(severity, "") for severity in range(1, 6)), mean, *ce))
    heads = ("top-1 error %", "1", "2", "3", "4", "5", "mean", *(["CE"] if released else []))
    print_table(heads, rows)


def _way(pictures: str, way: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        pictures,
        f"{way['n']:,}",
        f"{way['n_ways']:,} classes",
        percent(way["top1_error"], way["top1_error_interval"]),
        percent(way["top5_error"], way["top5_error_interval"]),
    )
