"""Predictions in parts beside the file to come: work that is stopped goes on, and processes share it out."""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.records import BadInput, Predictions, lay_down, mapped, replacing, room_for, write_text
from topfive.records.durable import place_for, sync_folder

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
        self.about = dict(about) | {"n": n, "size": size}

    def __len__(self) -> int:
        return len(range(0, self.n, self.size))

    def begin(self, *, anew: bool = False) -> None:
        """Make the folder, or go on in it.

        Parts of another prediction are removed where `anew` says so, else BadInput says what is other.
        """
        path = self.folder / "about.json"
        told = self._told(anew)
        if told is None:
            write_text(path, json.dumps(self.about, indent=1, sort_keys=True) + "\n")
            return
        for key in sorted(set(told) | set(self.about)):
            if told.get(key) != self.about.get(key):
                raise BadInput(
                    f"holds parts of another prediction: its {key} is {_short(told.get(key))}, "
                    f"not {_short(self.about.get(key))}",
                    where=self.folder,
                    fix="Remove the folder to begin anew, or name another --out",
                )

    def _told(self, anew: bool) -> dict[str, Any] | None:
        try:
            told = told_by(self.out)
        except BadInput:
            if not anew:
                raise
            told = {}
        if not anew or told == json.loads(json.dumps(self.about)):
            return told
        for left in self.folder.iterdir():  # the folder itself stays: it may be held
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        return None

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

    def found(self) -> tuple[list[Path], list[Problem]]:
        """The files of all parts that hold a prediction, in order, and all problems.

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
        return files, problems

    def join(self) -> tuple[int, list[Problem]]:
        """Write `out` from all parts, one in memory at a time; the number of rows and all problems.

        Raises BadInput where no picture of the split decodes.
        """
        files, problems = self.found()
        rows = 0
        whole = self.folder / "whole.parquet"  # aside in the folder, which is swept after a kill
        with room_for(self.out), replacing(whole) as part:
            with pq.ParquetWriter(part, pq.read_schema(files[0]), compression="zstd") as writer:
                for file in files:
                    table: pa.Table = pq.read_table(file)
                    writer.write_table(table)
                    rows += table.num_rows
        with place_for(self.out):
            whole.replace(self.out)
        sync_folder(self.out.parent)
        return rows, problems

    def read(self, logits: Path | None = None) -> tuple[Predictions, list[Problem]]:
        """All predictions; those of the classes, if they were kept, are laid down at `logits` and read from there.

        Memory is the same for any number of pictures but for their ids and guesses. Raises BadInput as `join` does.
        """
        files, problems = self.found()
        heads: list[Predictions] = []

        def blocks() -> Iterator[NDArray[np.float32]]:
            for file in files:
                made = Predictions.read(file)
                heads.append(replace(made, logits=None, classes=heads[0].classes if heads else made.classes))
                if made.logits is not None:
                    yield made.logits

        if logits is None:
            deque(blocks(), maxlen=0)
        else:
            lay_down(logits, blocks())
        made = replace(
            heads[0],
            ids=tuple(image_id for head in heads for image_id in head.ids),
            top_index=np.concatenate([head.top_index for head in heads]),
            top_score=np.concatenate([head.top_score for head in heads]),
            logits=None if logits is None else mapped(logits, len(heads[0].classes)),
        )
        return made, problems

    def remove(self) -> None:
        """Remove all parts: what they were for is done."""
        shutil.rmtree(self.folder)

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
