"""Prediction files against each other and against what has been published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from topfive.flows.truths import read_truth
from topfive.records import BadInput, ClassList, Dataset, Predictions, Truth

if TYPE_CHECKING:
    from topfive import reports, scoring

N_PICTURES = 24
"""Differing images of each side on the page of a comparison."""

Metric = Literal["top1", "top5"]


def compare_files(
    first: Path,
    second: Path,
    truth: Path,
    *,
    split: str = "val",
    metric: Metric = "top1",
    any_view: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare two predictions files on the same images: the keys of INTERFACE for `compare`.

    Files made under different Views are refused unless `any_view`. `seed` draws the paired bootstrap.
    """
    files = [first, second]
    return _compared(files, _read(files, any_view), read_truth(truth, split), metric, seed).to_json()


def rank_files(
    files: Sequence[Path], truth: Path, *, split: str = "val", metric: Metric = "top1", any_view: bool = False
) -> dict[str, Any]:
    """Rank many predictions files on the same images: each one's rank and the ranks that all paired tests allow."""
    from topfive import scoring

    made = _read(files, any_view)
    return scoring.rank_systems(made, read_truth(truth, split), files, metric).to_json()


def report_comparison(
    files: Sequence[Path],
    truth: Path,
    out: Path,
    *,
    split: str = "val",
    metric: Metric = "top1",
    any_view: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Write the page of a comparison; returns what `compare_files` (of two) or `rank_files` does, and `report`.

    The page of two shows up to N_PICTURES images that only one of them gets right, where `truth` is a dataset folder.
    """
    from topfive import reports, scoring

    made, labels = _read(files, any_view), read_truth(truth, split)
    ranking = scoring.rank_systems(made, labels, files, metric)
    command = f"topfive compare {' '.join(map(str, files))} {truth} --split {split} --metric {metric} --seed {seed}"
    command += " --any-view" if any_view else ""
    systems = {str(path): side.system for path, side in zip(files, made, strict=True)}
    names = dict(zip(map(str, files), _short_names(files), strict=True))
    two, result = None, ranking.to_json()
    if len(files) == 2:
        found = _compared(files, made, labels, metric, seed)
        two, result = _two(found, made, files, truth, split), found.to_json()
    content = reports.ComparisonContent(
        set_name=truth.resolve().name if not truth.is_dir() else Dataset.read(truth).name,
        split=split,
        metric=_WORDS[metric],
        n=ranking.n,
        systems=tuple(
            reports.ComparedSystem(
                names[name],
                systems[name],
                ranking.wrong[place] / ranking.n,
                ranking.error_interval(place),
                ranking.ranks[place],
                ranking.rank_intervals[place],
            )
            for place, name in enumerate(ranking.names)
        ),
        command=command,
        two=two,
        pairs=() if two is not None else _pair_tests(ranking, names),
    )
    reports.write_comparison(content, out)
    return result | {"report": str(out)}


def place_file(
    predictions: Path,
    truth: Path,
    published: Path,
    *,
    split: str = "val",
    metric: Metric = "top1",
    restrict: bool = False,
    name: str | None = None,
) -> dict[str, Any]:
    """A predictions file's place among the rows of a CSV of published figures, and what was preprocessed otherwise.

    `name` is the row's model that the file should reproduce. The View is recognised by its fingerprint where it is
    that of any row; a view that is not recognised is said to be unknown.
    """
    from topfive import scoring

    rows = scoring.read_published(published)
    made = Predictions.read(predictions)
    scores = scoring.score(made, read_truth(truth, split), restrict=restrict, where=predictions)
    view = scoring.view_of(made.view, rows)
    error: Literal["top1_error", "top5_error"] = "top1_error" if metric == "top1" else "top5_error"
    found = scoring.place(scores, rows, metric=error, view=view, name=name, source=str(published))
    return found.to_json() | {"view_digest": made.view}


_WORDS = {"top1": "top-1", "top5": "top-5"}


def _read(files: Sequence[Path], any_view: bool) -> list[Predictions]:
    from topfive import scoring

    if len(files) < 2:
        raise BadInput(
            f"has {len(files)} predictions file", where="compare", fix="Name two or more, then the dataset folder"
        )
    made = [Predictions.read(path) for path in files]
    if not any_view:
        scoring.require_one_view([side.view for side in made], files)
    return made


def _compared(
    files: Sequence[Path], made: Sequence[Predictions], labels: Truth, metric: Metric, seed: int
) -> scoring.Comparison:
    from topfive import scoring

    return scoring.compare(made[0], made[1], labels, metric, seed=seed, where=(files[0], files[1]))


def _two(
    found: scoring.Comparison, made: Sequence[Predictions], files: Sequence[Path], truth: Path, split: str
) -> reports.TwoSystems:
    from topfive import reports

    names = _short_names(files)
    right_first = found.n - round(found.error_first * found.n)
    both = right_first - found.n_first_only
    pictures, reason = _pictures(found, made, truth, split)
    counts = (found.n_first_only, found.n_second_only)
    first, second = (reports.OnlyRight(name, n, shown) for name, n, shown in zip(names, counts, pictures, strict=True))
    return reports.TwoSystems(
        difference=found.difference,
        interval=found.interval,
        few_interval=found.few_interval,
        p_value=found.p_value,
        both_right=both,
        both_wrong=found.n - both - found.n_discordant,
        only=(first, second),
        same_view=None if None in found.views else found.views[0] == found.views[1],
        same_classes=found.classes[0] == found.classes[1],
        no_pictures=reason,
    )


def _pictures(
    found: scoring.Comparison, made: Sequence[Predictions], truth: Path, split: str
) -> tuple[tuple[tuple[reports.DifferingPicture, ...], ...], str]:
    """The differing images of each side, and why there are none where the truth is no dataset folder."""
    from topfive import reports
    from topfive.loading import Pictures

    if not truth.is_dir():
        return ((), ()), "There are no pictures here: the truth is a file of labels, not a dataset folder."
    dataset = Dataset.read(truth)
    images = Pictures(dataset, dataset.manifest.rows(split), labels=False)
    place = {image_id: row for row, image_id in enumerate(images.ids)}

    def shown(image: scoring.Differing) -> reports.DifferingPicture:
        return reports.DifferingPicture(
            image.image_id,
            images.read(place[image.image_id]),
            tuple(_label(dataset.classes, wnid) for wnid in image.given),
            _label(made[0].classes, image.first),
            _label(made[1].classes, image.second),
        )

    sides = (found.first_only, found.second_only)
    return tuple(tuple(shown(image) for image in side[:N_PICTURES]) for side in sides), ""


def _label(classes: ClassList, wnid: str) -> reports.Label:
    from topfive import reports

    return reports.Label(wnid, classes.names[classes.index[wnid]])


def _pair_tests(ranking: scoring.Ranking, names: dict[str, str]) -> tuple[reports.PairTest, ...]:
    from topfive import reports

    return tuple(
        reports.PairTest(
            names[ranking.names[pair.first]],
            names[ranking.names[pair.second]],
            pair.difference,
            pair.interval,
            pair.p_value,
            pair.n_discordant,
            pair.separates,
        )
        for pair in ranking.pairs
    )


def _short_names(files: Sequence[Path]) -> list[str]:
    """The files' stems where they differ, else as much of their paths as tells them apart."""
    for n in range(1, max(len(path.parts) for path in files) + 1):
        names = ["/".join((*path.parts[-n:-1], path.stem)) for path in files]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in files]
