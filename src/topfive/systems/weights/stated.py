"""What a file of weights states of itself in its metadata, safetensors and ONNX alike: its classes and its View."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from topfive.records import BadInput, ClassList, View
from topfive.taxonomy import ilsvrc_classes


@dataclass(frozen=True)
class Stated:
    """The classes in the order of the scores, and the View; None where the file says nothing of it."""

    classes: ClassList | None = None
    view: View | None = None

    def settle(self, asked: ClassList | None, where: str | Path) -> ClassList:
        """The classes asked for, else the file's own, else ILSVRC's; raises BadInput where those asked for are others.

        A set in another order needs nothing: its wnids are looked up in these.
        """
        mine = self.classes
        if asked is None or mine is None or mine.wnids == asked.wnids:
            return asked or mine or ilsvrc_classes()
        if len(mine) != len(asked):
            raise BadInput(f"has learnt {len(mine)} classes, not {len(asked)}", where=where, fix="Name no classes")
        place = next(i for i, pair in enumerate(zip(mine.wnids, asked.wnids, strict=True)) if pair[0] != pair[1])
        raise BadInput(
            f"has its classes in another order: {mine.wnids[place]} at {place}, not {asked.wnids[place]}",
            where=where,
            fix="Name no classes, or those of the file in its order",
        )


def statement(classes: ClassList, view: View) -> dict[str, str]:
    """The metadata of a file that leaves the project; the digest of the classes is the one that results carry."""
    return {
        "classes": "\n".join(classes.wnids),
        "names": "\n".join(classes.names),
        "classes_digest": classes.digest,
        "view": json.dumps(view.to_json()),
    }


def read_statement(about: Mapping[str, str], where: Path, *, n: int | None = None) -> Stated:
    """The inverse of `statement`; `n` is the number of scores, where it is known.

    Without a digest the words may be anybody's: classes that are not n, or not each another, are then none, as is a
    view that is no View. Raises BadInput where the digest says that the classes have been changed.
    """
    return Stated(_classes(about, where, n), _view(about))


def _classes(about: Mapping[str, str], where: Path, n: int | None) -> ClassList | None:
    if "classes" not in about:
        return None
    wnids = tuple(about["classes"].split("\n"))
    names = tuple(about["names"].split("\n")) if "names" in about else ()
    if len(names) != len(wnids):
        every = ilsvrc_classes()
        names = tuple(every.names[every.index[wnid]] if wnid in every.index else wnid for wnid in wnids)
    classes = ClassList(wnids, names)
    signed = about.get("classes_digest")
    if signed is not None and classes.digest != signed:
        reason = f"states {len(classes)} classes in its metadata that are not those it was written with"
        raise BadInput(reason, where=where, fix="Export it again")
    if signed is not None and n not in (None, len(classes)):
        raise BadInput(f"states {len(classes)} classes and gives {n} scores", where=where, fix="Export it again")
    try:
        classes.check(where)
    except BadInput:
        if signed is not None:
            raise
        return None
    return classes if n in (None, len(classes)) else None


def _view(about: Mapping[str, str]) -> View | None:
    try:
        return View.from_json(json.loads(about["view"])) if "view" in about else None
    except (ValueError, TypeError, AttributeError, BadInput):  # a view of somebody else's is no business of ours
        return None
