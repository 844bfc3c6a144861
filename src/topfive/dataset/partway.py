"""What a verify that was stopped had read: kept beside the set while it lasts, and gone when it has ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from topfive.dataset.passes import state_of
from topfive.dataset.pieces import Part
from topfive.dataset.seen import Seen
from topfive.loading import is_remote
from topfive.records import BadInput, WorkFailed, digest_json, digest_parts, held_folder

FOLDER = "verify"
_LOOKS = 1
"""Counts the definitions of what a verify sees; what was kept under another one is not read."""


class Partway:
    """Parts by what they are of; without a folder nothing is kept.

    A part's name is the digest of its rows, of what `dataset.json` and `published` say of its files and of how it was
    read, and it is used again only while those files have the size and the time of change that they had. Parts with
    remote files, which have no such time, and parts where a disk failed are read again.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._there = set() if folder is None else {path.name for path in folder.glob("*.parquet")}

    @property
    def some(self) -> bool:
        """Whether anything was kept."""
        return bool(self._there)

    def read(self, part: Part, published: Mapping[str, str]) -> Seen | None:
        """What was seen of this part; None where it is to be read."""
        if self._folder is None or (name := _name(part, published)) not in self._there:
            return None
        seen = Seen.read(self._folder / name)
        if seen is None or len(seen.digest) != len(part.piece.manifest):
            return None
        now = {file: state_of(part.piece.container_path(file)) for file in seen.states}
        return seen if now == seen.states else None

    def keep(self, part: Part, published: Mapping[str, str], seen: Seen) -> None:
        """Keep a part; on a disk that takes no more nothing is kept from then on."""
        if self._folder is None or not seen.readable or any(map(is_remote, seen.states)):
            return
        try:
            seen.write(self._folder / _name(part, published))
        except (BadInput, WorkFailed):
            self._folder = None


@contextmanager
def partway(root: Path, n_parts: int) -> Iterator[Partway]:
    """What is kept of a set's verify, held against other processes: removed at the end, left by an exception or a kill.

    Nothing is kept of a set of one part, in a folder that cannot be written, and while another verify keeps its own.
    """
    folder = root / FOLDER
    with ExitStack() as held:
        kept: Path | None = None
        if n_parts > 1 or folder.exists():
            with suppress(BadInput, WorkFailed):
                held.enter_context(held_folder(folder))
                kept = folder
        try:
            yield Partway(kept)
        except BaseException:
            if kept is not None:
                with suppress(OSError):  # it stays where parts lie in it
                    kept.rmdir()
            raise
        if kept is not None:
            shutil.rmtree(kept, ignore_errors=True)


def _name(part: Part, published: Mapping[str, str]) -> str:
    piece, whole = part
    rows = piece.manifest.source
    texts = [word for name in ("container", "sha256") for word in rows.column(name).to_pylist()]
    numbers = [piece.manifest.column(name) for name in ("offset", "size", "width", "height")]
    told = digest_json([piece.about, dict(published), whole])
    return digest_parts(f"topfive verify {_LOOKS}", told, texts, *numbers) + ".parquet"
