"""WebDataset: tar shards of samples `key.jpg`, `key.cls`, `key.json`, with an index of the shards and of the images."""

from __future__ import annotations

import base64
import io
import json
import math
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from topfive.dataset.contents import Contents, Item, file_name, shortened
from topfive.dataset.released import IMAGES, write_images
from topfive.dataset.staging import Staging
from topfive.records import UNKNOWN

TITLE = "WebDataset shards"
NEEDS_LABELS = False
_LONGEST = 200
"""Bytes of a key at most: with its suffix it must be a file name."""


def write(contents: Contents, stage: Staging) -> None:
    """Write `NAME-SPLIT-000000.tar` and so on, `index.json`, and `_info.json` in the form that timm reads.

    JSON knows fewer types than a manifest, so `images.parquet` holds what is known of each image as well.
    """
    shards: list[dict[str, Any]] = []
    for split in contents.splits:
        for number, rows in enumerate(contents.shards(split)):
            name = f"{file_name(contents.name)}-{file_name(split)}-{number:06d}.tar"
            if not stage.has(name):
                with stage.file(name) as part:
                    _write_shard(contents, rows, part)
            size = (stage.folder / name).stat().st_size
            shards.append(
                {"shard": name, "split": split, "count": len(rows), "bytes": size, "sha256": stage.digest(name)}
            )
            contents.counted(len(rows))
    with stage.file(IMAGES) as part:
        write_images(contents.facts, part)
    index = {"format": "webdataset", "classes": contents.classes.digest, "shards": shards}
    stage.blob("index.json", (json.dumps(index, indent=1) + "\n").encode())
    stage.blob("_info.json", (json.dumps({"splits": _by_split(shards)}, indent=1) + "\n").encode())


def _write_shard(contents: Contents, rows: NDArray[np.int64], path: Path) -> None:
    facts = _for_json(contents.facts.take(rows)).to_pylist()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for item, known in zip(contents.items(rows), facts, strict=True):
            key = _key(item)
            for suffix, data in _members(contents, item, known):
                # Time, owner and mode are TarInfo's constants: the same pictures make the same archive.
                member = tarfile.TarInfo(key + suffix)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def _members(contents: Contents, item: Item, known: dict[str, Any]) -> list[tuple[str, bytes]]:
    said = known | {"sha256": item.sha256, "wnid": contents.wnid(item.class_index) or None}
    text = json.dumps(_finite(said), ensure_ascii=False, sort_keys=True, default=str)
    label = [] if item.class_index == UNKNOWN else [(".cls", str(item.class_index).encode())]
    return [(item.suffix, item.data), *label, (".json", text.encode())]


def _key(item: Item) -> str:
    """A reader takes all after the first dot for the suffix, so a key has none."""
    key = item.key.replace(".", "%2E")
    return key if len(key.encode()) <= _LONGEST else shortened(key, item.image_id)


def _for_json(facts: pa.Table) -> pa.Table:
    """Times as text: Python knows them by the microsecond only."""
    for at, entry in enumerate(facts.schema):
        if pa.types.is_temporal(entry.type):
            plain = pa.int64() if pa.types.is_duration(entry.type) else pa.string()
            facts = facts.set_column(at, entry.name, facts.column(at).cast(plain))
    return facts


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON has not, and text for bytes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list) else value


def _by_split(shards: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for shard in shards:
        one = found.setdefault(
            shard["split"], {"name": shard["split"], "num_samples": 0, "filenames": [], "shard_lengths": []}
        )
        one["num_samples"] += shard["count"]
        one["filenames"].append(shard["shard"])
        one["shard_lengths"].append(shard["count"])
    return found
