"""Pictures that cannot be read where they lie (raw pixels, rows of a table), written out once into tars of the set."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from topfive.dataset.found import Container, FoundImage
from topfive.dataset.source import SourceFile

_EACH = 10_000
"""Pictures a tar."""


class Unpacked(NamedTuple):
    """A picture to write out: the name it gets, its bytes, its class (None where there is none) and its id where the
    source states one."""

    name: str
    data: bytes
    wnid: str | None
    image_id: str = ""


def write_out(into: Path, split: str, pictures: Iterable[Unpacked]) -> list[FoundImage]:
    """Write the pictures of one split to `into / "shards"`, a tar for every 10,000, and say where each lies.

    Once a split. The same pictures make the same bytes: time, owner and mode are constants. What comes back is a record
    a picture: for sources of at most some million.
    """
    (into / "shards").mkdir(exist_ok=True)
    found: list[FoundImage] = []
    tar: tarfile.TarFile | None = None
    try:
        for name, data, key, image_id in pictures:
            if tar is None or len(found) % _EACH == 0:
                if tar is not None:
                    tar.close()
                container = f"shards/{split}-{len(found) // _EACH:05d}.tar"
                tar = tarfile.open(into / container, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
            offset = tar.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            found.append(FoundImage(SourceFile(name, container, offset, len(data)), key, split, image_id))
    finally:
        if tar is not None:
            tar.close()
    return found


def written(into: Path) -> tuple[Container, ...]:
    """The tars that `write_out` made in the set."""
    tars = sorted((into / "shards").glob("*.tar"))
    return tuple(Container(f"shards/{path.name}", "archive", path.stat().st_size) for path in tars)
