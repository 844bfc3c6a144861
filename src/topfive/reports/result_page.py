"""The page of one result: every number of a predictions file, in one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from topfive.records import write_text
from topfive.reports.content import Confusion
from topfive.reports.report import PICTURES_BYTES, Shown
from topfive.reports.result_plots import classes_panel, reliability_panel, risk_panel, severity_panel
from topfive.reports.style import environment, style_hash, stylesheet
from topfive.reports.trajectory import Panel
from topfive.scoring import Details

_WORST = 10
_SUBTREES = 12
_SHADES = (0.005, 0.02, 0.05, 0.1, 0.2)
"""Shares of a row from which a cell of the confusion takes the next shade."""


@dataclass(frozen=True)
class ResultRecord:
    """What the page shows: `views`, one for each truth, the first in the plots; `rules` say what each truth is.

    `facts` are named lines about how the predictions were made (system, runtime, speed, fingerprints). `caution` is
    what must be read with the headline.
    """

    title: str
    dataset: str
    views: tuple[Details, ...]
    rules: Mapping[str, str] = field(default_factory=dict)
    confusions: tuple[Confusion, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    caution: str = ""


def write_result_page(record: ResultRecord, path: Path) -> None:
    """Write the page; pictures are shrunk and encoded anew, and left out past PICTURES_BYTES in all.

    Raises BadInput naming an image that does not decode; nothing is written then.
    """
    write_text(path, render_result_page(record))


def render_result_page(record: ResultRecord) -> str:
    """The page as text; every name in it is escaped, its security policy allows its own style element and no more."""
    css = stylesheet() + (Path(__file__).parent / "result.css").read_text(encoding="utf-8")
    first = record.views[0]
    return environment().get_template("result.html").render(
        record=record,
        first=first,
        views=[details.to_json() for details in record.views],
        contents=_contents(record),
        calibration=_calibration_panels(first),
        classes=classes_panel(first.by_class),
        worst=[first.by_class.row(index) for index in first.by_class.with_images[:_WORST].tolist()],
        best=[first.by_class.row(index) for index in first.by_class.with_images[: -_WORST - 1 : -1].tolist()],
        severity=_severity_panels(first),
        subtrees=[subtree.to_json() for subtree in _telling(first)],
        grouped=_grouped(first),
        shown=Shown(PICTURES_BYTES),
        style=css,
        style_source=style_hash(css),
    )  # fmt: skip


def _contents(record: ResultRecord) -> list[tuple[str, str]]:
    first = record.views[0]
    parts = [
        ("truths", "Under each truth", True),
        ("calibration", "How sure it is", first.calibration is not None),
        ("classes", "Class by class", True),
        ("severity", "How bad the mistakes are", first.severity is not None),
        ("confusions", "The worst confusions", bool(record.confusions)),
        ("refused", "What was not measured", True),
        ("making", "How this was made", True),
    ]
    return [(target, words) for target, words, there in parts if there]


def _calibration_panels(first: Details) -> tuple[Panel, ...]:
    if first.calibration is None or first.selective is None:
        return ()
    return reliability_panel(first.calibration.reliability), risk_panel(first.selective)


def _severity_panels(first: Details) -> tuple[Panel, ...]:
    found = first.severity
    if found is None or not found.n_wrong:
        return ()
    return (
        severity_panel(found.histogram, "by height in all of WordNet"),
        severity_panel(found.trimmed_histogram, "by height in the tree over these classes"),
    )


def _telling(first: Details) -> Sequence[Any]:
    """The subtrees whose error lies surest above that of all images: by the lower end of their interval."""
    inside = [subtree for subtree in first.subtrees if subtree.n < 0.9 * first.scores.n]
    inside.sort(key=lambda subtree: -subtree.to_json()["top1_error_interval"][0])
    return inside[:_SUBTREES]


def _grouped(first: Details) -> list[dict[str, Any]]:
    """Rows of the confusion by subtree: names, images, a (share, shade) for each group; empty where there is none."""
    if first.groups is None or first.confusion is None or len(first.confusion) < 2:
        return []
    counts, rows = first.confusion, []
    classes = np.bincount(first.groups.of_class, minlength=len(counts))
    for i, title in enumerate(first.groups.titles):
        n = int(counts[i].sum())
        shares = [counts[i, j] / n if n else None for j in range(len(counts))]
        cells = [(share, sum(share >= least for least in _SHADES) if share is not None else 0) for share in shares]
        rows.append({"title": title, "n": n, "n_classes": int(classes[i]), "cells": cells})
    return rows
