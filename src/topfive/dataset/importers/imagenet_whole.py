"""The whole ImageNet: a tar or folder of one tar a synset, such as `fall11_whole.tar` or `winter21_whole.tar.gz`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from topfive.dataset.class_keys import read_class_keys
from topfive.dataset.found import Container, Found, is_wnid, named_classes
from topfive.dataset.gunzip import Gunzipped
from topfive.dataset.nested import Inner, inner_wnid, read_inner
from topfive.dataset.options import ImportOptions
from topfive.dataset.reports import Problem
from topfive.dataset.source import Source, open_source
from topfive.dataset.tar import walk
from topfive.dataset.tar_header import Place
from topfive.records import UNKNOWN, BadInput, Progress

TITLE = "the whole ImageNet (a tar, tar.gz or folder of one tar a synset)"
ORDER = 6

_NAMES = ("_whole.tar", "_whole.tar.gz", "_whole.tgz")
_UNPACKED = 4 << 40
"""Bytes that a compressed archive may unpack to; the largest release has 1.3 TB."""
_STEP = 1 << 20
_LIST = "One wnid a line (what follows it is ignored), or a classes.tsv"


def recognises(source: Source) -> bool:
    """It holds mostly `<wnid>.tar`, or is one file that is named as the whole ImageNet is, or the folder of it."""
    return _lone(source) is not None or 2 * sum(bool(inner_wnid(one.path)) for one in source.files) > len(source.files)


def read(source: Source, options: ImportOptions, into: Path, progress: Progress) -> Found:
    """Classes are the synsets in order of wnid, or those of `options.classes` in that file's order.

    Raises BadInput for a compressed archive unless it may be unpacked, for one synset twice, and as `read_tar` does.
    """
    wanted = None if options.classes is None else _wnids(options.classes)
    problems = list(source.problems)
    lone = _lone(source)
    if lone is not None and not lone.endswith(".tar"):
        if not options.unpack:
            raise BadInput(
                "is compressed, and a picture in it cannot be read without unpacking all before it",
                where=source.root,
                fix="--unpack writes the synsets' tars into the dataset folder in one pass "
                "(of --classes FILE only, where given); or unpack it yourself and import the tar",
            )
        archives = _unpacked(lone, None if wanted is None else frozenset(wanted), into, problems, progress)
    else:
        archives = _lying(source if lone is None else open_source(Path(lone), progress), problems)
    keys = sorted(archives) if wanted is None else wanted
    classes = named_classes(keys, options.classes or source.root)
    inner = [archives[wnid]._replace(class_index=index) for wnid, index in classes.index.items() if wnid in archives]
    if not inner:
        raise BadInput("holds none of the classes asked for", where=source.root, fix="Mend the list of classes")
    problems += [
        Problem(wnid, "is not in the source: a class without pictures") for wnid in keys if wnid not in archives
    ]
    images, wrong = read_inner(inner, options.split, into, progress)
    containers = [
        Container(name, "archive", (into / name).stat().st_size) for name in sorted({a.container for a in inner})
    ]
    return Found(images, classes, (*problems, *wrong), tuple(containers))


def _wnids(path: Path) -> tuple[str, ...]:
    """The wnids of a list of classes, in its order; raises BadInput for a name in it."""
    keys = read_class_keys(path)
    for key in keys:
        if not is_wnid(key):
            raise BadInput("is no wnid", where=path, row=f"class {key[:40]!r}", fix=_LIST)
    return keys


def _lone(source: Source) -> str | None:
    """The one file of a source that is a folder or a compressed file, by its path, where it is named as the set is."""
    if source.is_archive or len(source.files) != 1 or not source.files[0].path.endswith(_NAMES):
        return None
    return source.files[0].container


def _lying(source: Source, problems: list[Problem]) -> dict[str, Inner]:
    """The synsets' archives of a tar or a folder, by wnid."""
    archives: dict[str, Inner] = {}
    for file in source.files:
        wnid = inner_wnid(file.path)
        if not wnid:
            problems.append(Problem(file.path, "is no tar of a synset: left out"))
            continue
        if wnid in archives:
            raise BadInput(f"holds {wnid}.tar twice", where=source.root, row=file.path, fix="Take one of them out")
        archives[wnid] = Inner(f"{wnid}.tar", file.container, file.offset, file.size, UNKNOWN)
    return archives


def _unpacked(
    packed: str, wanted: Collection[str] | None, into: Path, problems: list[Problem], progress: Progress
) -> dict[str, Inner]:
    """Write the archives of the synsets wanted (None: all) into `into / "shards"`, in one pass."""
    archives: dict[str, Inner] = {}
    total = Path(packed).stat().st_size
    (into / "shards").mkdir()
    with Gunzipped(Path(packed), _UNPACKED) as stream:
        for index in walk(stream, Place(packed), batch=1):
            problems += [Problem(name, f"{reason}: left out") for name, reason in index.refusals]
            for name, offset, size in index.members:
                wnid = inner_wnid(name)
                if not wnid:
                    problems.append(Problem(name, "is no tar of a synset: left out"))
                elif wnid in archives:
                    raise BadInput(f"holds {wnid}.tar twice", where=packed, row=name, fix="Take one of them out")
                elif wanted is None or wnid in wanted:
                    container = f"shards/{wnid}.tar"
                    _copy(stream, offset, size, into / container)
                    archives[wnid] = Inner(f"{wnid}.tar", container, 0, size, UNKNOWN)
                progress("unpacking", stream.packed_bytes, total, "bytes")
    return archives


def _copy(stream: Gunzipped, offset: int, size: int, path: Path) -> None:
    with path.open("wb") as file:
        for done in range(0, size, _STEP):
            data = stream.read(min(_STEP, size - done), offset + done)
            file.write(data)
