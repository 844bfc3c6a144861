"""`topfive systems`, `train`, `export`: the landmark systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from topfive import flows
from topfive import systems as landmarks
from topfive.cli.options import Seed
from topfive.cli.output import percent, print_facts, print_json, print_table
from topfive.cli.progress import Bars
from topfive.records import BadInput

Device = Literal["cpu", "cuda", "mps"]
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
    seed: Seed = 0,
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
