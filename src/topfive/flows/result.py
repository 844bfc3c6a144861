"""One result as a page: what `measure` found, with the pictures of the worst confusions where the set's are here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from topfive.flows.judge import Page, truth_rules
from topfive.records import BadInput, ClassList, Dataset, Predictions, Truth

if TYPE_CHECKING:
    from topfive import reports
    from topfive.loading import Pictures
    from topfive.scoring import Details

N_CONFUSIONS = 12
_PICTURES_EACH = 4


def report_result(
    made: Predictions,
    truths: Sequence[Truth],
    found: Sequence[Details],
    page: Page,
    *,
    own: Path | Dataset | None = None,
    split: str = "val",
) -> None:
    """Write the page of `found`, which `measure` found for `made` under `truths`; the first truth is in the plots.

    `own` is the set, its folder or the truth file that was scored against: a set's pictures are shown.
    """
    from topfive import reports, scoring

    pictures, name = _pictures(own, split)
    facts = {"System": made.system, "Run": made.run, "View": made.view or "unknown"} | dict(page.facts)
    compared = scoring.limited(made, truths[0]) if found[0].scores.restricted else made
    reports.write_result_page(
        reports.ResultRecord(
            title=made.system or "These predictions",
            dataset=name,
            views=tuple(found),
            rules=truth_rules(),
            confusions=_confusions(compared, truths[0], found[0], pictures),
            facts={key: value for key, value in facts.items() if value},
            command=page.command,
            caution=page.caution,
        ),
        page.out,
    )


def _pictures(own: Path | Dataset | None, split: str) -> tuple[Pictures | None, str]:
    """The split's pictures where they are here, and what the set is called."""
    if own is None:
        return None, "ImageNet’s validation images"
    if isinstance(own, Path) and not own.is_dir():
        return None, own.stem
    from topfive.loading import Pictures

    dataset = Dataset.read(own) if isinstance(own, Path) else own
    found = Pictures(dataset, dataset.manifest.rows(split))
    try:
        found.read(0)
    except (BadInput, OSError):
        return None, f"{dataset.name}, {split}"
    return found, f"{dataset.name}, {split}"


def _confusions(
    made: Predictions, truth: Truth, found: Details, pictures: Pictures | None
) -> tuple[reports.Confusion, ...]:
    from topfive import reports, scoring

    def label(classes: ClassList, wnid: str) -> reports.Label:
        return reports.Label(wnid, classes.names[classes.index[wnid]])

    place = {} if pictures is None else {image_id: row for row, image_id in enumerate(pictures.ids)}
    shown = []
    for confusion in scoring.confusions(made, truth, N_CONFUSIONS):
        given, guessed = label(truth.classes, confusion.given), label(made.classes, confusion.guessed)
        seen = [
            reports.Picture(image_id, data, given, guessed)
            for image_id, data in _whole(pictures, [place[image_id] for image_id in confusion.ids if image_id in place])
        ]
        n = int(found.by_class.n[truth.classes.index[confusion.given]])
        shown.append(reports.Confusion(made.system, given, guessed, confusion.n, n, tuple(seen)))
    return tuple(shown)


def _whole(pictures: Pictures | None, rows: Sequence[int]) -> list[tuple[str, bytes]]:
    """The first few of these pictures that can be shown; one that does not decode is passed over."""
    from topfive import loading

    found: list[tuple[str, bytes]] = []
    if pictures is None:
        return found
    for row in rows:
        if len(found) == _PICTURES_EACH:
            break
        data = pictures.read(row)
        try:
            loading.thumbnail(data, 8)
        except loading.BadImage:
            continue
        found.append((pictures.ids[row], data))
    return found
