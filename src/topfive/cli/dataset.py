"""`topfive dataset`: make, import and verify image sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cyclopts import App

from topfive.cli.output import print_facts, print_json, print_problems
from topfive.cli.progress import Bars

app = App(
    name="dataset",
    help_format="markdown",
    help="Image sets: make the synthetic twin, import archives where they lie, verify every byte.",
)


@app.command
def twin(
    out: Path,
    *,
    classes: int = 20,
    train: int = 100,
    val: int = 20,
    test: int = 50,
    size: int = 96,
    label_noise: float = 0.06,
    seed: int = 0,
    ilsvrc: bool = False,
    json: bool = False,
) -> None:
    """Make the synthetic twin: rendered solids whose likeness follows the WordNet tree, with planted troubles.

    Example: `topfive dataset twin runs/twin --classes 20 --seed 0`

    Parameters
    ----------
    out
        The dataset folder to make.
    classes
        Number of ILSVRC classes.
    train
        Pictures a class to learn from, about (an imbalance is planted).
    val
        Pictures a class to validate on.
    test
        Pictures a class to be scored on.
    size
        Side of the pictures in pixels.
    label_noise
        Share of wrong labels, in every split.
    seed
        Same seed, same bytes.
    ilsvrc
        All 1,000 classes.
    json
        Print one JSON object.
    """
    from topfive.dataset import TwinRecipe, make_twin

    recipe = TwinRecipe(
        classes=1000 if ilsvrc else classes,
        train=train,
        val=val,
        test=test,
        size=size,
        label_noise=label_noise,
        seed=seed,
        ilsvrc=ilsvrc,
    )
    with Bars() as progress:
        made = make_twin(out, recipe, progress=progress)
    facts: dict[str, Any] = {
        "dataset": str(out),
        "n_images": len(made.manifest),
        "n_classes": len(made.classes),
        "splits": made.manifest.splits(),
        "digest": made.manifest.digest,
    }
    print_json(facts) if json else print_facts(facts)


@app.command(name="import")
def import_(source: Path, out: Path, *, split: str = "val", json: bool = False) -> None:
    """Index an image set where it lies: nothing is extracted, nothing is copied.

    SOURCE is a folder by class, a tar of class folders, or Tiny ImageNet (folder or tar).

    Example: `topfive dataset import pictures.tar runs/pictures --split val`

    Parameters
    ----------
    source
        Folder or archive.
    out
        The dataset folder to make.
    split
        The split of a source that has none of its own.
    json
        Print one JSON object.
    """
    from topfive.dataset import import_source

    with Bars() as progress:
        report = import_source(source, out, split=split, progress=progress).to_json()
    _print_report(report, json, "imported")


@app.command
def verify(dataset: Path, *, json: bool = False) -> None:
    """Read every byte of a set: containers, digests, decodability, sizes, duplicates across splits.

    Exit status 1 where there are problems.

    Example: `topfive dataset verify runs/pictures`

    Parameters
    ----------
    dataset
        A dataset folder.
    json
        Print one JSON object.
    """
    from topfive.dataset import verify as verify_dataset
    from topfive.records import Dataset

    with Bars() as progress:
        report = verify_dataset(Dataset.read(dataset), progress=progress).to_json()
    _print_report(report, json, "verified")
    if report["n_problems"]:
        raise SystemExit(1)


def _print_report(report: dict[str, Any], json: bool, done: str) -> None:
    if json:
        print_json(report)
        return
    splits = ", ".join(f"{name} {n:,}" for name, n in report["splits"].items())
    print(f"{done} {report['n_images']:,} images of {report['n_classes']:,} classes ({splits})")
    print_problems(report)
