"""What timm's wheel carries of ImageNet: its class lists and definitions. Found without importing timm."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from topfive.records import BadInput, ClassList
from topfive.taxonomy.table import wordnet

_FIX = "Install timm (`pip install 'topfive[models]'`)"


def timm_info(name: str) -> Path:
    """The path of one file of `timm/data/_info`; raises BadInput where timm or the file is missing."""
    spec = find_spec("timm")
    path = None if spec is None or spec.origin is None else Path(spec.origin).parent / "data" / "_info" / name
    if path is None:
        raise BadInput("timm is not installed", where=name, fix=_FIX)
    if not path.is_file():
        raise BadInput("this timm does not have the file", where=path, fix=_FIX)
    return path


@cache
def imagenet21k_classes() -> ClassList:
    """The 21,841 synsets of the fall 2011 release, by wnid; of the 1,000 ILSVRC classes it lacks n04399382 teddy."""
    return _listed("imagenet22k_synsets.txt")


@cache
def imagenet21k_google_classes() -> ClassList:
    """Google's list of 21,843: the fall 2011 release, n03931044 and n09859684."""
    return _listed("imagenet21k_goog_synsets.txt")


@cache
def imagenet21k_microsoft_classes() -> ClassList:
    """Microsoft's list of 21,842: the fall 2011 release and n04399382 teddy; its order is not that of the wnids."""
    return _listed("imagenet22k_ms_synsets.txt")


@cache
def imagenet21kp_fall2011_classes() -> ClassList:
    """ImageNet-21K-P of the fall 2011 release: 11,221 classes with pictures enough."""
    return _listed("imagenet21k_miil_synsets.txt")


@cache
def imagenet21kp_winter2021_classes() -> ClassList:
    """ImageNet-21K-P of the winter 2021 release: 10,450 classes."""
    return _listed("imagenet21k_miil_w21_synsets.txt")


@cache
def imagenet12k_classes() -> ClassList:
    """timm's 11,821 classes with pictures enough to validate on."""
    return _listed("imagenet12k_synsets.txt")


def _listed(name: str) -> ClassList:
    path = timm_info(name)
    graph = wordnet()
    wnids = tuple(path.read_text(encoding="ascii").split())
    for row, wnid in enumerate(wnids, start=1):
        if wnid not in graph:
            raise BadInput(f"{wnid!r} is no noun synset of WordNet 3.0", where=path, row=row, fix=_FIX)
    classes = ClassList(wnids, tuple(graph.name(wnid) for wnid in wnids))
    classes.check(path)
    return classes
