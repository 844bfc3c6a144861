"""Import: recognise a source, index its pictures where they lie, and write a dataset folder about them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from topfive.dataset.ahead import map_ahead
from topfive.dataset.class_names import keyed_by_wnid
from topfive.dataset.croissant import archive, describe, folder
from topfive.dataset.found import Container, Found, Images, stems
from topfive.dataset.importers import Importer, importer, importers
from topfive.dataset.official import PUBLISHED_MD5
from topfive.dataset.options import DEFAULTS, READ_UP_TO, ImportOptions
from topfive.dataset.released import STATED
from topfive.dataset.reports import ImportReport, Problem, n_classes
from topfive.dataset.source import Source, open_source
from topfive.dataset.sums import write_sums
from topfive.loading import MAX_BYTES, BadImage, Containers, is_remote, read_header
from topfive.records import COLUMNS, BadInput, Dataset, Manifest, Progress, counted, new_folder, replacing, silent

_WORKERS = 2
_PACKED = re.compile(r"(?i)\.(?:tgz|tar\.(?:gz|bz2|xz|zst)|zip)$")


def import_source(
    source: str | Path, out: Path, options: ImportOptions = DEFAULTS, *, progress: Progress = silent
) -> ImportReport:
    """Write the dataset folder `out` about the pictures of a source, which are indexed where they lie.

    Where the options say so, or the pictures are few bytes, each is hashed and its size read from its header; else
    `sha256` is empty and `width` and `height` are 0 until `verify` has read them. Decoding is `verify`'s. A picture
    that is none stays in the manifest and is named in the report, as is a file left out.
    Raises BadInput, and writes nothing, for a source that is missing, empty, damaged or of no known layout, for two
    pictures with one id, and for a class of a wnid's shape that WordNet 3.0 does not have.
    """
    options.check()
    out = Path(out)
    with new_folder(out) as new:
        opened = open_source(source, progress)
        layout = _recognised(opened, options)
        found = layout.read(opened, options, new, progress)
        if not len(found.images):
            raise BadInput(f"holds no pictures (taken as {layout.TITLE})", where=source, fix=_remedy(found.problems))
        found = keyed_by_wnid(found, options, new)
        found = replace(found, images=found.images.in_order())
        ids = _ids(found.images, source)
        read = _few_bytes(found.images) if options.read is None else options.read
        looks = list(_looked_at(new, found.images, ids, progress)) if read else []
        wrong = [Problem(ids[row].as_py(), look.reason) for row, look in enumerate(looks) if look.reason]
        wrong += _changed(found.images, ids, looks)
        manifest = _manifest(found, ids, looks)
        pictures = _distribution(opened, found, new, read, progress)
        for name, table in found.beside.items():
            with replacing(new / name) as part:
                pq.write_table(table, part, compression="zstd")
        about = describe(Path(opened.name).stem, f"Imported from {opened.name}: {layout.TITLE}", manifest, pictures)
        Dataset(new, manifest, about).write(new)
        write_sums(new)
    problems = (*found.problems, *wrong)
    return ImportReport(
        out, len(manifest), n_classes(manifest), manifest.splits(), problems, layout=layout.TITLE, read=read
    )


def _ids(images: Images, where: str | Path) -> pa.StringArray:
    """What the source states, else what the paths say."""
    if images.image_id is None:
        return image_ids(images.path, where)
    ids = pc.if_else(pc.equal(images.image_id, ""), stems(images.path), images.image_id)
    _require_unique(ids, images.path, where)
    return ids


def image_ids(paths: pa.StringArray, where: str | Path) -> pa.StringArray:
    """An id for each path: the stem where no other path has it, else the path without suffix.

    Raises BadInput for two paths that differ in their suffix only.
    """
    short = stems(paths)
    code, uses = _codes(short)
    shared = uses[code] > 1
    if not shared.any():
        return short
    folders = pc.replace_substring_regex(paths, pattern=r"[^/]*$", replacement="")
    ids = pc.if_else(pa.array(shared), pc.binary_join_element_wise(folders, short, ""), short)
    _require_unique(ids, paths, where)
    return ids


def _require_unique(ids: pa.StringArray, paths: pa.StringArray, where: str | Path) -> None:
    code, uses = _codes(ids)
    twice = np.flatnonzero(uses > 1)
    if len(twice):
        rows = np.flatnonzero(code == twice[0])
        first, second = sorted(rows.tolist())[:2]
        raise BadInput(
            f"two pictures have the id {ids[first].as_py()!r}: {paths[first].as_py()} and {paths[second].as_py()}",
            where=where,
            fix="Rename one of them, or take it out",
        )


def _codes(values: pa.StringArray) -> tuple[Any, Any]:
    """A number for each value, and how often each number stands."""
    coded = values.dictionary_encode()
    code = coded.indices.to_numpy(zero_copy_only=False)
    return code, np.bincount(code, minlength=len(coded.dictionary))


def _recognised(source: Source, options: ImportOptions) -> Importer:
    if "manifest.parquet" in source.by_path and "classes.tsv" in source.by_path:
        raise BadInput("is a dataset folder already", where=source.root, fix="Use it as it is")
    if options.labels is not None:  # whoever names a file of labels says what the layout is
        return importer("flat_labels")
    every = importers()
    for one in every:
        if one.recognises(source):
            return one
    if len(source.files) == 1 and Path(source.root).is_file() and source.read_start(source.files[0])[:6]:
        raise BadInput(
            "is compressed, and its pictures cannot be read in place",
            where=source.root,
            fix="Unpack it, then import that",
        )
    packed = [file.path for file in source.files if _PACKED.search(file.path)]
    if packed:
        raise BadInput(
            f"holds archives that are compressed ({packed[0]}), and their pictures cannot be read in place",
            where=source.root,
            fix="Unpack them to plain .tar files, then import those",
        )
    raise BadInput(
        "has no layout that import knows",
        where=source.root,
        fix="Known are: " + "; ".join(one.TITLE for one in every),
    )


def _few_bytes(images: Images) -> bool:
    return int(images.size.sum()) <= READ_UP_TO


class _Look(NamedTuple):
    """What a picture's bytes say; `reason` says what is wrong, empty where nothing is."""

    sha256: str
    width: int
    height: int
    reason: str


