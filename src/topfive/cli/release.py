"""`topfive dataset`: build, split, describe, subset and export image sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from topfive.cli.options import Seed
from topfive.cli.output import print_facts, print_json, print_problems, print_table
from topfive.cli.progress import Bars
from topfive.records import numbered

if TYPE_CHECKING:
    from topfive.dataset import Selection


def build(candidates: Path, consensus: Path, out: Path, *, yes: str | None = None, json: bool = False) -> None:
    """Make a set of the candidates that people accepted; what was rejected or wants more votes is counted.

    Example: `topfive dataset build candidates.csv agreed.csv runs/mine`

    Parameters
    ----------
    candidates
        A dataset folder, or CSV or Parquet with the columns image_id, path, wnid.
    consensus
        What `topfive label consensus` wrote; its tasks are the image ids, or what the column `task` says.
    out
        The dataset folder to make; pictures stay where they lie.
    yes
        The label that says yes to the candidate's class, where several labels are no classes.
    json
        Print one JSON object.
    """
    from topfive.dataset import build_set

    with Bars() as progress:
        report = build_set(candidates, consensus, out, yes=yes, progress=progress).to_json()
    if json:
        print_json(report)
        return
    print(f"of {numbered(report['n_candidates'], 'candidate')}, {report['n_images']:,} in {out}")
    print_facts(
        {
            "rejected": f"{report['n_rejected']:,}",
            "want more votes": f"{report['n_ask_more']:,}",
            "without votes": f"{report['n_without_votes']:,}",
            "accepted, not used": f"{report['n_unused']:,}",
            "answers about none": f"{report['n_unknown_tasks']:,}",
        }
    )
    few = sorted(report["accepted"].items(), key=lambda one: (one[1], one[0]))[:10]
    print_table(("class", "images"), few, title="the smallest classes")
    print_problems(report)


def split(
    dataset: Path,
    out: Path,
    *,
    val: float = 0.1,
    test: float = 0.1,
    seed: Seed = 0,
    by: str = "group",
    of: str | None = None,
    again: bool = False,
    json: bool = False,
) -> None:
    """Divide a set into train, val and test by a hash of each group: copies stay together, growth moves nothing.

    A set with splits of its own is divided only where you say which.

    Example: `topfive dataset split runs/mine runs/divided --val 0.1 --test 0.1 --seed 0`

    Parameters
    ----------
    dataset
        A dataset folder.
    out
        The dataset folder to make; pictures stay where they lie.
    val
        Share of the groups that goes to val.
    test
        Share of the groups that goes to test.
    seed
        Same seed, same splits.
    by
        The column whose values stay together.
    of
        Divide the images of this split; all others stay.
    again
        Divide all images anew, whatever splits there are (sealed ones stay).
    json
        Print one JSON object.
    """
    from topfive.dataset import SplitRule, divide
    from topfive.records import Dataset

    rule = SplitRule(val=val, test=test, seed=seed, by=by, of=of, again=again)
    with Bars() as progress:
        report = divide(Dataset.read(dataset), out, rule, progress).to_json()
    if json:
        print_json(report)
        return
    rows = []
    for name, n in report["splits"].items():
        counts = report["per_class"].get(name)
        per_class = (counts["fewest"], f"{counts['median']:g}", counts["most"], counts["n_without"]) if counts else ()
        rows.append((name, f"{n:,}", f"{100 * n / report['n_images']:.1f}", *(per_class or ("",) * 4)))
    print_table(("split", "images", "%", "fewest a class", "median", "most", "classes without"), rows)
    print(
        f"moved {numbered(report['n_moved'], 'image')}; {numbered(report['n_groups_cut'], 'group')} in several splits"
    )


def describe(dataset: Path, *, out: Path | None = None, json: bool = False) -> None:
    """Write a set's datasheet: counts, balance, sizes, licences, sources, other columns, copies, doubts.

    Example: `topfive dataset describe runs/mine --out datasheet.html`

    Parameters
    ----------
    dataset
        A dataset folder.
    out
        An HTML file to write, which opens offline.
    json
        Print one JSON object.
    """
    from topfive import flows
    from topfive.records import Dataset

    with Bars() as progress:
        sheet = flows.describe_set(Dataset.read(dataset), out, progress)
    if json:
        print_json(sheet.to_json())
        return
    rows: list[tuple[object, ...]] = []
    for one in sheet.splits:
        even = one.balance
        counts = (even.fewest, f"{even.median:g}", even.most, f"{even.gini:.3f}") if even else ("", "", "", "")
        rows.append((one.name, f"{one.n_images:,}", f"{one.n_unlabelled:,}", *counts))
    size = f"{numbered(sheet.n_images, 'image')} of {numbered(len(sheet.classes), 'class', 'classes')}"
    title = f"{sheet.name}: {size}, {sheet.n_bytes / 1e6:,.1f} MB"
    print_table(("split", "images", "no label", "fewest a class", "median", "most", "Gini"), rows, title=title)
    sizes = [
        (one.name, *(f"{v:,.0f}" for v in (one.least, one.low, one.median, one.high, one.most))) for one in sheet.sizes
    ]
    print_table(("", "least", "5 %", "median", "95 %", "most"), sizes)
    values = [(one.name, value, f"{n:,}") for one in sheet.origins for value, n in one.values[:3]]
    if values:
        print_table(("", "value", "images"), values)
    for doubt in sheet.doubts:
        print(f"{doubt.n:,} {doubt.what}")
    if out is not None:
        print(f"written: {out}")


def subset(
    dataset: Path,
    out: Path,
    *,
    classes: Path | None = None,
    n_classes: int | None = None,
    split: str | None = None,
    max_per_class: int | None = None,
    seed: Seed = 0,
    json: bool = False,
) -> None:
    """Make a smaller set that refers to the pictures of another: some classes, some splits, so many images a class.

    Example: `topfive dataset subset runs/imagenet runs/small --n-classes 100 --max-per-class 50`

    Parameters
    ----------
    dataset
        A dataset folder.
    out
        The dataset folder to make.
    classes
        A file with one class a line, or a classes.tsv.
    n_classes
        So many of the classes, chosen by hash.
    split
        These splits only, by comma.
    max_per_class
        Images of each class in each split at most, chosen by hash.
    seed
        Same seed, same choice.
    json
        Print one JSON object.
    """
    from topfive.dataset import write_subset
    from topfive.records import Dataset

    wanted = _selection(classes, split, max_per_class, seed, n_classes)
    made, left_out = write_subset(Dataset.read(dataset), out, wanted)
    facts = {
        "n_images": len(made.manifest),
        "n_classes": len(made.classes),
        "splits": made.manifest.splits(),
        "left_out": left_out,
        "digest": made.manifest.digest,
    }
    print_json(facts) if json else print_facts(facts)


def export(
    dataset: Path,
    out: Path,
    *,
    format: str,
    classes: Path | None = None,
    split: str | None = None,
    max_per_class: int | None = None,
    seed: Seed = 0,
    per_shard: int = 1000,
    json: bool = False,
) -> None:
    """Write a release for others: the same set gives the same bytes, and SHA256SUMS finds any changed bit.

    A stopped export goes on by the same command. Sealed splits are never written.

    Example: `topfive dataset export runs/mine release --format webdataset`

    Parameters
    ----------
    dataset
        A dataset folder.
    out
        The folder to make.
    format
        folder, webdataset, parquet or croissant.
    classes
        A file with one class a line, or a classes.tsv.
    split
        These splits only, by comma.
    max_per_class
        Images of each class in each split at most, chosen by hash.
    seed
        Same seed, same choice.
    per_shard
        Images a file (webdataset, parquet, croissant).
    json
        Print one JSON object.
    """
    from topfive.dataset import export as write_release
    from topfive.records import Dataset

    wanted = _selection(classes, split, max_per_class, seed, None)
    with Bars() as progress:
        report = write_release(Dataset.read(dataset), out, format, wanted, per_shard=per_shard, progress=progress)
    facts = report.to_json()
    print_json(facts) if json else print_facts({"written": str(out)} | facts)


def _selection(
    classes: Path | None, split: str | None, max_per_class: int | None, seed: int, n_classes: int | None
) -> Selection:
    from topfive.dataset import Selection, read_class_keys

    return Selection(
        splits=None if split is None else tuple(name.strip() for name in split.split(",")),
        classes=None if classes is None else read_class_keys(classes),
        n_classes=n_classes,
        max_per_class=max_per_class,
        seed=seed,
    )
