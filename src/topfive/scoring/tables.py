"""Predictions from elsewhere: logits as .npy, logits or guesses as CSV; always with an explicit class order."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, ClassList, Predictions, in_blocks, unreadable

MAX_CSV_BYTES = 4 << 30
_KEY = "image_id"
_GUESS = re.compile(r"(?:class|guess|top|prediction)_?([1-9])?")
_COUNTED = re.compile(r"(?:logit|score|class|col)?_?([0-9]+)")
_WNID = re.compile(r"n[0-9]{8}")
_NUMBER = re.compile(r" *[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)? *")
_STRANGE = re.compile(r"[^-+.,eE0-9 ]")
_ORDER_FIX = "Say what each column is: --order CLASSES, a classes.tsv or one wnid, name or ILSVRC2012_ID a line"


def read_order(path: Path, known: ClassList, wnid_of_id: Mapping[int, str] = {}) -> ClassList:
    """The classes that a model's columns stand for, in order: a `classes.tsv`, or a text file with one class a line.

    A line is a key (wnid), a name that one class of `known` has, or a number, which is an ILSVRC2012_ID and needs
    `wnid_of_id`. Raises BadInput naming file and line: an unknown or ambiguous name, a class twice, numbers without
    the kit that says what they mean.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable("a class order", path, error, fix=_ORDER_FIX) from error
    if lines and lines[0].split("\t")[:2] == ["index", "wnid"]:
        return ClassList.read(path)
    if not lines:
        raise BadInput("is empty", where=path, fix=_ORDER_FIX)
    texts = [line.strip() for line in lines]
    if all(text.isascii() and text.isdigit() and text not in known.index for text in texts):
        return _by_number(texts, path, known, wnid_of_id)
    return _named(texts, path, known)


def _by_number(texts: Sequence[str], path: Path, known: ClassList, wnid_of_id: Mapping[int, str]) -> ClassList:
    if not wnid_of_id:
        raise BadInput(
            "holds numbers: as ILSVRC2012_IDs they need the kit, and positions say nothing",
            where=path,
            fix="Add --kit ILSVRC2012_devkit_t12.tar.gz, or write wnids",
        )
    numbers = [int(text) if len(text) <= 9 else -1 for text in texts]  # longer ones never reach int()
    strange = next((row for row, number in enumerate(numbers) if number not in wnid_of_id), None)
    if strange is not None:
        raise BadInput(f"{texts[strange]} is no ILSVRC2012_ID", where=path, row=strange + 1)
    return _named([wnid_of_id[number] for number in numbers], path, known)


def _named(texts: Sequence[str], path: Path, known: ClassList, *, in_header: bool = False) -> ClassList:
    finder = _Finder(known)
    wnids = [
        finder.key(text, path, f"column {place + 1} of the header" if in_header else place)
        for place, text in enumerate(texts, start=1)
    ]
    if len(set(wnids)) < len(wnids):
        place = next(place for place, wnid in enumerate(wnids) if wnids.index(wnid) < place)
        again = f" in column {place + 2}" if in_header else ""
        raise BadInput(f"names {wnids[place]} again{again}", where=path, row=1 if in_header else place + 1)
    return ClassList(tuple(wnids), tuple(finder.name(wnid) for wnid in wnids))


class _Finder:
    """Keys of classes by what people write for them."""

    def __init__(self, known: ClassList) -> None:
        self._known = known
        self._by_name: dict[str, list[str]] = {}
        for wnid, name in zip(known.wnids, known.names, strict=True):
            self._by_name.setdefault(name.casefold(), []).append(wnid)

    def key(self, text: str, where: Path, row: int | str) -> str:
        """The key that a text stands for: itself, or that of the one class of this name."""
        if text in self._known.index or _WNID.fullmatch(text):
            return text
        found = self._by_name.get(text.casefold(), [])
        if len(found) != 1:
            reason = (
                f"{text[:60]!r} is the name of {' and '.join(found)}" if found else f"{text[:60]!r} is no class here"
            )
            raise BadInput(reason, where=where, row=row, fix="Write the wnid")
        return found[0]

    def name(self, wnid: str) -> str:
        return self._known.names[self._known.index[wnid]] if wnid in self._known.index else wnid


