"""Croissant 1.0: the Parquet files, and a `dataset.json` by which `mlcroissant` loads pictures and labels from them."""

from __future__ import annotations

import json

from topfive.dataset.contents import Contents
from topfive.dataset.croissant import describe_parquet
from topfive.dataset.exporters import parquet
from topfive.dataset.staging import Staging

TITLE = "Parquet files with a Croissant 1.0 description"
NEEDS_LABELS = False


def write(contents: Contents, stage: Staging) -> None:
    """Write the files of `parquet`, then the description, which names each with its size and SHA-256."""
    parquet.write(contents, stage)
    files = [
        (name, (stage.folder / name).stat().st_size, stage.digest(name))
        for name in stage.names
        if name.endswith(".parquet")
    ]
    schema = parquet.table_schema(contents)
    about = describe_parquet(contents.name, contents.dataset.about, contents.manifest, schema, files)
    stage.blob("dataset.json", (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