def _looked_at(new: Path, images: Images, ids: pa.StringArray, progress: Progress) -> Iterator[_Look]:
    store = Containers(new, {})
    container = images.container.indices.to_numpy(zero_copy_only=False).tolist()
    names = images.container.dictionary.to_pylist()
    keep = np.bincount(container, minlength=len(names)) > 1
    offset, size = images.offset.tolist(), images.size.tolist()

    def look(row: int) -> _Look:
        if size[row] > MAX_BYTES:
            return _Look("", 0, 0, f"has {size[row]} bytes, more than the {MAX_BYTES} allowed")
        code = container[row]
        data = store.read(names[code], offset[row], size[row], keep=bool(keep[code]), row=ids[row].as_py())
        digest = hashlib.sha256(data).hexdigest()
        try:
            header = read_header(data)
        except BadImage as error:
            return _Look(digest, 0, 0, error.reason)
        return _Look(digest, header.width, header.height, "")

    return counted(map_ahead(look, range(len(ids)), _WORKERS), "reading", len(ids), progress, "images")


def _changed(images: Images, ids: pa.StringArray, looks: list[_Look]) -> list[Problem]:
    """Pictures whose bytes are not those that a release states."""
    if images.facts is None or not looks:
        return []
    then = images.facts.column("sha256").to_pylist()
    return [
        Problem(ids[row].as_py(), f"its bytes have changed (SHA-256 {look.sha256[:12]}, released as {then[row][:12]})")
        for row, look in enumerate(looks)
        if then[row] and look.sha256 and look.sha256 != then[row]
    ]


def _manifest(found: Found, ids: pa.StringArray, looks: list[_Look]) -> Manifest:
    images = found.images
    columns = {
        "image_id": ids,
        "container": images.container.cast(pa.string()),
        "offset": images.offset,
        "size": images.size,
        "class_index": images.class_index,
        "split": images.split.cast(pa.string()),
        "source": images.path,
    }
    if images.facts is not None:
        columns |= _stated(images.facts, {"group": ids, "source": images.path})
    if looks:
        for name in ("sha256", "width", "height"):
            columns[name] = [getattr(look, name) for look in looks]
    return Manifest.from_columns(columns, found.classes)


def _stated(facts: pa.Table, otherwise: dict[str, pa.StringArray]) -> dict[str, Any]:
    """The columns of a release; fixed ones that it leaves empty are as they are in any other set."""
    columns = {name: facts.column(name) for name in facts.column_names}
    for name in STATED:
        kind = COLUMNS[name]
        usual = otherwise.get(name, pa.scalar("" if kind == pa.string() else 0, kind))
        columns[name] = pc.coalesce(columns[name], usual)
    return columns


def _distribution(source: Source, found: Found, new: Path, read: bool, progress: Progress) -> list[dict[str, Any]]:
    """What the set is about, as `dataset.json` has it: archives with their sizes, and a digest where one is known."""
    containers = found.containers
    if not containers:
        path = source.container
        containers = (
            Container(path, "archive", Path(path).stat().st_size) if source.is_archive else Container(path, "folder"),
        )
    entries = []
    for one in containers:
        if one.kind == "folder":
            entries += folder(Path(one.path))
            continue
        digests = {"md5": one.md5 or PUBLISHED_MD5.get(Path(one.path).name, ""), "sha256": one.sha256}
        if not one.sha256 and (read or one.kind == "facts") and not is_remote(one.path):
            digests = {"sha256": file_digest(new / one.path, progress)}
        entries += _described(one, digests)
    return entries


def _described(one: Container, digests: dict[str, str]) -> list[dict[str, Any]]:
    entries = archive(Path(one.path), one.size or 0, "")
    del entries[0]["sha256"]
    entries[0]["contentUrl"] = one.path
    entries[0] |= {name: digest for name, digest in digests.items() if digest}
    if one.kind == "facts":
        entries = entries[:1]
    if not one.path.endswith(".tar"):
        entries[0]["encodingFormat"] = "application/gzip"
    return entries


def file_digest(path: Path, progress: Progress = silent, kind: str = "sha256") -> str:
    """The digest of a whole file."""
    total, done = path.stat().st_size, 0
    state = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            state.update(chunk)
            done += len(chunk)
            progress("hashing", done, total, "bytes")
    return state.hexdigest()


def _remedy(problems: tuple[Problem, ...]) -> str:
    return f"{problems[0].image_id} {problems[0].reason}" if problems else "Name a source with pictures"
