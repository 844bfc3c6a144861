"""`topfive systems`, `train`, `predict`, `evaluate`: the landmark systems and models from elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from topfive import flows
from topfive import systems as landmarks
from topfive.cli.output import percent, print_facts, print_json, print_table
from topfive.cli.progress import Bars
from topfive.records import BadInput

Device = Literal["cpu", "cuda", "mps"]
Precision = Literal["fp32", "bf16"]
Settings = Annotated[list[str] | None, Parameter(name="--set", negative="")]


def systems(
    name: str | None = None,
    *,
    explain: Path | None = None,
    run: Path | None = None,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """List the landmark systems, show one in full, or draw what a fitted one looks at in a picture.

    Examples: `topfive systems alexnet`;
    `topfive systems zfnet --explain cat.jpg --run runs/zfnet --out cat-explained.png`

    Parameters
    ----------
    name
        One of them; all where it is left out.
    explain
        A picture: draw what the system looks at in it (visual words, first filters, deconvolution, attention).
    run
        The fitted run to ask.
    out
        The PNG to write (default: the picture's name with `-NAME.png`).
    json
        Print one JSON object.
    """
    if explain is not None:
        _explain(name, explain, run, out, json)
        return
    value = flows.show_systems()
    if name is not None:
        chosen = landmarks.describe(name).to_json()
        value = {"systems": [chosen]}
    if json:
        print_json(value)
    elif name is None:
        rows = [
            (known.year, known.name, percent(known.claim.value), known.claim.metric[:4], known.claim.conditions)
            for known in landmarks.landmarks()
        ]
        print_table(("year", "name", "error %", "", "published under"), rows)
    else:
        claim = chosen["claim"]
        published = f"{claim['metric'].replace('_', '-')} {percent(claim['value'])} %"
        conditions = f"{landmarks.describe(name).claim.conditions}; {claim['protocol']}"
        print_facts(
            {
                "name": chosen["name"],
                "title": chosen["title"],
                "year": chosen["year"],
                "paper": chosen["paper"],
                "published": f"{published} ({conditions})",
                "source": claim["source"],
                "variants": ", ".join(chosen["variants"]),
                "parameters": "none" if chosen["n_parameters"] is None else f"{chosen['n_parameters']:,}",
                "needs": ", ".join(chosen["needs"]) or "nothing more",
            }
        )


def _explain(name: str | None, picture: Path, run: Path | None, out: Path | None, json: bool) -> None:
    if name is None or run is None:
        raise BadInput(
            "needs a system and --run RUN", where="--explain", fix=f"topfive train {name or 'NAME'} makes one"
        )
    facts = flows.explain(name, run, picture, out or picture.with_name(f"{picture.stem}-{name}.png"))
    print_json(facts) if json else print_facts({**facts, "shows": "; ".join(facts["shows"])})


def train(
    system: str,
    dataset: Path,
    *,
    out: Path,
    init: Path | None = None,
    set: Settings = None,
    seed: int = 0,
    device: Device = "cpu",
    json: bool = False,
) -> None:
    """Fit a landmark on a set's `train` split; `tune`, 10 % of it by hash, is for its choices.

    A fit that was stopped goes on by the same command. Under `torchrun` its processes share each batch.

    Examples: `topfive train alexnet runs/twin --out runs/alexnet --set epochs=5`;
    `topfive train resnet runs/small --init runs/resnet --set layer_decay=0.7 --out runs/tuned`;
    `torchrun --nproc-per-node 2 -m topfive train resnet:50 runs/large --out runs/resnet50`

    Parameters
    ----------
    system
        `name` or `name:variant` (default variant: tiny).
    dataset
        A dataset folder.
    out
        The run folder to make.
    init
        A run folder whose weights the network begins with, all but its last layer (`--set freeze=true` learns that
        layer alone); for linear_probe and knn the frozen backbone.
    set
        `key=value` to change a field of the recipe; may stand several times.
    seed
        Same seed, same run.
    device
        cpu, cuda or mps.
    json
        Print one JSON object.
    """
    from topfive.records import Dataset

    with Bars() as progress:
        run = flows.fit_system(
            system,
            Dataset.read(dataset),
            out,
            options=flows.Options(settings=flows.parse_settings(set or []), seed=seed, device=device, init=init),
            now=_now(),
            progress=progress,
        )
    if landmarks.first_process():
        facts = {"run": run.run_id, "folder": str(out), "seconds": round(run.seconds, 1), **run.notes}
        print_json(facts) if json else print_facts(facts)
    landmarks.farewell()


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
    devkit
        The official kit, for the archive of val.
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
        cache=_cache(),
        download=download,
    )
    with Bars() as progress:
        found = flows.open_set(dataset, split=split, devkit=devkit, progress=progress)
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
    weights: Path | None = None,
    devkit: Path | None = None,
    batch_size: int = 16,
    device: Device = "cpu",
    download: bool = False,
    explain: bool = False,
    expected: float | None = None,
    published: Path | None = None,
    json: bool = False,
) -> None:
    """Predict and score in one go.

    Examples: `topfive evaluate efficientnet_lite0 runs/pictures --split val --precision bf16`;
    `topfive evaluate timm:resnet50 runs/pictures --explain --expected 0.2`

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
        `reference` is torchvision's transforms on Pillow; `exact` is faster, within one grey level on 99 % of pixels.
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
    weights
        The weights of a timm:, torchvision: or open_clip: model: safetensors, or a checkpoint of tensors alone.
    devkit
        The official kit, for the archive of val; with `--explain` also for orders by ILSVRC2012_ID.
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
        from topfive.cli.explain_low import explain_evaluation

        with Bars() as progress:
            found = flows.open_set(dataset, split=split, devkit=devkit, progress=progress)
        looking = flows.Looking(weights=weights, device=device, download=download, devkit=devkit)
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
        cache=_cache(),
        download=download,
    )
    with Bars() as progress:
        found = flows.open_set(dataset, split=split, devkit=devkit, progress=progress)
        result = flows.evaluate(model, found, split, how=how, restrict=restrict, progress=progress)
    _tell_problems(result)
    print_json(result) if json else _print_result(result)


