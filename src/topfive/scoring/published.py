"""Published figures as a table to stand beside: rows of a CSV with timm's columns, and a result's place among them."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import floor
from pathlib import Path
from typing import Any, Literal

import numpy as np

from topfive.records import BadInput, Interval, Scores, View, unreadable
from topfive.scoring.tables import is_number

PROTOCOL = "published-place/1"
"""A result's place is one more than the number of rows that err less. Its tolerance is its own 95 % interval: rows
inside it are no better and no worse as far as these images tell, and give the range of places. A row of the same model
is expected to lie inside; where it does not, its preprocessing is held against the result's View."""

MAX_BYTES = 64 << 20
N_NEAREST = 5

Error = Literal["top1_error", "top5_error"]

_STATISTICS = (
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
)
"""Mean and standard deviation of nearly all public weights: ImageNet's, one half, CLIP's, none."""


@dataclass(frozen=True)
class PublishedRow:
    """One figure of one model: errors as fractions, None where the table has none; `row` is its line in the file."""

    row: int
    model: str
    top1_error: float | None
    top5_error: float | None
    img_size: int | None
    crop_pct: float | None
    interpolation: str | None

    def differences(self, view: View) -> tuple[str, ...]:
        """How this row's preprocessing differs from the view, in words; what the row does not say is not compared."""
        found = []
        if self.img_size is not None and self.img_size != view.crop_px:
            found.append(f"size {self.img_size} px, here {view.crop_px}")
        if self.crop_pct is not None:
            size = view.crop_px if self.img_size is None else self.img_size
            resize = floor(size / self.crop_pct + 1e-9)
            # As a share, so that another size is not told twice; a pixel of rounding is no difference.
            if abs(resize * view.crop_px - view.resize_px * size) > max(size, view.crop_px):
                found.append(f"crop {self.crop_pct:.3g} of the short side, here {view.crop_px / view.resize_px:.3g}")
        if self.interpolation is not None and self.interpolation != view.interpolation:
            found.append(f"{self.interpolation}, here {view.interpolation}")
        if view.squash:
            found.append("short side resized and cropped, here the whole picture squashed")
        return tuple(found)


@dataclass(frozen=True)
class PlacedRow:
    """A published row beside a result: its error less ours, whether it is inside our interval, what was done otherwise.

    `differences` is None where the result's view is unknown.
    """

    published: PublishedRow
    error: float
    difference: float
    within: bool
    differences: tuple[str, ...] | None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `difference` is the published error less the result's."""
        row = self.published
        return {
            "model": row.model,
            "row": row.row,
            "error": self.error,
            "difference": self.difference,
            "within": self.within,
            "img_size": row.img_size,
            "crop_pct": row.crop_pct,
            "interpolation": row.interpolation,
            "preprocessing_differences": None if self.differences is None else list(self.differences),
        }


@dataclass(frozen=True)
class Placement:
    """A result among published ones: `rank` of `n_rows` + 1, the ranks its interval allows, its nearest rows.

    `expected` are the rows of the model that was named, the one most like the view first; empty where none was.
    """

    source: str
    metric: Error
    n: int
    error: float
    interval: Interval
    restricted: bool
    n_rows: int
    rank: int
    rank_interval: tuple[int, int]
    nearest: tuple[PlacedRow, ...]
    expected: tuple[PlacedRow, ...]
    view: View | None

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every field and the protocol."""
        return {
            "protocol": PROTOCOL,
            "published": self.source,
            "metric": self.metric,
            "n": self.n,
            "error": self.error,
            "tolerance": list(self.interval),
            "restricted": self.restricted,
            "n_rows": self.n_rows,
            "rank": self.rank,
            "rank_interval": list(self.rank_interval),
            "nearest": [row.to_json() for row in self.nearest],
            "expected": [row.to_json() for row in self.expected],
            "view": None if self.view is None else self.view.to_json(),
        }


def read_published(path: Path) -> tuple[PublishedRow, ...]:
    """Read a CSV with a column `model` and top-1 or top-5 accuracy or error in percent, as timm's tables have them.

    Columns: `model`, `top1` or `top1_err`, `top5` or `top5_err`, and if there `img_size`, `crop_pct`, `interpolation`;
    others are ignored. Raises BadInput naming file, line and column.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"has more than {MAX_BYTES >> 20} MiB", where=path, fix="Name a table of published results")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable("a CSV file", path, error) from error
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        columns = reader.fieldnames or []
        if "model" not in columns or not {"top1", "top1_err", "top5", "top5_err"} & set(columns):
            raise BadInput(
                f"has the columns {', '.join(columns) or 'none'}",
                where=path,
                row=1,
                fix="It needs model, and top1 or top1_err (or top5, top5_err) in percent",
            )
        rows = tuple(_row(path, reader.line_num, fields) for fields in reader)
    except csv.Error as error:
        raise BadInput(f"is no CSV ({error})", where=path, row=f"line {reader.line_num}") from error
    if not rows:
        raise BadInput("has no rows under its header", where=path)
    return rows


