"""Votes and Consensus: what people said of each task, and what a method makes of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.records.durable import replacing
from topfive.records.errors import BadInput, unreadable

Decision = Literal["accept", "reject", "ask_more"]


@dataclass(frozen=True)
class Votes:
    """Vote i says `answers[answer[i]]` about `tasks[task[i]]`, by `workers[worker[i]]` (all int32 [n_votes])."""

    tasks: tuple[str, ...]
    workers: tuple[str, ...]
    answers: tuple[str, ...]
    task: NDArray[np.int32]
    worker: NDArray[np.int32]
    answer: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.task)

    @classmethod
    def from_columns(
        cls,
        task: Sequence[str] | pa.Array,
        worker: Sequence[str] | pa.Array,
        label: Sequence[str] | pa.Array,
        answers: Sequence[str] | None = None,
    ) -> Votes:
        """Encode three columns; `answers` fixes the order of the answers, else they are sorted as text."""
        coded: list[tuple[tuple[str, ...], NDArray[np.int32]]] = []
        for column in (task, worker, label):
            array = column if isinstance(column, pa.Array) else pa.array(column, type=pa.string())
            encoded = array.cast(pa.string()).dictionary_encode()
            names = np.array(encoded.dictionary.to_pylist(), dtype=object)
            order = np.argsort(names, kind="stable") if len(names) else np.empty(0, dtype=np.int64)
            place = np.empty(len(names), dtype=np.int32)
            place[order] = np.arange(len(names), dtype=np.int32)
            indices = np.asarray(encoded.indices.to_numpy(zero_copy_only=False))
            coded.append((tuple(str(name) for name in names[order]), place[indices].astype(np.int32)))
        (tasks, t), (workers, w), (found, a) = coded
        if answers is not None:
            missing = [name for name in found if name not in answers]
            if missing:
                raise BadInput(f"answer {missing[0]!r} is not one of {', '.join(answers)}", where="votes")
            a = np.array([list(answers).index(name) for name in found], dtype=np.int32)[a]
            found = tuple(answers)
        votes = cls(tasks, workers, found, t, w, a)
        votes.check()
        return votes

    def check(self, where: str | Path = "votes") -> None:
        """Raise BadInput naming the first bad row."""
        if not len(self.task) == len(self.worker) == len(self.answer):
            raise BadInput("task, worker and label columns differ in length", where=where)
        for name, codes, names in (
            ("task", self.task, self.tasks),
            ("worker", self.worker, self.workers),
            ("label", self.answer, self.answers),
        ):
            bad = np.flatnonzero((codes < 0) | (codes >= len(names)))
            if len(bad):
                raise BadInput(f"{name} code {codes[bad[0]]} has no name", where=where, row=int(bad[0]))

    @classmethod
    def read(cls, path: Path, answers: Sequence[str] | None = None) -> Votes:
        """Read CSV or Parquet with the columns task, worker, label; empty cells are refused with their row.

        A worker who answers a task twice is refused too: which of the answers counts is not ours to guess.
        """
        path = Path(path)
        try:
            if path.suffix == ".parquet":
                table = pq.read_table(path)
            else:
                text = pcsv.ConvertOptions(
                    column_types={name: pa.string() for name in ("task", "worker", "label")},
                    strings_can_be_null=False,
                )
                table = pcsv.read_csv(path, convert_options=text)
        except (OSError, pa.ArrowException) as error:
            raise unreadable(
                "votes", path, error, fix="Votes are CSV or Parquet with the columns task, worker, label"
            ) from error
        first_row = 1 if path.suffix == ".parquet" else 2
        columns = []
        for name in ("task", "worker", "label"):
            if name not in table.column_names:
                raise BadInput(
                    f"lacks the column {name!r}", where=path, fix="Votes need the columns task, worker, label"
                )
            column = table[name].combine_chunks().cast(pa.string())
            column = column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
            values = np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
            empty = np.flatnonzero((values == None) | (values == ""))  # noqa: E711 - element by element
            if len(empty):
                raise BadInput(
                    f"{name} is empty",
                    where=path,
                    row=int(empty[0]) + first_row,
                    fix="Each vote needs a task, a worker and a label",
                )
            columns.append(column)
        if table.num_rows == 0:
            raise BadInput("has no votes", where=path)
        votes = cls.from_columns(columns[0], columns[1], columns[2], answers)
        pair = votes.task.astype(np.int64) * len(votes.workers) + votes.worker
        order = np.argsort(pair, kind="stable")
        same = np.flatnonzero(pair[order][1:] == pair[order][:-1])
        if len(same):
            row = int(order[same + 1].min())
            raise BadInput(
                f"worker {votes.workers[votes.worker[row]]!r} answers {votes.tasks[votes.task[row]]!r} a second time",
                where=path,
                row=row + first_row,
                fix="Keep one answer for each worker and task",
            )
        return votes


@dataclass(frozen=True)
class Consensus:
    """The agreed label of each task: `label` int32 into `classes`, its probability, number of votes and decision."""

    tasks: tuple[str, ...]
    classes: tuple[str, ...]
    label: NDArray[np.int32]
    probability: NDArray[np.float64]
    n_votes: NDArray[np.int64]
    decision: NDArray[np.object_]
    facts: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write `task,label,probability,n_votes,decision`; the suffix chooses CSV or Parquet."""
        columns: dict[str, list[Any]] = {
            "task": list(self.tasks),
            "label": [self.classes[index] for index in self.label.tolist()],
            "probability": self.probability.tolist(),
            "n_votes": self.n_votes.tolist(),
            "decision": self.decision.tolist(),
        }
        if path.suffix not in (".csv", ".parquet"):
            raise BadInput(f"ends in {path.suffix!r}", where=path, fix="Name a .csv or a .parquet file")
        with replacing(path) as part:
            if path.suffix == ".csv":
                with part.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.writer(file, lineterminator="\n")
                    writer.writerow(columns)
                    writer.writerows(zip(*columns.values(), strict=True))
            else:
                pq.write_table(pa.table(columns), part, compression="zstd")

    def to_json(self) -> dict[str, Any]:
        """The keys of INTERFACE for `label consensus`."""
        return dict(self.facts)
