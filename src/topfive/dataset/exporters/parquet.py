"""Parquet as the Hub has it: `image` {bytes, path}, `label` with the class keys as names, and every other column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.dataset.contents import Contents, file_name
from topfive.dataset.staging import Staging

TITLE = "Parquet files with the pictures in them"
NEEDS_LABELS = False
_ROW_GROUP = 100
"""Pictures a row group, as the Hub writes them: about 10 MB of ImageNet, so that a reader may take a few."""
_HUB_NAMES = {
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
    "date32[day]": "date32",
    "date64[ms]": "date64",
}
"""What the Hub calls types that Arrow writes otherwise."""
_IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def write(contents: Contents, stage: Staging) -> None:
    """Write `data/SPLIT-00000-of-00001.parquet` and so on; an image without a label has the label -1."""
    schema = table_schema(contents)
    for split in contents.splits:
        shards = contents.shards(split)
        for number, rows in enumerate(shards):
            name = f"data/{file_name(split)}-{number:05d}-of-{len(shards):05d}.parquet"
            if not stage.has(name):
                with stage.file(name) as part:
                    _write_shard(contents, rows, schema, part)
            contents.counted(len(rows))


def table_schema(contents: Contents) -> pa.Schema:
    """The columns in their own types, with the Hub's description of them as metadata. A user column that the Hub cannot
    describe (a map, a union) becomes text."""
    fields = {"image": _IMAGE, "label": pa.int64()}
    for entry in contents.facts.schema:
        if entry.name != "class_index":
            fields[entry.name] = pa.string() if _feature(entry.type) is None else entry.type
    features: dict[str, Any] = {name: _feature(kind) for name, kind in fields.items()}
    features["image"] = {"_type": "Image"}
    features["label"] = {"names": list(contents.classes.wnids), "_type": "ClassLabel"}
    told = {
        "huggingface": json.dumps({"info": {"features": features}}),
        "topfive.class_list": contents.classes.to_json(),
        **(contents.facts.schema.metadata or {}),
    }
    return pa.schema(list(fields.items()), metadata=told)


def _feature(kind: pa.DataType) -> Any:
    """The Hub's description of a type, None where it has none."""
    if pa.types.is_struct(kind):
        inner = {entry.name: _feature(entry.type) for entry in kind}
        return inner if inner and None not in inner.values() else None
    if pa.types.is_list(kind):
        inner = _feature(kind.value_type)
        return inner and {"feature": inner, "_type": "Sequence"}
    if pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
        return None
    return {"dtype": _HUB_NAMES.get(str(kind), str(kind)), "_type": "Value"}


def _write_shard(contents: Contents, rows: NDArray[np.int64], schema: pa.Schema, path: Path) -> None:
    # Pages of pictures gain nothing from compression or a dictionary.
    plain = {"compression": {"image.bytes": "none"}, "use_dictionary": ["split", "licence", "wnid"]}
    with pq.ParquetWriter(path, schema, write_page_checksum=True, **plain) as writer:
        for start in range(0, len(rows), _ROW_GROUP):
            part = rows[start : start + _ROW_GROUP]
            items = list(contents.items(part))
            known = contents.facts.take(part)
            columns: dict[str, Any] = {
                "image": [{"bytes": item.data, "path": item.key + item.suffix} for item in items],
                "label": [item.class_index for item in items],
                "sha256": [item.sha256 for item in items],
            }
            for name in schema.names:
                if name not in columns:
                    kept = known.schema.field(name).type == schema.field(name).type
                    columns[name] = known[name] if kept else [_text(value) for value in known[name].to_pylist()]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=_ROW_GROUP)


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, default=str, sort_keys=True)