def read_logits(path: Path, ids: Sequence[str], classes: ClassList) -> Predictions:
    """Predictions of an .npy of [n, K] numbers: row i is image `ids[i]`, column j is class j of `classes`.

    Raises BadInput naming the file: no array of numbers, another shape, NaN or infinity. No object is unpickled.
    """
    logits = _mapped(Path(path))
    if logits.ndim != 2 or logits.shape != (len(ids), len(classes)):
        raise BadInput(
            f"is {list(logits.shape)}, not [{len(ids)} images, {len(classes)} classes]",
            where=path,
            fix="Rows are the ids, columns the classes of --order",
        )
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinity, which is refused
        values = np.ascontiguousarray(logits, dtype=np.float32)
    return _from_logits(path, ids, values, classes, first=0)


def _mapped(path: Path) -> NDArray[Any]:
    """The array where it lies; what numpy would say of a file that it refuses tells people how to run it, so is not."""
    fix = "Save logits with numpy.save"
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise BadInput("is no .npy file", where=path, fix=fix)
        logits = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        objects = "Python objects" in str(error)
        reason = "holds Python objects, which are not loaded" if objects else "is cut short or its header is malformed"
        raise BadInput(reason, where=path, fix=fix) from error
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=path) from error
    if logits.dtype.kind not in "fiu":
        raise BadInput(f"holds {logits.dtype}, no numbers to rank", where=path, fix=fix)
    array: NDArray[Any] = logits
    return array


def read_table(path: Path, known: ClassList, order: ClassList | None = None) -> Predictions:
    """Predictions of a CSV with a header: `image_id` and one column a class, or `image_id` and guesses, best first.

    Columns of logits are named by class (key or name), and then `order`, if given, must agree; or numbered, and then
    `order` says what they are. Columns of guesses are `class` or `class1` to `class5` and hold keys or names. Raises
    BadInput naming file and row.
    """
    header, rows = _rows(path)
    if header[0] != _KEY:
        raise BadInput(f"has no column {_KEY!r} at the front", where=path, row=1, fix=f"Write {_KEY},...")
    columns = header[1:]
    ids = tuple(row[0] for row in rows)
    if all(_GUESS.fullmatch(name) and name not in known.index for name in columns) and len(columns) <= 5:
        places = [found[1] for name in columns if (found := _GUESS.fullmatch(name))]
        if places not in ([None], list("12345"[: len(places)])):
            raise BadInput(
                f"has the guesses {', '.join(columns)}", where=path, row=1, fix="Write class1, class2, ..., best first"
            )
        return _guesses(path, ids, rows, order or known)
    if all(_COUNTED.fullmatch(name) and name not in known.index for name in columns):
        counted = [int(name.lstrip("abcdefghijklmnopqrstuvwxyz_")) for name in columns]
        if order is None:
            raise BadInput("numbers its columns, which says nothing of classes", where=path, row=1, fix=_ORDER_FIX)
        if counted not in (list(range(len(columns))), list(range(1, len(columns) + 1))) or len(columns) != len(order):
            raise BadInput(
                f"numbers {len(columns)} columns, not {len(order)} in order as --order does", where=path, row=1
            )
        classes = order
    else:
        classes = _named(columns, path, known if order is None else order, in_header=True)
        if order is not None and classes.wnids != order.wnids:
            raise _other_order(path, classes, order)
    return _from_logits(path, ids, _numbers(path, rows, header), classes, first=2)