def place(
    scores: Scores,
    rows: Iterable[PublishedRow],
    *,
    metric: Error = "top1_error",
    view: View | None = None,
    name: str | None = None,
    source: str = "published",
) -> Placement:
    """Place a result by PROTOCOL; raises BadInput for a `name` that no row has, naming those most like it."""
    every = tuple(rows)
    known = [row for row in every if getattr(row, metric) is not None]
    if not known:
        raise BadInput(f"has no {metric.replace('_', ' ')}", where=source, fix="Choose the other metric")
    error: float = getattr(scores, metric)
    low, high = interval = getattr(scores, f"{metric}_interval")
    errors = np.array([getattr(row, metric) for row in known])

    def beside(row: PublishedRow) -> PlacedRow:
        theirs = getattr(row, metric)
        told = None if view is None else row.differences(view)
        return PlacedRow(row, theirs, theirs - error, low <= theirs <= high, told)

    nearest = sorted(range(len(known)), key=lambda i: (abs(errors[i] - error), known[i].row))[:N_NEAREST]
    expected = [beside(row) for row in known if name is not None and row.model == name]
    if name is not None and not expected:
        raise BadInput(f"has no model {name!r}", where=source, fix=_likely(name, [row.model for row in known]))
    return Placement(
        source=source,
        metric=metric,
        n=scores.n,
        error=error,
        interval=interval,
        restricted=scores.restricted,
        n_rows=len(known),
        rank=1 + int((errors < error).sum()),
        rank_interval=(1 + int((errors < low).sum()), 1 + int((errors <= high).sum())),
        nearest=tuple(beside(known[i]) for i in sorted(nearest, key=lambda i: (errors[i], known[i].row))),
        expected=tuple(sorted(expected, key=lambda found: (len(found.differences or ()), abs(found.difference)))),
        view=view,
    )


def view_of(digest: str | None, rows: Iterable[PublishedRow]) -> View | None:
    """The View with this fingerprint, if the preprocessing of any row makes it under usual mean, std and decoder."""
    if digest is None:
        return None
    sizes = {(row.img_size, row.crop_pct, row.interpolation) for row in rows}
    return next((view for view in _views(sizes) if view.digest == digest), None)


def _views(sizes: Iterable[tuple[int | None, float | None, str | None]]) -> Iterator[View]:
    for size, share, interpolation in sizes:
        if size is None or share is None or interpolation not in ("bilinear", "bicubic", "nearest", "lanczos"):
            continue
        # floor is timm's, round torchvision's; efficientnet's tables add the margin of 32 px at any size.
        for resize in {floor(size / share + 1e-9), round(size / share), size + 32}:
            if resize < size:
                continue
            plain = View(resize, size, interpolation)  # type: ignore[arg-type]
            for mean, std in _STATISTICS:
                for squash in (False, True):
                    shown = replace(plain, mean=mean, std=std, squash=squash)
                    yield shown
                    yield replace(shown, decoder="exact")


def _row(path: Path, line: int, fields: dict[str | Any, str | Any]) -> PublishedRow:
    if None in fields or None in fields.values():
        raise BadInput("has another number of fields than the header", where=path, row=f"line {line}")
    model = fields["model"].strip()
    if not model or not model.isprintable():
        raise BadInput(f"has the model name {model!r}", where=path, row=f"line {line}", fix="Name a model in each row")
    size = _number(path, line, fields, "img_size")
    crop = _number(path, line, fields, "crop_pct")
    for name, value, most in (("img_size", size, 65536.0), ("crop_pct", crop, 10.0)):
        if value is not None and not 0 < value <= most:
            raise BadInput(f"{name} is {value:g}", where=path, row=f"line {line}")
    return PublishedRow(
        row=line,
        model=model,
        top1_error=_error(path, line, fields, "top1"),
        top5_error=_error(path, line, fields, "top5"),
        img_size=None if size is None else round(size),
        crop_pct=crop,
        interpolation=(fields.get("interpolation") or "").strip() or None,
    )


def _error(path: Path, line: int, fields: dict[str, str], metric: str) -> float | None:
    """The error as a fraction; where accuracy and error both stand they must add up to 100."""
    right, wrong = _number(path, line, fields, metric), _number(path, line, fields, f"{metric}_err")
    for name, value in ((metric, right), (f"{metric}_err", wrong)):
        if value is not None and not 0 <= value <= 100:
            raise BadInput(f"{name} is {value:g}, no percentage", where=path, row=f"line {line}")
    if right is not None and wrong is not None and abs(right + wrong - 100) > 0.01:
        raise BadInput(
            f"{metric} {right:g} and {metric}_err {wrong:g} do not add up to 100", where=path, row=f"line {line}"
        )
    if wrong is None:
        return None if right is None else round((100 - right) / 100, 8)
    return round(wrong / 100, 8)


def _number(path: Path, line: int, fields: dict[str, str], name: str) -> float | None:
    text = (fields.get(name) or "").strip().replace(",", "")
    if not text:
        return None
    value = float(text) if is_number(text) else float("nan")
    if not np.isfinite(value):
        raise BadInput(f"{name} is {text[:40]!r}, no number", where=path, row=f"line {line}")
    return value


def _likely(name: str, models: list[str]) -> str:
    """Names that begin with it, else the most alike."""
    begin = sorted({model for model in models if model.split(".")[0] == name})
    close = begin or difflib.get_close_matches(name, sorted(set(models)), n=5, cutoff=0.5)
    return f"Did you mean {', '.join(close[:5])}?" if close else "Leave --name out to see the nearest rows"
