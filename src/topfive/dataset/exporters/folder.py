"""A folder by split and class: `split/wnid/image_id.jpg`, as torchvision and the Hub's imagefolder read it."""

from __future__ import annotations

import pyarrow as pa

from topfive.dataset.contents import Contents, file_name
from topfive.dataset.released import IMAGES, write_images
from topfive.dataset.staging import Staging

TITLE = "pictures in split/class folders"
NEEDS_LABELS = True
_AT_ONCE = 1000


def write(contents: Contents, stage: Staging) -> None:
    """Write each picture as a file, and `images.parquet` with the file of each image and all that is known of it."""
    files: list[str] = [""] * len(contents.manifest)
    digests: list[str] = [""] * len(contents.manifest)
    for split in contents.splits:
        rows = contents.rows(split)
        for start in range(0, len(rows), _AT_ONCE):
            for item in contents.items(rows[start : start + _AT_ONCE]):
                folder = f"{file_name(split)}/{file_name(contents.wnid(item.class_index))}"
                name = f"{folder}/{item.key}{item.suffix}"
                stage.blob(name, item.data)
                files[item.row], digests[item.row] = name, item.sha256
                contents.counted(1)
    facts = contents.facts
    at = facts.schema.get_field_index("sha256")
    table = facts.set_column(at, "sha256", pa.array(digests, type=pa.string()))
    with stage.file(IMAGES) as part:
        write_images(table.add_column(0, "file", pa.array(files, type=pa.string())), part)
