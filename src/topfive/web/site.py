"""One served workspace: flows by name, and every id looked up among those there are before it is used."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from topfive import flows
from topfive.flows import look
from topfive.records import BadInput
from topfive.web.refusals import Missing
from topfive.web.shelf import Shelf

THUMBNAIL_PX = 192
_KEPT_THUMBNAILS = 4096
_MAKE_ONE = "Make a workspace with `topfive run --out DIR` and serve that folder."


class Site:
    """The folder that `topfive run --out` wrote. Nothing here opens its vault."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._shelf: Shelf | None = None
        self._thumbnails: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def board(self) -> dict[str, Any]:
        """The board; 404 where the workspace has none yet."""
        if not (self.root / "board.json").is_file():
            raise Missing("This workspace has no board yet.", _MAKE_ONE)
        return flows.show_board(self.root)

    def run(self, run_id: str) -> dict[str, Any]:
        """One run; 404 for an id that no run folder bears."""
        folder = self.root / "runs"
        if not folder.is_dir() or run_id not in {entry.name for entry in folder.iterdir()}:
            raise Missing("This workspace has no run of that name.", "The board lists the runs there are.")
        return flows.show_run(self.root, run_id)

    def shelf(self) -> Shelf:
        """The classes, counted anew when the manifest has changed; 404 where there is no image set."""
        if not (self.root / "public" / "manifest.parquet").is_file():
            raise Missing("This workspace has no image set yet.", _MAKE_ONE)
        dataset = look.public_dataset(self.root)
        with self._lock:
            if self._shelf is None or self._shelf.dataset is not dataset:
                self._shelf = Shelf.of(dataset)
                self._thumbnails.clear()
            return self._shelf

    def card(self, wnid: str) -> dict[str, Any] | None:
        """The synset's card, or None for a key that WordNet 3.0 does not know."""
        try:
            return flows.show_class(wnid)
        except BadInput:
            return None

    def thumbnail(self, image_id: str) -> bytes:
        """A small JPEG of an image whose label is public; 404 for every other id."""
        if not self.shelf().has_image(image_id):
            raise Missing("There is no such picture.", "The class pages show the pictures there are.")
        with self._lock:
            if image_id in self._thumbnails:
                self._thumbnails.move_to_end(image_id)
                return self._thumbnails[image_id]
        data = flows.thumbnail(self.root, image_id, THUMBNAIL_PX)
        with self._lock:
            self._thumbnails[image_id] = data
            if len(self._thumbnails) > _KEPT_THUMBNAILS:
                self._thumbnails.popitem(last=False)
        return data
