"""`topfive predict` and `evaluate`: a run folder, or a model from elsewhere, on a set of pictures."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from topfive import flows
from topfive import systems as landmarks
from topfive.cli.figures import print_scores
from topfive.cli.options import Seed, cache_folder
from topfive.cli.output import print_facts, print_json
from topfive.cli.progress import Bars
from topfive.cli.score import named_truths
from topfive.cli.sibling import print_corruptions
from topfive.records import BadInput, ClassList, Dataset, Progress, silent

Device = Literal["cpu", "cuda", "mps"]
Precision = Literal["fp32", "bf16"]


def predict(
    model: str,
    dataset: Path,
    *,
    out: Path,
    split: str = "val",
    crops: str = "1-crop",
    logits: bool | None = None,
    precision: Precision = "fp32",
    runtime: str = "auto",
    check: bool = True,
    weights: Path | None = None,
    classes: Path | None = None,
    devkit: Path | None = None,
    batch_size: int = 64,
    device: Device = "cpu",
    download: bool = False,
    json: bool = False,
) -> None:
    """Write a model's predictions for one split. What was stopped goes on by the same command.

    Under `torchrun` the processes share out the pictures; the file is the same.

    Examples: `topfive predict runs/alexnet runs/twin --split val --out runs/alexnet-val.parquet`;
    `torchrun --nproc-per-node 2 -m topfive predict timm:resnet50 runs/large --weights w.safetensors --out p.parquet`

    Parameters
    ----------
    model
        A run folder, efficientnet_lite0, 1 or 2, timm:NAME, torchvision:NAME, open_clip:NAME/TAG, onnx:FILE, or
        py:FILE.py:build.
    dataset
        A dataset folder, a plain folder by class, or the official archive of val.
    out
        The predictions file to write.
    split
        Which split.
    crops
        The test protocol: 1-crop, flip, 10-crop, 144-crop, 150-crop, dense or multi-scale. Probabilities are averaged.
    logits
        Keep every class's score, not the five best alone (default: up to 50,000 pictures of 1,000 classes).
    precision
        fp32 or bf16.
    runtime
        auto (the fastest of a short trial; a run folder keeps its own), torch, torch-compile, openvino or onnxruntime.
    check
        Hold a fast path against the reference path on 256 pictures first.
    weights
        The weights of a timm:, torchvision: or open_clip: model: safetensors, or a checkpoint of tensors alone.
    classes
        What a model's scores stand for, in its order, where neither it nor its file says so: a classes.tsv, or a wnid,
        name or ILSVRC2012_ID a line (default: the 1,000 of ILSVRC by wnid).
    devkit
        The official kit, for the archive of val, and for --classes of ILSVRC2012_IDs.
    batch_size
        Pictures decoded at a time; the answer does not depend on it.
    device
        cpu, cuda or mps.
    download
        Let a library fetch weights that are not on this machine.
    json
        Print one JSON object.
    """
    how = flows.Inference(
        batch_size=batch_size,
        device=device,
        weights=weights,
        crops=crops,
        runtime=runtime,
        precision=precision,
        check=check,
        cache=cache_folder(),
        download=download,
    )
    with _bars() as progress:
        found = flows.open_set(dataset, split=split, devkit=devkit, progress=progress)
        how = replace(how, classes=_classes(classes, found, devkit))
        facts = flows.predict_file(model, found, split, out, how=how, keep_logits=logits, progress=progress)
    if facts is not None:
        _tell_problems(facts)
        print_json(facts) if json else print_facts({key: facts[key] for key in facts if key != "problems"})
    landmarks.farewell()


def evaluate(
    model: str,
    dataset: Path,
    *,
    split: str = "val",
    view: Literal["exact", "reference"] = "exact",
    precision: Precision = "fp32",
    runtime: str = "auto",
    check: bool = True,
    crops: str = "1-crop",
    restrict: bool = False,
    truth: str | None = None,
    corrected: Path | None = None,
    details: bool = False,
    report: Path | None = None,
    corruptions: str | None = None,
    out: Path | None = None,
    seed: Seed = 0,
    weights: Path | None = None,
    classes: Path | None = None,
    devkit: Path | None = None,
    batch_size: int = 16,
    device: Device = "cpu",
    download: bool = False,
    explain: bool = False,
    expected: float | None = None,
    published: Path | None = None,
    json: bool = False,
) -> None:
    """Predict and score in one go. What was stopped goes on by the same command.

    Under `torchrun` the processes share out the pictures; the numbers are the same, and the first process prints them.

    Example: `topfive evaluate efficientnet_lite0 runs/pictures --split val --precision bf16`

    Example: `topfive evaluate timm:resnet50 runs/imagenet --truth original,real --report resnet50.html`

    Example: `topfive evaluate timm:resnet50 runs/pictures --explain --expected 0.2`

    Example: `topfive evaluate runs/resnet runs/twin --corruptions fog:3,contrast:5`

    Example: `torchrun --nproc-per-node 2 -m topfive evaluate timm:resnet50 runs/imagenet --out resnet50.parquet`

    Parameters
    ----------
    model
        A run folder, efficientnet_lite0, 1 or 2, timm:NAME, torchvision:NAME, open_clip:NAME/TAG, onnx:FILE, or
        py:FILE.py:build.
    dataset
        A dataset folder, a plain folder by class, or the official archive of val.
    split
        Which split.
    view
        `reference` is torchvision's transforms on Pillow; `exact` is faster and makes the same pixels.
    precision
        fp32 or bf16.
    runtime
        auto (the fastest of a short trial; a run folder keeps its own), torch, torch-compile, openvino or onnxruntime.
    check
        Hold a fast path against the reference path on 256 pictures first.
    crops
        The test protocol: 1-crop, flip, 10-crop, 144-crop, 150-crop, dense or multi-scale. Probabilities are averaged.
    restrict
        Limit the model to the set's classes; the result says so.
    truth
        What to hold it against, parted by commas: original (the set's own labels), real (ReaL), corrected (by votes),
        or truth files.
    corrected
        The votes that correct ImageNet's labels (imagenet_mturk.json).
    details
        With --json: calibration, severity, every class, every subtree.
    report
        The HTML page to write.
    corruptions
        `all`, or KIND:SEVERITY parted by commas: the error under corruptions made here (imagenet-c/generated).
    out
        The predictions file to leave; with --corruptions a folder for each pass's predictions, where the same command
        goes on.
    seed
        Draws the corruptions, the bootstrap, and what the temperature is fitted on.
    weights
        The weights of a timm:, torchvision: or open_clip: model: safetensors, or a checkpoint of tensors alone.
    classes
        What a model's scores stand for, in its order, where neither it nor its file says so: a classes.tsv, or a wnid,
        name or ILSVRC2012_ID a line (default: the 1,000 of ILSVRC by wnid).
    devkit
        The official kit, for the archive of val and for --classes of ILSVRC2012_IDs; with `--explain` also for orders
        by ILSVRC2012_ID.
    batch_size
        Pictures decoded at a time.
    device
        cpu, cuda or mps.
    download
        Let a library fetch weights that are not on this machine.
    explain
        Look for the mistake behind a poor number: up to 1,000 pictures again with each likely one taken back.
    expected
        The top-1 error that `--explain` should restore, as a fraction.
    published
        A CSV with timm's columns, where `--explain` looks it up.
    json
        Print one JSON object.
    """
    if explain:
        given = {
            "--report": report, "--truth": truth, "--corrected": corrected, "--corruptions": corruptions, "--out": out,
            "--details": details, "--restrict": restrict, "--runtime": runtime != "auto",
            "--precision": precision != "fp32", "--crops": crops != "1-crop",
        }  # fmt: skip
        if unused := ", ".join(name for name, value in given.items() if value):
            raise BadInput(f"looks at one crop on the reference path: no {unused}", where="--explain")
        if not landmarks.first_process():
            landmarks.farewell()  # a thousand pictures need one
        from topfive.cli.explain_low import explain_evaluation

        with Bars() as progress:
            found = flows.open_set(dataset, split=split, devkit=devkit, progress=progress)
        stated = _classes(classes, found, devkit)
        looking = flows.Looking(weights=weights, device=device, download=download, devkit=devkit, classes=stated)
        explain_evaluation(model, found, split, how=looking, expected=expected, published=published, json=json)
        return
    if expected is not None or published is not None:
        raise BadInput("is for --explain", where="--expected or --published", fix="Add --explain")
    how = flows.Inference(
        decoder=view,
        batch_size=batch_size,
        device=device,
        weights=weights,
        crops=crops,
        runtime=runtime,
        precision=precision,
        check=check,
        cache=cache_folder(),
        predictions=out,
        download=download,
    )
    with _bars() as progress:
        found = flows.open_set(dataset, split=split, devkit=devkit, progress=progress)
        how = replace(how, classes=_classes(classes, found, devkit))
        if corruptions is not None:
            if report is not None or truth is not None or restrict:
                raise BadInput("takes no --truth, --report and --restrict", where="--corruptions")
            asked = flows.Corruptions(_pairs(corruptions), seed, out)
            result = flows.evaluate_corruptions(model, found, split, how=how, asked=asked, progress=progress)
        else:
            against = flows.Against(named_truths(truth, corrected), restrict, seed, details)
            page = None if report is None else flows.Page(report, shlex.join(["topfive", *sys.argv[1:]]))
            result = flows.evaluate(model, found, split, how=how, against=against, page=page, progress=progress)
    if result:  # one process has it; the others print nothing
        _tell_problems(result)
        if json:
            print_json(result)
        elif corruptions is not None:
            print_corruptions(result, {"model": result["model"], "images": f"{result['n']:,}"})
        else:
            _print_result(result)
    landmarks.farewell()


def _classes(file: Path | None, dataset: Dataset, devkit: Path | None) -> ClassList | None:
    return None if file is None else flows.read_classes(file, dataset, devkit=devkit)


def _bars() -> AbstractContextManager[Progress]:
    """Progress, which one process of several shows."""
    return Bars() if landmarks.first_process() else nullcontext(silent)


def _pairs(corruptions: str) -> Sequence[tuple[str, int]]:
    from topfive.loading import parse_corruption

    if corruptions == "all":
        return flows.Corruptions().pairs
    return tuple(parse_corruption(part.strip()) for part in corruptions.split(","))


def _print_result(result: dict[str, Any]) -> None:
    left_out = f" ({result['n_problems']:,} left out)" if result["n_problems"] else ""
    print_facts({"model": f"{result['model']}{left_out}"})
    print_scores({name: value for name, value in result.items() if name != "report"})
    view = result.get("truths", [result])[0]["view"]
    facts = {
        "speed": f"{result['images_per_s']:.1f} images/s (set-up {result['setup_s']:.1f} s)",
        "runtime": f"{result['runtime']}, {result['precision']}, {result['crops']}, view {str(view)[:12]}",
        "contaminated": result["contaminated"],
    }
    if result["contaminated"] == "likely":
        facts["contaminated"] += " (seen in training, perhaps: this checks the pipeline, it is no accuracy)"
    print_facts(facts | {name: result[name] for name in ("report", "predictions") if name in result})


def _tell_problems(facts: dict[str, Any]) -> None:
    """Pictures that were left out, on standard error."""
    for problem in facts["problems"]:
        print(f"left out: image {problem['image_id']} {problem['reason']}", file=sys.stderr)
    unnamed = facts["n_problems"] - len(facts["problems"])
    if unnamed:
        print(f"left out: {unnamed:,} more", file=sys.stderr)
