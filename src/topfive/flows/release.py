"""An image set described: its datasheet as numbers, and as a page."""

from __future__ import annotations

from pathlib import Path

from topfive.records import Dataset, Datasheet, Progress, silent


def describe_set(dataset: Dataset, out: Path | None = None, progress: Progress = silent) -> Datasheet:
    """The datasheet of a set; with `out` it is also written as one HTML file that opens offline."""
    from topfive.dataset.describe import describe

    sheet = describe(dataset, progress)
    if out is not None:
        from topfive.reports import write_datasheet

        write_datasheet(sheet, out)
    return sheet
