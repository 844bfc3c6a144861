"""Pictures: the images of one split, decoded on demand by threads, in the manifest's order, in flat memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.augment import RandomCrop
from topfive.loading.containers import Containers
from topfive.loading.decode import decode_image
from topfive.loading.headers import MAX_BYTES, BadImage, read_header
from topfive.loading.order import order
from topfive.loading.views import apply_view, cut_file
from topfive.records import UNKNOWN, BadInput, Batch, ClassList, Dataset, Manifest, Progress, View, silent

_CORES = max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2)
"""Threads that decode: one a usable core."""
_AHEAD = 2
"""Batches in work while the caller holds one: enough to keep the threads busy, and memory stays flat."""
_RUN = 16
"""Pictures a thread takes at a time: handing over one picture costs about as much as decoding a 64 px one."""

OnBad = Callable[[str, str], None]
"""Called with the image_id and the reason of each picture that is left out."""
_Show = Callable[[NDArray[np.uint8], NDArray[np.int64]], list[BadImage | None]]
"""Fills uint8 [m, crop, crop, 3] with the pictures at m places; says of each what is wrong with it."""
_Served = tuple[NDArray[np.int64], NDArray[np.uint8], list[BadImage | None]]
"""Places, pixels, and what is wrong with each."""


class Pictures:
    """The images of `manifest`, whose containers lie under `dataset`; `labels=False` hides every label from a system.

    `ids`, `class_index` (int32 [n], None if hidden) and `classes` are the manifest's. `workers` threads decode.
    """

    ids: tuple[str, ...]
    class_index: NDArray[np.int32] | None
    classes: ClassList
    manifest: Manifest
    dataset: Dataset

    def __init__(self, dataset: Dataset, manifest: Manifest, *, labels: bool = True, workers: int = _CORES) -> None:
        if workers < 1:
            raise BadInput(f"{workers} threads cannot decode", where="workers", fix="Use 1 or more")
        if not labels:
            hidden = np.full(len(manifest), UNKNOWN, dtype=np.int32)
            manifest = manifest.with_column("class_index", hidden)
            dataset = replace(dataset, manifest=manifest)
        self._fill(dataset, manifest, labels, workers, Containers(dataset.root, _sizes(dataset)))

    def _fill(self, dataset: Dataset, manifest: Manifest, labels: bool, workers: int, store: Containers) -> None:
        self.dataset = dataset
        self.manifest = manifest
        self.classes = manifest.classes
        self.ids = manifest.ids
        self.class_index = manifest.class_index if labels else None
        self.workers = workers
        self._store = store
        self._container, self._names, self._keep = _coded(manifest)
        self._offset = manifest.column("offset")
        self._size = manifest.column("size")

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, i: int) -> bytes:
        """The file of image i as it lies in its container; raises BadInput naming container and image."""
        code = self._container[i]
        if self._size[i] > MAX_BYTES:
            raise BadImage(
                f"has {self._size[i]} bytes, more than the {MAX_BYTES} allowed",
                where=self.dataset.container_path(self._names[code]),
                row=f"image {self.ids[i]}",
            )
        return self._store.read(
            self._names[code],
            int(self._offset[i]),
            int(self._size[i]),
            keep=bool(self._keep[code]),
            row=f"image {self.ids[i]}",
        )

    def seen(self, i: int, view: View) -> NDArray[np.uint8]:
        """Image i through the view, uint8 [crop, crop, 3]; raises BadImage naming container and image."""
        data = self.read(i)
        try:
            return apply_view(data, view)
        except BadImage as error:
            raise self._named(error, i) from error

    def _named(self, error: BadImage, i: int) -> BadImage:
        return BadImage(
            error.reason,
            where=self.dataset.container_path(self._names[self._container[i]]),
            row=f"image {self.ids[i]}",
            fix="`topfive dataset verify` lists every picture that does not decode",
        )

    def decoded(self, i: int, view: View) -> Image.Image:
        """Image i in its own size, decoded by the view's rule; raises BadImage naming container and image."""
        data = self.read(i)
        try:
            return decode_image(data, view.decoder)
        except BadImage as error:
            raise self._named(error, i) from error

    def take(self, positions: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Pictures:
        """The images at these positions, or where this mask is true; containers stay open between the two."""
        taken = object.__new__(Pictures)
        manifest = self.manifest.take(positions)
        taken._fill(self.dataset, manifest, self.class_index is not None, self.workers, self._store)
        return taken

    def batches(
        self, view: View, batch_size: int = 64, progress: Progress = silent, *, on_bad: OnBad | None = None
    ) -> Iterator[Batch]:
        """Every image once, in manifest order; the last batch is short, never padded.

        The first picture (in order) that cannot be used raises BadImage; nothing of its batch is yielded. With `on_bad`
        it is left out instead, and told to `on_bad` before its batch is yielded: `ids` say which are in it. A batch
        without a good picture is not yielded. A container that is missing or has changed always raises BadInput.
        """

        def show(out: NDArray[np.uint8], places: NDArray[np.int64]) -> list[BadImage | None]:
            def one(at: int) -> None:
                out[at] = self.seen(int(places[at]), view)

            return [_tried(one, at) for at in range(len(out))]

        yield from self._served(show, np.arange(len(self)), view, batch_size, progress, on_bad)

    def cropped(
        self,
        view: View,
        crop: RandomCrop,
        batch_size: int = 64,
        positions: NDArray[np.integer[Any]] | None = None,
        progress: Progress = silent,
        *,
        on_bad: OnBad | None = None,
    ) -> Iterator[Batch]:
        """The images as an epoch of training sees them: shuffled, a random box of each as large as the view's crop.

        What a picture looks like depends on the crop's seed and epoch and its place here alone, on any number of
        threads. `positions` are the places to serve (by default all, in the epoch's order). Bad pictures as `batches`.
        """

        def show(out: NDArray[np.uint8], places: NDArray[np.int64]) -> list[BadImage | None]:
            files = [self.read(i) for i in places.tolist()]
            boxes, mirrored = crop.boxes(np.array([_sides(data) for data in files]), places)

            def one(at: int) -> None:
                try:
                    cut_file(files[at], view, boxes[at], bool(mirrored[at]), out[at])
                except BadImage as error:
                    raise self._named(error, int(places[at])) from error

            return [_tried(one, at) for at in range(len(out))]

        places = order(len(self), crop.seed, crop.epoch) if positions is None else np.asarray(positions, np.int64)
        yield from self._served(show, places, view, batch_size, progress, on_bad)

    def arrays(self, view: View, progress: Progress = silent) -> NDArray[np.uint8]:
        """All images at once, uint8 [n, crop, crop, 3]."""
        images = np.empty((len(self), view.crop_px, view.crop_px, 3), dtype=np.uint8)
        start = 0
        for batch in self.batches(view, 256, progress):
            images[start : start + len(batch)] = batch.images
            start += len(batch)
        return images

    def _served(
        self,
        show: _Show,
        places: NDArray[np.int64],
        view: View,
        batch_size: int,
        progress: Progress,
        on_bad: OnBad | None,
    ) -> Iterator[Batch]:
        view.check()
        if batch_size < 1:
            raise BadInput(f"a batch of {batch_size} images is none", where="batch_size", fix="Use 1 or more")
        total, done = len(places), 0
        progress("decoding", 0, total, "images")
        for served, images, bad in self._decoded(show, places, view.crop_px, batch_size):
            done += len(served)
            if any(bad):
                served, images = self._good(served, images, bad, on_bad)
            if len(served):
                labels = None if self.class_index is None else self.class_index[served]
                yield Batch(tuple(self.ids[place] for place in served.tolist()), images, labels)
            progress("decoding", done, total, "images")

    def _good(
        self, places: NDArray[np.int64], images: NDArray[np.uint8], bad: list[BadImage | None], on_bad: OnBad | None
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        for place, error in zip(places.tolist(), bad, strict=True):
            if error is None:
                continue
            if on_bad is None:
                raise error
            on_bad(self.ids[place], error.reason)
        good = np.array([error is None for error in bad])
        return places[good], images[good]

    def _decoded(self, show: _Show, places: NDArray[np.int64], crop_px: int, batch_size: int) -> Iterator[_Served]:
        run = max(1, min(_RUN, batch_size // self.workers))
        waiting: deque[tuple[NDArray[np.int64], NDArray[np.uint8], list[Future[list[BadImage | None]]]]] = deque()

        def finished() -> _Served:
            served, images, jobs = waiting.popleft()
            return served, images, [error for job in jobs for error in job.result()]

        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="decode")
        try:
            for start in range(0, len(places), batch_size):
                part = places[start : start + batch_size]
                images = np.empty((len(part), crop_px, crop_px, 3), dtype=np.uint8)
                starts = range(0, len(part), run)
                jobs = [pool.submit(show, images[at : at + run], part[at : at + run]) for at in starts]
                waiting.append((part, images, jobs))
                if len(waiting) > _AHEAD:
                    yield finished()
            while waiting:
                yield finished()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _tried(work: Callable[[int], None], at: int) -> BadImage | None:
    try:
        work(at)
    except BadImage as error:
        return error
    return None


def _sides(data: bytes) -> tuple[int, int]:
    """Width and height; of a bad file any, since it is refused when it is decoded."""
    try:
        header = read_header(data)
    except BadImage:
        return 1, 1
    return header.width, header.height


def _coded(manifest: Manifest) -> tuple[NDArray[np.int32], list[str], NDArray[np.bool_]]:
    """Container code of each row, the containers' names, and which of them hold more than one picture."""
    coded = manifest.table["container"].combine_chunks().dictionary_encode()
    code = np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int32)
    names = [str(name) for name in coded.dictionary.to_pylist()]
    return code, names, np.bincount(code, minlength=len(names)) > 1


def _sizes(dataset: Dataset) -> dict[str, int]:
    """The containers' sizes as `dataset.json` has them."""
    sizes = {}
    for entry in dataset.about.get("distribution", []):
        size = str(entry.get("contentSize", "")).removesuffix(" B")
        if entry.get("@type") == "cr:FileObject" and size.isdigit():
            sizes[str(entry.get("contentUrl"))] = int(size)
    return sizes
