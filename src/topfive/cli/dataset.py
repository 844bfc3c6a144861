"""`topfive dataset`: make, import and verify image sets."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, Literal

from cyclopts import App

from topfive.cli import release
from topfive.cli.options import Seed
from topfive.cli.output import print_facts, print_json, print_problems, print_table
from topfive.cli.progress import Bars
from topfive.records import numbered

app = App(
    name="dataset",
    help_format="markdown",
    help="Image sets: make the synthetic twin, import archives where they lie, verify every byte, "
    "build, divide, release.",
)
for _verb in (release.build, release.split, release.describe, release.subset, release.export):
    app.command(_verb)


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
    seed: Seed = 0,
    ilsvrc: bool = False,
    fraction: float = 1.0,
    estimate: bool = False,
    json: bool = False,
) -> None:
    """Make the synthetic twin: rendered solids whose likeness follows the WordNet tree, with planted troubles.

    A twin that was stopped goes on by the same command.

    Example: `topfive dataset twin runs/twin --classes 20 --seed 0`

    Example: `topfive dataset twin runs/rehearsal --ilsvrc --estimate` says how long ImageNet's full size would take

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
        ILSVRC2012's 1,000 classes and counts: 1,281,167, 50,000 and 100,000 pictures, in place of those above.
    fraction
        With `--ilsvrc`: this share of the counts of each class.
    estimate
        Say how much room and time it will take, and stop.
    json
        Print one JSON object.
    """
    from topfive.dataset import TwinRecipe, estimate_twin, make_twin
    from topfive.records import BadInput

    if fraction != 1.0 and not ilsvrc:
        raise BadInput(
            "is of ILSVRC's counts", where="--fraction", fix="Add --ilsvrc, or use --train, --val and --test"
        )
    recipe = TwinRecipe(
        classes=1000 if ilsvrc else classes,
        train=train,
        val=val,
        test=test,
        size=size,
        label_noise=label_noise,
        seed=seed,
        ilsvrc=ilsvrc,
        fraction=fraction,
    )
    facts: dict[str, Any]
    if estimate or ilsvrc:
        expected = estimate_twin(recipe)
        if estimate:
            facts = {"n_images": expected.n_images, "bytes": expected.n_bytes, "seconds": round(expected.seconds)}
            print_json(facts) if json else print_facts(facts)
            return
        _room(out, expected.n_bytes)
        needs = f"about {expected.n_bytes / 1e9:.1f} GB and {expected.seconds / 60:.0f} minutes"
        print(f"{expected.n_images:,} pictures: {needs}", file=sys.stderr)
    with Bars() as progress:
        made = make_twin(out, recipe, progress=progress)
    facts = {
        "dataset": str(out),
        "n_images": len(made.manifest),
        "n_classes": len(made.classes),
        "splits": made.manifest.splits(),
        "digest": made.manifest.digest,
    }
    print_json(facts) if json else print_facts(facts)


@app.command(name="import")
def import_(
    source: str,
    out: Path,
    *,
    split: str = "val",
    read: bool | None = None,
    devkit: Path | None = None,
    classes: Path | None = None,
    unpack: bool = False,
    wnids: bool = False,
    mapping: Path | None = None,
    labels: Path | None = None,
    json: bool = False,
) -> None:
    """Index an image set where it lies: nothing is extracted, nothing is copied.

    SOURCE is a folder with the official ILSVRC2012 archives (any of them), the whole ImageNet (a tar of synset tars),
    a folder by class, a tar of class folders, a flat folder with a file of labels, Tiny ImageNet (folder or tar),
    WebDataset shards (here or at a URL), the Hub's Parquet, or IDX (MNIST's family).

    Example: `topfive dataset import /data/ILSVRC2012 runs/imagenet`

    Example: `topfive dataset import s3://bucket/shards runs/shards --classes classes.txt`

    Parameters
    ----------
    source
        Folder, archive or URL.
    out
        The dataset folder to make.
    split
        The split of a source that has none of its own.
    read
        Hash every picture and read its size now; `--no-read` leaves that to `verify`. By default pictures of more
        than 2 GiB together are left to `verify`.
    devkit
        The ILSVRC2012 development kit (archive or folder) where it is not beside the archives.
    classes
        A file of wnids, one a line: these synsets of the whole ImageNet only; or what a source's numbers stand for.
    unpack
        Write a compressed archive's tars out into OUT first: pictures in it cannot be read otherwise.
    wnids
        Key classes that are words by their synsets, where there is no doubt; OUT/class_names.tsv says how.
    mapping
        Such a file, completed by hand.
    labels
        The file of labels of a flat folder: its path in SOURCE, or any other. Needed where several may be it.
    json
        Print one JSON object.
    """
    from topfive.dataset import ImportOptions, import_source

    options = ImportOptions(
        split=split,
        read=read,
        devkit=devkit,
        classes=classes,
        unpack=unpack,
        wnids=wnids,
        mapping=mapping,
        labels=labels,
    )
    with Bars() as progress:
        report = import_source(source, out, options, progress=progress).to_json()
    _print_report(report, json, "imported")
    if not (json or report["read"]):
        print("its pictures are not read yet: `topfive dataset verify` reads them, and fills in digests and sizes")


@app.command
def verify(
    dataset: Path, *, fill: bool = True, workers: int | None = None, cluster: str = "", json: bool = False
) -> None:
    """Read every byte of a set: archives, digests, decodability, sizes, duplicates across splits, ILSVRC's counts.

    Exit status 1 where there are problems. A verify that was stopped goes on by the same command.

    Example: `topfive dataset verify runs/pictures`

    Parameters
    ----------
    dataset
        A dataset folder, or a release that `export` wrote.
    fill
        Write digests and sizes that the import left out into the manifest; `--no-fill` changes nothing.
    workers
        Processes that read and decode (threads where it is little); one a core by default.
    cluster
        The address of a Ray cluster to read on (`HOST:PORT`, or auto); the set must lie there under the same path.
    json
        Print one JSON object.
    """
    from topfive.dataset import CORES, is_release, read_to_verify, verify_release
    from topfive.dataset import verify as verify_dataset

    if is_release(dataset):
        with Bars() as progress:
            released = verify_release(dataset, progress).to_json()
        _print_report(released, json, "verified")
        raise SystemExit(1 if released["n_problems"] else 0)
    with Bars() as progress:
        found = verify_dataset(
            read_to_verify(dataset), progress, workers=CORES if workers is None else workers, fill=fill, cluster=cluster
        )
    report = found.to_json()
    _print_report(report, json, "verified")
    if found.n_filled and not json:
        print(f"filled in digests and sizes of {numbered(found.n_filled, 'image')}")
    if report["n_problems"]:
        raise SystemExit(1)


@app.command
def dedupe(
    dataset: Path,
    *,
    out: Path | None = None,
    drop: bool = False,
    known: Path | None = None,
    near: bool = True,
    embedding: str = "",
    sheet: Path | None = None,
    workers: int | None = None,
    cluster: str = "",
    weights: Path | None = None,
    batch_size: int = 64,
    device: Literal["cpu", "cuda", "mps"] = "cpu",
    download: bool = False,
    json: bool = False,
) -> None:
    """Find pictures that stand in a set more than once: the same bytes, the same pixels, another compression or size.

    With `--embedding` also mirrored copies and parts of 40 % of the area or more. What is seen of each picture is kept
    in DATASET/fingerprints and DATASET/embeddings: a stopped search goes on by the same command.

    Example: `topfive dataset dedupe runs/pictures --out runs/unique --drop --sheet pairs.png`

    Example: `topfive dataset dedupe runs/pictures --embedding efficientnet_lite0`

    Parameters
    ----------
    dataset
        A dataset folder.
    out
        A dataset folder to make, in which copies share a group (and so a split).
    drop
        Leave one picture of each group in OUT: that of test before val before train, then the largest.
    known
        The dataset folder before it grew: what was seen of its pictures is used again, its groups keep their names.
    near
        `--no-near` looks for the same bytes and pixels only.
    embedding
        A network that says which pictures to compare for crops and mirrors: `efficientnet_lite0`, a run folder,
        `timm:NAME`, `torchvision:NAME` or another torch network.
    sheet
        A PNG to draw pairs on, of each kind those farthest apart first.
    workers
        Processes that decode (threads where it is little); one a core by default.
    cluster
        The address of a Ray cluster to decode on (`HOST:PORT`, or auto); the set must lie there under the same path.
    weights
        The file of the network's weights, for those that take one.
    batch_size
        Pictures the network sees at a time.
    device
        cpu, cuda or mps, for the network.
    download
        Let the network's library fetch weights that are not here.
    json
        Print one JSON object.
    """
    from topfive import flows
    from topfive.dataset import CORES
    from topfive.records import BadInput, Dataset

    if drop and out is None:
        raise BadInput("needs a set to write", where="--drop", fix="Add --out OUT")
    search = flows.Search(
        near=near,
        embedding=embedding,
        how=flows.Probing(weights=weights, device=device, batch_size=batch_size, download=download),
        known=None if known is None else Dataset.read(known),
        workers=CORES if workers is None else workers,
        cluster=cluster,
    )
    with Bars() as progress:
        found = flows.dedupe(Dataset.read(dataset), search=search, out=out, drop=drop, sheet=sheet, progress=progress)
    if json:
        print_json(found)
        return
    _print_duplicates(found)


def _print_duplicates(found: dict[str, Any]) -> None:
    ways = ("bytes", "pixels", "near", "crop", "mirror")
    facts = {
        "images": f"{found['n_images']:,}",
        "copies": f"{found['n_duplicates']:,} in {numbered(found['n_groups'], 'group')}",
        "found by": ", ".join(f"{way} {found[f'n_{way}']:,}" for way in ways),
        "groups across splits": f"{found['n_across_splits']:,}",
        "groups of unlike labels": f"{found['n_label_conflicts']:,}",
        "do not decode": f"{found['n_unread']:,}",
        "left apart (two fixed groups)": f"{found['n_bridged']:,}",
    }
    if "n_dropped" in found:
        facts["dropped"] = ", ".join(f"{split} {n:,}" for split, n in found["n_dropped"].items()) or "none"
    print_facts(facts | {name: found[name] for name in ("sheet", "out", "n_written") if name in found})
    rows = [(pair["image_id"], pair["copy_of"], pair["how"], pair["distance"]) for pair in found["pairs"][:10]]
    if rows:
        print_table(("image", "copy of", "how", "distance"), rows)
    unlike = [
        (one["image_ids"][at], one["wnids"][at], one["group"])
        for one in found["label_conflicts"][:5]
        for at in range(len(one["image_ids"]))
    ]
    if unlike:
        print_table(("unlike labels", "wnid", "group"), unlike)


def _room(out: Path, n_bytes: int) -> None:
    """Raise BadInput where the disk of `out` has too little room; what a stopped run left is room too."""
    from topfive.records import BadInput, grown_bytes

    place = next(folder for folder in out.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free + grown_bytes(out)
    if free < n_bytes:
        raise BadInput(
            f"has {free / 1e9:.1f} GB free, and about {n_bytes / 1e9:.1f} GB are needed",
            where=place,
            fix="Name another disk, or add --fraction 0.1 or --size 64",
        )


def _print_report(report: dict[str, Any], json: bool, done: str) -> None:
    if json:
        print_json(report)
        return
    splits = ", ".join(f"{name} {n:,}" for name, n in report["splits"].items())
    images, classes = numbered(report["n_images"], "image"), numbered(report["n_classes"], "class", "classes")
    print(f"{done} {images} of {classes} ({splits})")
    print_problems(report)
