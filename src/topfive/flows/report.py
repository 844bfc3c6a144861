"""What the report of a held challenge shows, gathered from the records that its rooms made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from topfive import audit, reports, scoring, taxonomy
from topfive import dataset as sets
from topfive.challenge import Vault
from topfive.flows.fit import named
from topfive.loading import Pictures
from topfive.records import (
    BadInput,
    Board,
    ClassList,
    Dataset,
    Predictions,
    Progress,
    Run,
    Truth,
    write_findings,
)

N_CONFUSIONS = 6
N_SUSPECTS = 24
_PICTURES_EACH = 4
_PROBE = "linear_probe"
_KINDS = {
    "label_error_class": "wrong label, of a near class",
    "label_error_picture": "wrong label, because of the picture",
    "two_labels": "two right labels",
    "no_label": "no right label",
}
"""The planted kinds that a label audit can find, in words."""


@dataclass(frozen=True)
class Suspects:
    """The suspects of a label audit among images whose labels are open, and what was planted there (a twin's)."""

    images: Pictures
    found: audit.LabelErrors
    method: str
    planted: Mapping[str, Sequence[str]]
    """Image ids by kind; empty where nothing is known."""

    def by_image(self) -> dict[str, list[str]]:
        """The planted kinds of each image."""
        kinds: dict[str, list[str]] = {}
        for kind, ids in self.planted.items():
            for image_id in ids:
                kinds.setdefault(image_id, []).append(kind)
        return kinds


def gather(
    out: Path, dataset: Dataset, board: Board, runs: Sequence[Run], making: reports.Making, progress: Progress
) -> reports.ReportContent:
    """Everything on the page, from the workspace's records; the sealed split is met only as counts."""
    hidden = Vault(out / "vault").truth(str(board.about["split"]))
    tests = pair_tests(out, board, hidden)
    suspects = find_suspects(out, dataset, runs, making.seed, progress)
    return reports.ReportContent(
        board=board,
        published=(),
        dataset=set_facts(dataset),
        making=making,
        tests=tests,
        order_note=order_note(board, tests),
        confusions=tuple(worst_confusions(out, dataset, board)),
        label_audit=None if suspects is None else label_audit(suspects),
        imagenet=imagenet_audit(),
    )


def pair_tests(out: Path, board: Board, truth: Truth) -> tuple[reports.PairTest, ...]:
    """Every pair of systems on the same images, Holm's correction over all pairs at 5 %."""
    made = {row.system: Predictions.read(out / "runs" / row.run / "predictions.parquet") for row in board.rows}
    pairs = list(combinations([row.system for row in board.rows], 2))
    found = [scoring.compare(made[first], made[second], truth) for first, second in pairs]
    apart = scoring.holm(np.array([comparison.p_value for comparison in found]))
    return tuple(
        reports.PairTest(first, second, c.difference, c.interval, c.p_value, c.n_discordant, bool(separates))
        for (first, second), c, separates in zip(pairs, found, apart, strict=True)
    )


def order_note(board: Board, tests: Sequence[reports.PairTest]) -> str:
    """The order in words: `>` where a paired test separates neighbours, `=` where it does not."""
    apart = {(test.first, test.second): test.separates for test in tests}
    names = [row.system for row in board.rows]
    if len(names) < 2:
        return ""
    text = names[0] if names else ""
    for better, worse in pairwise(names):
        text += f" {'<' if apart[better, worse] else '='} {worse}"
    ties = [f"{test.first} and {test.second}" for test in tests if not test.separates]
    return f"By top-1 error: {text}. " + (
        f"The tests do not separate {'; '.join(ties)}." if ties else "The tests separate every pair."
    )


def find_suspects(out: Path, dataset: Dataset, runs: Sequence[Run], seed: int, progress: Progress) -> Suspects | None:
    """Confident learning on all open labels, with probabilities by folds of the linear probe.

    The features come from ImageNet's weights and have seen none of these labels. What was planted is read after the
    suspects are named. None where no linear probe was fitted.
    """
    probe = [run for run in runs if run.system.partition(":")[0] == _PROBE]
    if not probe:
        return None
    from topfive.systems.linear_probe import load, out_of_sample

    rows = dataset.manifest.take(dataset.manifest.class_index >= 0)
    images = Pictures(dataset, rows)
    fitted = load(out / "runs" / probe[0].run_id / "weights")
    seen = fitted.features(images, progress=named(progress, "label audit"))
    probs = out_of_sample(seen, rows.class_index, len(dataset.classes), seed)
    found = audit.label_errors(rows.class_index, probs)
    audit_folder = out / "audit"
    audit_folder.mkdir(exist_ok=True)
    write_findings(
        audit_folder / "label-errors.jsonl", audit.findings("label-errors", found, images.ids, dataset.classes)
    )
    method = f"{found.filter_by.replace('_', ' ')}, probabilities from 5 folds of a linear probe"
    return Suspects(images, found, method, _planted(dataset, images))


def _planted(dataset: Dataset, images: Pictures) -> dict[str, tuple[str, ...]]:
    if not (dataset.root / "planted.parquet").is_file():
        return {}
    planted, seen = sets.read_planted(dataset.root), set(images.ids)
    return {
        words: tuple(image_id for image_id in planted.ids(kind) if image_id in seen) for kind, words in _KINDS.items()
    }


def label(classes: ClassList, index: int) -> reports.Label:
    """A class as people see it."""
    return reports.Label(classes.wnids[index], classes.names[index])


def set_facts(dataset: Dataset) -> reports.SetFacts:
    """What the report says of the image set; a twin says that it is tuned."""
    made = dataset.about.get("recipe")
    note = ""
    if made is not None:
        note = (
            "Likeness of sibling classes, ranges of pose, light and colour, clutter and occlusion were tuned until the "
            "five systems fell apart."
        )
    return reports.SetFacts(
        name=dataset.name,
        n_classes=len(dataset.classes),
        images=dataset.manifest.splits(),
        synthetic=made is not None,
        difficulty_note=note,
    )


def worst_confusions(out: Path, dataset: Dataset, board: Board) -> list[reports.Confusion]:
    """The most frequent confusions of the best system on the open val split, with pictures."""
    if not board.rows:
        return []
    path = out / "runs" / board.rows[0].run / "predictions-val.parquet"
    if not path.is_file():
        return []
    rows = dataset.manifest.rows("val")
    images, made = Pictures(dataset, rows), Predictions.read(path)
    truth = Truth.single(rows.ids, rows.class_index, dataset.classes)
    place = {image_id: row for row, image_id in enumerate(images.ids)}
    classes = dataset.classes
    n_given = {wnid: counts[0] for wnid, counts in scoring.score(made, truth).per_class.items()}
    shown = []
    for confusion in scoring.confusions(made, truth, N_CONFUSIONS):
        given = label(classes, classes.index[confusion.given])
        guessed = label(made.classes, made.classes.index[confusion.guessed])
        pictures = tuple(
            reports.Picture(image_id, images.read(place[image_id]), given, guessed)
            for image_id in confusion.ids[:_PICTURES_EACH]
        )
        n = n_given[confusion.given]
        shown.append(reports.Confusion(board.rows[0].system, given, guessed, confusion.n, n, pictures))
    return shown


def label_audit(suspects: Suspects) -> reports.LabelAudit:
    """The audit of the set's own labels, beside what was planted."""
    found, classes, by_image = suspects.found, suspects.images.classes, suspects.by_image()
    pictures = []
    for row, given, guessed in zip(found.rows[:N_SUSPECTS], found.given, found.guessed, strict=False):
        image_id = suspects.images.ids[int(row)]
        told = ", ".join(by_image.get(image_id, ()))
        note = "" if not suspects.planted else (f"planted: {told}" if told else "nothing planted")
        image = suspects.images.read(int(row))
        pictures.append(
            reports.Picture(image_id, image, label(classes, int(given)), label(classes, int(guessed)), note)
        )
    against = audit.precision_recall([suspects.images.ids[int(row)] for row in found.rows], suspects.planted)
    known = bool(suspects.planted) and against.n_found > 0
    return reports.LabelAudit(
        split=" and ".join(suspects.images.manifest.splits()),
        n=found.n,
        n_suspects=len(found.rows),
        noise_rate=found.noise_rate,
        method=suspects.method,
        precision=against.precision if known else None,
        precision_interval=scoring.wilson(against.any_kind.n_hit, against.n_found) if known else None,
        kinds=tuple(_kind(kind, part, against.n_found) for kind, part in against.by_kind.items()) if known else (),
        suspects=tuple(pictures),
    )


def _kind(kind: str, part: audit.Recall, n_found: int) -> reports.PlantedKind:
    return reports.PlantedKind(
        kind=kind,
        n_planted=part.n_planted,
        n_found=part.n_hit,
        recall=part.recall,
        recall_interval=scoring.wilson(part.n_hit, part.n_planted) if part.n_planted else None,
        precision=part.n_hit / n_found,
        precision_interval=scoring.wilson(part.n_hit, n_found),
    )


def imagenet_audit() -> reports.ImageNetAudit | None:
    """ImageNet's own validation labels, where the packages that carry ReaL's are installed."""
    try:
        found = audit.imagenet_validation(taxonomy.ilsvrc_classes())
    except BadInput:
        return None
    classes, levels = found.original.classes, found.levels
    low, high = levels.bound_error_interval
    return reports.ImageNetAudit(
        n=levels.n,
        n_several=found.n_multi,
        n_without_label=levels.dropped,
        agreement=1 - levels.bound_error,
        agreement_interval=(1 - high, 1 - low),
        source="ReaL labels, Beyer et al. 2020, arXiv 2006.07159",
        worst=tuple(reports.WorstClass(label(classes, k), wrong, n) for k, wrong, n in found.worst_classes(10)),
        pairs=tuple(
            reports.LabelPair(label(classes, a), label(classes, b), n) for a, b, n in found.pairs[:10].tolist()
        ),
    )
