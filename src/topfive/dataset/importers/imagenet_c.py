"""ImageNet-C as released (Hendrycks and Dietterich 2019): `<corruption>/<severity>/<wnid>/<picture>`."""

from __future__ import annotations

import re
from pathlib import Path

from topfive.dataset.found import Found, FoundImage, Images, class_list, is_picture
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source
from topfive.records import Progress, counted

TITLE = "ImageNet-C (a folder or tar of corruption, severity and wnid)"
ORDER = 41

_PLACE = re.compile(r"(?:[^/]+/)?[a-z]+(?:_[a-z]+)*/[1-5]/(n\d{8})/[^/]+")
"""With or without one folder above, as the archives unpack."""


def recognises(source: Source) -> bool:
    """Some files lie where a corruption, a severity from 1 to 5 and a wnid stand above each other."""
    return any(_PLACE.fullmatch(file.path) for file in source.files)


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Classes are the wnids; corruption and severity stay in each row's `source`, and in its id where stems repeat."""
    images, problems = [], list(source.problems)
    for file in counted(source.files, "looking", len(source.files), progress, "files"):
        found = _PLACE.fullmatch(file.path)
        if found is None or not is_picture(source, file):
            problems.append(Problem(file.path, "is no picture of a corruption, severity and wnid: left out"))
        else:
            images.append(FoundImage(file, found[1], options.split))
    classes = class_list((image.wnid for image in images if image.wnid), source.root)
    return Found(Images.one_by_one(images, classes), classes, tuple(problems))
