"""Predictions in parts beside the file to come: work that is stopped goes on, and processes share it out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.records import BadInput, Predictions, replacing, write_text

Problem = dict[str, str]
"""`image_id` and `reason` of a picture that was left out."""


class Parts:
    """The folder `.NAME.parts` beside `out`: part i holds the pictures i x size to (i + 1) x size of a split of n.

    `about` says what is predicted; parts of something else are refused.
    """

    def __init__(self, out: Path, about: Mapping[str, Any], *, n: int, size: int) -> None:
        self.out = Path(out)
        self.folder = self.out.with_name(f".{self.out.name}.parts")
        self.n, self.size = n, size
        self._about = dict(about) | {"n": n, "size": size}

    def __len__(self) -> int:
        return len(range(0, self.n, self.size))

    def begin(self) -> None:
        """Make the folder, or go on in it; raises BadInput where it holds parts of another prediction."""
        path = self.folder / "about.json"
        told = told_by(self.out)
        if told is None:
            write_text(path, json.dumps(self._about, indent=1, sort_keys=True) + "\n")
            return
        for key in sorted(set(told) | set(self._about)):
            if told.get(key) != self._about.get(key):
                raise BadInput(
                    f"holds parts of another prediction: its {key} is {_short(told.get(key))}, "
                    f"not {_short(self._about.get(key))}",
                    where=self.folder,
                    fix="Remove the folder to begin anew, or name another --out",
                )

    def missing(self) -> list[int]:
        """Numbers of the parts that are not there yet."""
        return [number for number in range(len(self)) if not self._file(number).is_file()]

    def positions(self, number: int) -> NDArray[np.int64]:
        """Which pictures of the split are in a part."""
        return np.arange(number * self.size, min(self.n, (number + 1) * self.size))

    def write(self, number: int, made: Predictions | None, problems: list[Problem]) -> None:
        """Write a part durably, its problems first; None where no picture of it decodes."""
        write_text(self._file(number).with_suffix(".json"), json.dumps(problems))
        if made is None:
            write_text(self._file(number), "")
        else:
            made.write(self._file(number))

    def join(self) -> tuple[int, list[Problem]]:
        """Write `out` from all parts, one in memory at a time, and remove them; the number of rows and all problems.

        Raises BadInput where no picture of the split decodes.
        """
        problems: list[Problem] = []
        files = []
        for number in range(len(self)):
            file = self._file(number)
            problems += json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
            if file.stat().st_size:
                files.append(file)
        if not files:
            raise BadInput("has no picture that decodes", where="the split", row=problems[0]["reason"])
        rows = 0
        with replacing(self.out) as part:
            with pq.ParquetWriter(part, pq.read_schema(files[0]), compression="zstd") as writer:
                for file in files:
                    table: pa.Table = pq.read_table(file)
                    writer.write_table(table)
                    rows += table.num_rows
        shutil.rmtree(self.folder)
        return rows, problems

    def _file(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"


def told_by(out: Path) -> dict[str, Any] | None:
    """What the parts beside `out` say of themselves, None where there are none."""
    path = Path(out).with_name(f".{Path(out).name}.parts") / "about.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"is not JSON ({error})", where=path, fix="Remove its folder to begin anew") from error
    return dict(found)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