def _other_order(path: Path, classes: ClassList, order: ClassList) -> BadInput:
    place = next(
        (i for i, pair in enumerate(zip(classes.wnids, order.wnids, strict=False)) if len(set(pair)) > 1), None
    )
    if place is None:
        return BadInput(f"has {len(classes)} classes, --order {len(order)}", where=path, row=1)
    return BadInput(
        f"has another class order than --order: column {place + 1} is {classes.wnids[place]}, not {order.wnids[place]}",
        where=path,
        row=1,
        fix="Leave --order out: the header already says which class each column is",
    )


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    path = Path(path)
    try:
        if path.stat().st_size > MAX_CSV_BYTES:
            raise BadInput(f"is over {MAX_CSV_BYTES >> 30} GiB", where=path, fix="Save the logits as .npy")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable("CSV", path, error) from error
    if len(rows) < 2 or len(rows[0]) < 2:
        raise BadInput("has no header with columns and no row of an image", where=path)
    header = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise BadInput(f"has {len(row)} cells, the header {len(header)}", where=path, row=number)
    return header, rows[1:]


def _numbers(path: Path, rows: list[list[str]], header: Sequence[str]) -> NDArray[np.float32]:
    """The cells as numbers: what Python takes for one besides (`1_000`, `infinity`, other scripts' digits) is none."""
    values = np.empty((len(rows), len(header) - 1), dtype=np.float32)
    for i, row in enumerate(rows):
        try:
            if _STRANGE.search(",".join(row[1:])):  # one search a row: one a cell takes 20 times as long as reading it
                raise ValueError
            with np.errstate(over="ignore"):  # what is too large becomes infinity, which is refused
                values[i] = row[1:]
        except ValueError as error:
            at = next(at for at, cell in enumerate(row[1:], start=1) if not is_number(cell))
            place = f"row {i + 2}, column {header[at][:60]!r}"
            raise BadInput(
                f"{row[at][:40]!r} is no number", where=path, row=place, fix="Write it as 1.5 or 2e-3"
            ) from error
    return values


def is_number(text: str) -> bool:
    """Whether a cell is a plain decimal number, maybe with an exponent, maybe between spaces."""
    return _NUMBER.fullmatch(text) is not None


def _from_logits(
    path: Path, ids: Sequence[str], logits: NDArray[np.float32], classes: ClassList, *, first: int
) -> Predictions:
    """Predictions of finite logits and of ids that stand once; `first` is the row of the file that holds image 0."""
    _once(path, ids, first)
    for place, block in in_blocks(logits):
        bad = ~np.isfinite(block).all(axis=1)
        if bad.any():
            row = int(place.start) + int(bad.argmax())
            raise BadInput(
                f"a logit of image {ids[row]!r} is not a finite number",
                where=path,
                row=row + first,
                fix="Predict it anew: NaN and infinity cannot be ranked",
            )
    return Predictions.from_logits(tuple(ids), logits, classes)


def _once(path: Path, ids: Sequence[str], first: int) -> None:
    known: dict[str, int] = {}
    for row, image_id in enumerate(ids, start=first):
        if not image_id.strip():
            raise BadInput("has no image_id", where=path, row=row, fix="Name the image of each row")
        if known.setdefault(image_id, row) != row:
            raise BadInput(f"image_id {image_id!r} stands twice (first in row {known[image_id]})", where=path, row=row)


def _guesses(path: Path, ids: tuple[str, ...], rows: list[list[str]], known: ClassList) -> Predictions:
    _once(path, ids, 2)
    finder = _Finder(known)
    index: dict[str, int] = {}
    top = np.empty((len(rows), len(rows[0]) - 1), dtype=np.int32)
    for i, row in enumerate(rows):
        for place, cell in enumerate(row[1:]):
            text = cell.strip()
            if text not in index:
                wnid = finder.key(text, path, i + 2)
                if wnid not in known.index:
                    raise BadInput(f"{wnid} is none of the {len(known)} classes", where=path, row=i + 2, fix=_ORDER_FIX)
                index[text] = known.index[wnid]
            top[i, place] = index[text]
        if len(set(top[i].tolist())) < len(row) - 1:
            raise BadInput(f"names one class twice for image {ids[i]!r}", where=path, row=i + 2)
    falling = np.tile(-np.arange(top.shape[1], dtype=np.float32), (len(rows), 1))
    return Predictions(ids, top, falling, known)