def _print_result(result: dict[str, Any]) -> None:
    left_out = f", {result['n_problems']:,} left out" if result["n_problems"] else ""
    print_facts(
        {
            "model": result["model"],
            "images": f"{result['n']:,}{left_out}",
            "top-1 error %": percent(result["top1_error"], result["top1_error_interval"]),
            "top-5 error %": percent(result["top5_error"], result["top5_error_interval"]),
            "correct": f"{result['top1_correct']:,} top-1, {result['top5_correct']:,} top-5",
            "speed": f"{result['images_per_s']:.1f} images/s (set-up {result['setup_s']:.1f} s)",
            "runtime": f"{result['runtime']}, {result['precision']}, {result['crops']}, view {result['view'][:12]}",
            "contaminated": result["contaminated"]
            + (
                " (seen in training, perhaps: this checks the pipeline, it is no accuracy)"
                if result["contaminated"] == "likely"
                else ""
            ),
        }
    )


def _tell_problems(facts: dict[str, Any]) -> None:
    """Pictures that were left out, on standard error."""
    for problem in facts["problems"]:
        print(f"left out: image {problem['image_id']} {problem['reason']}", file=sys.stderr)
    unnamed = facts["n_problems"] - len(facts["problems"])
    if unnamed:
        print(f"left out: {unnamed:,} more", file=sys.stderr)


def _cache() -> Path:
    """Where trials of runtimes are remembered."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "topfive"


def export(run: Path, out: Path, *, json: bool = False) -> None:
    """Write a fitted network for other programs, checked to give the same answers.

    Example: `topfive export runs/resnet resnet.onnx`

    Parameters
    ----------
    run
        The run folder of a neural landmark.
    out
        The file to write: .onnx (float32 pixels [n, 3, crop, crop] to logits) or .safetensors.
    json
        Print one JSON object.
    """
    facts = flows.export(run, out)
    print_json(facts) if json else print_facts(facts)


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")
