"""Import: recognise a source, index its pictures where they lie, hash each, and write a dataset folder about them."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from topfive.dataset.croissant import archive, describe, folder
from topfive.dataset.found import Found, FoundImage
from topfive.dataset.importers import Importer, importers
from topfive.dataset.reports import ImportReport, Problem, n_classes
from topfive.dataset.source import Source, open_source
from topfive.loading import MAX_BYTES, BadImage, read_header
from topfive.records import SPLITS, UNKNOWN, BadInput, Dataset, Manifest, Progress, counted, new_folder, silent


def import_source(source: Path, out: Path, *, split: str = "val", progress: Progress = silent) -> ImportReport:
    """Write the dataset folder `out` about the pictures of a folder or tar archive, which are read but not copied.

    A source without splits becomes `split`. Every picture is hashed and its size read from its header; decoding is
    `verify`'s. A picture that is none stays in the manifest and is named in the report, as is a file left out.
    Raises BadInput, and writes nothing, for a source that is missing, empty, damaged or of no known layout, for two
    pictures with one id, and for a class of a wnid's shape that WordNet 3.0 does not have.
    """
    if split not in SPLITS:
        raise BadInput(f"is no split: {split!r}", where="split", fix=f"Splits: {', '.join(SPLITS)}")
    source, out = Path(source), Path(out)
    with new_folder(out) as new:
        opened = open_source(source, progress)
        importer = _recognised(opened)
        found = importer.read(opened, split, progress)
        if not found.images:
            raise BadInput(f"holds no pictures (taken as {importer.TITLE})", where=source, fix=_remedy(found.problems))
        images = sorted(found.images, key=lambda image: (SPLITS.index(image.split), image.file.path))
        ids = image_ids([image.file.path for image in images], source)
        columns, problems = _columns(opened, images, ids, found, progress)
        manifest = Manifest.from_columns(columns, found.classes)
        about = describe(_name(opened), f"Imported from {source.name}: {importer.TITLE}", manifest, _pictures(opened))
        Dataset(new, manifest, about).write(new)
    every = (*found.problems, *problems)
    return ImportReport(out, len(manifest), n_classes(manifest), manifest.splits(), every, importer.TITLE)


def image_ids(paths: list[str], where: Path) -> list[str]:
    """An id for each path: the stem where no other path has it, else the path without suffix.

    Raises BadInput for two paths that differ in their suffix only.
    """
    stems = [path.rpartition("/")[2].rpartition(".")[0] or path.rpartition("/")[2] for path in paths]
    uses = Counter(stems)
    ids = []
    first: dict[str, str] = {}
    for path, stem in zip(paths, stems, strict=True):
        image_id = stem if uses[stem] == 1 else path[: path.rindex("/") + 1] + stem if "/" in path else stem
        if image_id in first:
            raise BadInput(
                f"two pictures have the id {image_id!r}: {first[image_id]} and {path}",
                where=where,
                fix="Rename one of them, or take it out",
            )
        first[image_id] = path
        ids.append(image_id)
    return ids


def _recognised(source: Source) -> Importer:
    if "manifest.parquet" in source.by_path and "classes.tsv" in source.by_path:
        raise BadInput("is a dataset folder already", where=source.root, fix="Use it as it is")
    every = importers()
    for importer in every:
        if importer.recognises(source):
            return importer
    raise BadInput(
        "has no layout that import knows",
        where=source.root,
        fix="Known are: " + "; ".join(importer.TITLE for importer in every),
    )


def _columns(
    source: Source, images: list[FoundImage], ids: list[str], found: Found, progress: Progress
) -> tuple[dict[str, list[Any]], list[Problem]]:
    index = found.classes.index
    names = ("sha256", "width", "height")
    read: dict[str, list[Any]] = {name: [] for name in names}
    problems = []
    for image_id, image in counted(zip(ids, images, strict=True), "reading", len(images), progress, "images"):
        digest, width, height, reason = _looked_at(source, image)
        for name, value in zip(names, (digest, width, height), strict=True):
            read[name].append(value)
        if reason:
            problems.append(Problem(image_id, reason))
    return {
        "image_id": ids,
        "container": [image.file.container for image in images],
        "offset": [image.file.offset for image in images],
        "size": [image.file.size for image in images],
        "class_index": [UNKNOWN if image.wnid is None else index[image.wnid] for image in images],
        "split": [image.split for image in images],
        "source": [image.file.path for image in images],
        **read,
    }, problems


def _looked_at(source: Source, image: FoundImage) -> tuple[str, int, int, str]:
    """SHA-256, width, height, and what is wrong (empty where nothing is)."""
    if image.file.size > MAX_BYTES:
        return "", 0, 0, f"has {image.file.size} bytes, more than the {MAX_BYTES} allowed"
    data = source.read(image.file)
    digest = hashlib.sha256(data).hexdigest()
    try:
        header = read_header(data)
    except BadImage as error:
        return digest, 0, 0, error.reason
    return digest, header.width, header.height, ""


def _name(source: Source) -> str:
    path = source.root.resolve()
    return path.stem if source.is_archive else path.name


def _pictures(source: Source) -> list[dict[str, Any]]:
    container = source.root.resolve()
    if not source.is_archive:
        return folder(container)
    with container.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return archive(container, container.stat().st_size, digest)


def _remedy(problems: tuple[Problem, ...]) -> str:
    return f"{problems[0].image_id} {problems[0].reason}" if problems else "Name a source with pictures"
