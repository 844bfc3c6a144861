"""Verify: read every byte of a set, decode every picture, and name whatever is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from topfive.dataset.looking import look
from topfive.dataset.official import DEVKIT, PUBLISHED_MD5, count_problems
from topfive.dataset.parts import parts_of
from topfive.dataset.partway import partway
from topfive.dataset.reports import Problem, VerifyReport, n_classes
from topfive.dataset.seen import Seen
from topfive.dataset.sums import check_sums, write_sums
from topfive.records import SPLITS, BadInput, Dataset, Progress, silent
from topfive.taxonomy import read_devkit

CORES = max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2)
"""Processes that decode: one a usable core."""


def verify(
    dataset: Dataset,
    progress: Progress = silent,
    *,
    workers: int = CORES,
    fill: bool = False,
    published: Mapping[str, str] = PUBLISHED_MD5,
    cluster: str = "",
) -> VerifyReport:
    """Check every file and picture of a set; what is wrong with one is a problem of the report, never an exception.

    Named are: an archive whose MD5 is not the published one, or that is missing, cut short or changed; a file of the
    dataset folder that is not as SHA256SUMS says; bytes whose SHA-256 is not the manifest's; a picture that does not
    decode, or is of another size; one whose bytes stand in another split too (the later of train, val, test is
    named); counts and labels that are not those of the development kit that the set was imported with.
    `fill` writes what the manifest does not hold yet (digests and sizes) into it, of files that are as they should be.
    `workers` processes read and decode, or threads where it is little, or the cores of the `cluster` (an address as
    `run_parts` takes it), whose machines must have the set under the same path. What a stopped verify has read is kept
    in the folder, and not read again.
    """
    if workers < 1:
        raise BadInput(f"{workers} processes cannot verify", where="workers", fix="Use 1 or more")
    own = check_sums(dataset.root)
    plan = parts_of(dataset)
    with partway(dataset.root, len(plan)) as kept:
        seen = look(dataset, plan, kept, published, workers=workers, cluster=cluster, progress=progress)
        again = _across_splits(dataset, seen.digest)
        reasons = seen.reasons | {
            row: "; ".join(filter(None, (seen.reasons.get(row, ""), reason))) for row, reason in again.items()
        }
        ids = dataset.manifest.ids
        problems = [*own, *seen.problems, *(Problem(ids[row], reasons[row]) for row in sorted(reasons))]
        problems += _kit_problems(dataset)
        n_filled = _fill(dataset, seen, bool(own)) if fill else 0
    manifest = dataset.manifest
    return VerifyReport(dataset.root, len(manifest), n_classes(manifest), manifest.splits(), tuple(problems), n_filled)


def read_to_verify(folder: Path) -> Dataset:
    """The dataset of a folder; raises BadInput where its own files are too damaged to be read, naming the one."""
    try:
        return Dataset.read(folder)
    except BadInput:
        raise
    except Exception as error:  # a reader may raise anything on a flipped bit; SHA256SUMS says where the bit is
        changed = check_sums(folder)
        if not changed:
            raise
        name, reason = changed[0]
        raise BadInput(reason, where=folder / name, fix="Import the source again") from error


def _across_splits(dataset: Dataset, digest: NDArray[np.bytes_]) -> dict[int, str]:
    """Row to reason for each picture whose bytes an earlier split has too."""
    split = dataset.manifest.source.column("split").combine_chunks().dictionary_encode()
    names = split.dictionary.to_pylist()
    rank_of = {name: place for place, name in enumerate(dict.fromkeys((*SPLITS, *sorted(names))))}
    rank = np.array([rank_of[name] for name in names], np.int64)[split.indices.to_numpy(zero_copy_only=False)]
    order = np.lexsort((np.arange(len(rank)), rank))
    order = order[digest[order] != b""]
    _, first, same = np.unique(digest[order], return_index=True, return_inverse=True)
    other = order[first[same]]
    again = np.flatnonzero(rank[order] != rank[other])
    ids, split_of = dataset.manifest.ids, {place: name for name, place in rank_of.items()}
    return {
        int(order[i]): f"has the same bytes as {ids[other[i]]} of {split_of[int(rank[other[i]])]}"
        for i in again.tolist()
    }


def _kit_problems(dataset: Dataset) -> list[Problem]:
    """Counts and labels beside those of the development kit that `dataset.json` names."""
    for entry in dataset.about.get("distribution", []):
        if entry.get("name") == DEVKIT:
            try:
                return count_problems(dataset.manifest, read_devkit(Path(str(entry.get("contentUrl")))))
            except BadInput as error:
                return [Problem(DEVKIT, error.reason)]
    return []


def _fill(dataset: Dataset, seen: Seen, changed: bool) -> int:
    """Write digests and sizes that the manifest lacks; returns of how many pictures."""
    manifest = dataset.manifest
    bad = {problem.image_id for problem in seen.problems}
    container = manifest.column("container")
    trusted = np.array([Path(name).name not in bad for name in container.tolist()], bool)
    lacking = (manifest.column("sha256") == "") & (seen.digest != b"") & trusted
    if changed or not lacking.any():
        return 0
    sha256 = manifest.column("sha256")
    rows = np.flatnonzero(lacking)
    sha256[rows] = [bytes(digest).ljust(32, b"\0").hex() for digest in seen.digest[rows].tolist()]
    filled = manifest.with_column("sha256", pa.array(sha256, pa.string()))
    for name, values in (("width", seen.width), ("height", seen.height)):
        filled = filled.with_column(name, np.where(lacking, values, manifest.column(name)).astype(np.int32))
    about = {**dataset.about, "distribution": [_with_digest(entry, seen) for entry in _distribution(dataset)]}
    Dataset(dataset.root, filled, about).write(dataset.root)
    write_sums(dataset.root)
    return len(rows)


def _distribution(dataset: Dataset) -> list[dict[str, Any]]:
    return list(dataset.about.get("distribution", []))


def _with_digest(entry: dict[str, Any], seen: Seen) -> dict[str, Any]:
    digest = seen.digests.get(str(entry.get("contentUrl")))
    return (
        entry if digest is None or entry["name"] in {p.image_id for p in seen.problems} else {**entry, "sha256": digest}
    )
