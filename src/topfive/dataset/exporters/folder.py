"""A folder by split and class: `split/wnid/image_id.jpg`, as torchvision and the Hub's imagefolder read it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.dataset.contents import Contents, file_name
from topfive.dataset.staging import Staging
from topfive.records import BadInput

TITLE = "pictures in split/class folders"
NEEDS_LABELS = True
_AT_ONCE = 1000


def write(contents: Contents, stage: Staging) -> None:
    """Write each picture as a file, and `images.parquet` with the file of each image and all that is known of it."""
    files: list[str] = [""] * len(contents.manifest)
    digests: list[str] = [""] * len(contents.manifest)
    first: dict[str, str] = {}
    for split in contents.splits:
        rows = contents.rows(split)
        for start in range(0, len(rows), _AT_ONCE):
            for item in contents.items(rows[start : start + _AT_ONCE]):
                folder = f"{file_name(split)}/{file_name(contents.wnid(item.class_index))}"
                name = f"{folder}/{item.key}{item.suffix}"
                if first.setdefault(name.casefold(), item.image_id) != item.image_id:
                    raise BadInput(
                        f"{first[name.casefold()]!r} and {item.image_id!r} would be one file where case makes no "
                        "difference",
                        where=contents.dataset.root,
                        fix="Export as webdataset or parquet",
                    )
                stage.blob(name, item.data)
                files[item.row], digests[item.row] = name, item.sha256
                contents.counted(1)
    facts = contents.facts
    at = facts.schema.get_field_index("sha256")
    table = facts.set_column(at, "sha256", pa.array(digests, type=pa.string()))
    table = table.add_column(0, "file", pa.array(files, type=pa.string())).sort_by("image_id")
    with stage.file("images.parquet") as part:
        pq.write_table(table.combine_chunks(), part, compression="zstd", write_page_checksum=True)
