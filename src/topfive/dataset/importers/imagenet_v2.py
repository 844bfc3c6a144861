"""ImageNet-V2 (Recht et al. 2019): folders named 0 to 999 without padding, which are class indices, not wnids."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from topfive.dataset.found import Found, FoundImage, Images, is_hidden, is_picture
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source
from topfive.records import Progress, counted
from topfive.taxonomy import ilsvrc_classes

TITLE = "ImageNet-V2 (folders 0 to 999, taken as numbers)"
ORDER = 40

_NUMBER = re.compile(r"0|[1-9][0-9]{0,2}")
_EACH = 10
"""Pictures a class in each of the three releases."""


def recognises(source: Source) -> bool:
    """Class folders with unpadded numbers alone, and either its name in the path or all 1,000 with ten files each.

    A number of folders alone says nothing: other sets number their classes too.
    """
    above = _above(source)
    if above is None:
        return False
    named = "imagenetv2" in f"{source.name}/{above}".lower().replace("-", "").replace("_", "")
    files = Counter(
        file.path.removeprefix(above).partition("/")[0] for file in source.files if not is_hidden(file.path)
    )
    whole = len(files) == len(ilsvrc_classes()) and set(files.values()) == {_EACH}
    return named or whole


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Folder k is class k of ILSVRC's 1,000 in sorted order; `options.split` is the split."""
    above = _above(source) or ""
    classes = ilsvrc_classes()
    images, problems = [], list(source.problems)
    for file in counted(source.files, "looking", len(source.files), progress, "files"):
        number, slash, _ = file.path.removeprefix(above).partition("/")
        if not slash or not _NUMBER.fullmatch(number) or not is_picture(source, file):
            problems.append(Problem(file.path, "is no picture in a numbered folder: left out"))
        else:
            images.append(FoundImage(file, classes.wnids[int(number)], options.split))
    return Found(Images.one_by_one(images, classes), classes, tuple(problems))


def _above(source: Source) -> str | None:
    """The folder whose folders are all numbers, with a slash (empty for the source itself), or None."""
    folders = [folder for folder in source.folders if not is_hidden(folder)]
    tops = [folder for folder in folders if "/" not in folder]
    if tops and all(_NUMBER.fullmatch(top) for top in tops):
        return ""
    if len(tops) != 1:
        return None
    inner = [folder.removeprefix(f"{tops[0]}/") for folder in folders if folder.count("/") == 1]
    return f"{tops[0]}/" if inner and all(_NUMBER.fullmatch(name) for name in inner) else None
