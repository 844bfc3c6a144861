"""A dataset folder about pictures that lie in another one: references that are right from anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from topfive.dataset.croissant import with_manifest
from topfive.dataset.official import DEVKIT
from topfive.dataset.sums import write_sums
from topfive.loading import is_remote
from topfive.records import Dataset, Manifest, new_folder


def write_elsewhere(dataset: Dataset, manifest: Manifest, out: Path, told: dict[str, Any]) -> Dataset:
    """Write `manifest`, whose pictures lie under `dataset`, as the new folder `out`; `told` joins `dataset.json`.

    The development kit is left out of it: its counts are those of the whole set in its own splits, which this is not.
    Raises BadInput where `out` is there already; nothing is left behind by a failure.
    """
    out = Path(out)
    manifest = manifest.with_column("container", _anywhere(dataset.root, manifest))
    about = with_manifest(_urls_anywhere(dataset), manifest) | told
    with new_folder(out) as new:
        replace(dataset, root=new, manifest=manifest, about=about).write(new)
        write_sums(new)
    return Dataset.read(out)


def _anywhere(root: Path, manifest: Manifest) -> pa.ChunkedArray:
    """The containers as absolute paths, dictionary-encoded: few files hold many pictures."""
    chunks = []
    for rows in manifest.batches(["container"]):
        coded = rows.column("container").combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        names = [name if is_remote(name) else str(root / name) for name in coded.dictionary.to_pylist()]
        chunks.append(pa.DictionaryArray.from_arrays(coded.indices, pa.array(names, type=pa.string())))
    return pa.chunked_array(chunks, type=pa.dictionary(pa.int32(), pa.string()))


def _urls_anywhere(dataset: Dataset) -> dict[str, Any]:
    entries = [
        entry | {"contentUrl": str(dataset.root / entry["contentUrl"])}
        if "contentUrl" in entry and "://" not in str(entry["contentUrl"])
        else entry
        for entry in dataset.about.get("distribution", [])
        if entry.get("name") != DEVKIT
    ]
    return dataset.about | ({"distribution": entries} if entries else {})
