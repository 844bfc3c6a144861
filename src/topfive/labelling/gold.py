"""Gold questions: tasks whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.records import UNKNOWN, BadInput, unreadable

_FIX = "Gold questions are CSV or Parquet with the columns task, label"


def read_gold(path: Path) -> dict[str, str]:
    """Task to label from CSV or Parquet with the columns task, label; empty cells and repeated tasks are refused."""
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
        else:
            text = {name: pa.string() for name in ("task", "label")}
            options = pcsv.ConvertOptions(column_types=text, strings_can_be_null=False)
            table = pcsv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        raise unreadable("gold questions", path, error, fix=_FIX) from error
    for name in ("task", "label"):
        if name not in table.column_names:
            raise BadInput(f"lacks the column {name!r}", where=path, fix=_FIX)
    first_row = 1 if path.suffix == ".parquet" else 2
    gold: dict[str, str] = {}
    tasks, labels = (table[name].cast(pa.string()).to_pylist() for name in ("task", "label"))
    for row, (task, label) in enumerate(zip(tasks, labels, strict=True), start=first_row):
        if not task or not label:
            raise BadInput(f"{'label' if task else 'task'} is empty", where=path, row=row, fix=_FIX)
        if task in gold:
            raise BadInput(f"task {task!r} stands twice", where=path, row=row, fix="Keep one label for each task")
        gold[task] = label
    if not gold:
        raise BadInput("has no gold questions", where=path, fix=_FIX)
    return gold


def gold_indices(gold: Mapping[str, str], tasks: Sequence[str], classes: Sequence[str]) -> NDArray[np.int32]:
    """The known class of each task, int32 [n], UNKNOWN where there is none; raises BadInput naming the gold task.

    Gold questions that nobody was asked are passed over; gold that fits no task at all is refused.
    """
    index = {name: position for position, name in enumerate(classes)}
    for task, label in gold.items():
        if label not in index:
            raise BadInput(
                f"label {label!r} is not one of {', '.join(classes)}", where="gold questions", row=f"task {task!r}"
            )
    known = np.array([index[gold[task]] if task in gold else UNKNOWN for task in tasks], dtype=np.int32)
    if gold and not (known != UNKNOWN).any():
        raise BadInput(
            f"none of the {len(gold)} gold tasks has votes (the first is {next(iter(gold))!r})",
            where="gold questions",
            fix="Use the task names of the votes",
        )
    return known
