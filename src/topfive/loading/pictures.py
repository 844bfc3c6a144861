"""Pictures: the images of one split, decoded on demand by threads, in the manifest's order, in flat memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading.containers import Containers
from topfive.loading.decode import decode_image
from topfive.loading.headers import MAX_BYTES, BadImage
from topfive.loading.views import apply_view
from topfive.records import UNKNOWN, BadInput, Batch, ClassList, Dataset, Manifest, Progress, View, silent

_CORES = max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2)
"""Threads that decode: one a usable core."""
_AHEAD = 2
"""Batches in work while the caller holds one: enough to keep the threads busy, and memory stays flat."""
_RUN = 16
"""Pictures a thread takes at a time: handing over one picture costs about as much as decoding a 64 px one."""


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

    def batches(self, view: View, batch_size: int = 64, progress: Progress = silent) -> Iterator[Batch]:
        """Every image once, in manifest order; the last batch is short, never padded.

        The first picture (in order) that cannot be used raises BadImage; nothing of its batch is yielded.
        """
        view.check()
        if batch_size < 1:
            raise BadInput(f"a batch of {batch_size} images is none", where="batch_size", fix="Use 1 or more")
        total = len(self)
        progress("decoding", 0, total, "images")
        for start, images in self._decoded(view, batch_size):
            stop = start + len(images)
            labels = None if self.class_index is None else self.class_index[start:stop]
            yield Batch(self.ids[start:stop], images, labels)
            progress("decoding", stop, total, "images")

    def arrays(self, view: View, progress: Progress = silent) -> NDArray[np.uint8]:
        """All images at once, uint8 [n, crop, crop, 3]."""
        images = np.empty((len(self), view.crop_px, view.crop_px, 3), dtype=np.uint8)
        start = 0
        for batch in self.batches(view, 256, progress):
            images[start : start + len(batch)] = batch.images
            start += len(batch)
        return images

    def _decoded(self, view: View, batch_size: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        run = max(1, min(_RUN, batch_size // self.workers))

        def fill(out: NDArray[np.uint8], first: int) -> None:
            for place in range(len(out)):
                out[place] = self.seen(first + place, view)

        waiting: deque[tuple[int, NDArray[np.uint8], list[Future[None]]]] = deque()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="decode")
        try:
            for start in range(0, len(self), batch_size):
                n = min(batch_size, len(self) - start)
                images = np.empty((n, view.crop_px, view.crop_px, 3), dtype=np.uint8)
                jobs = [pool.submit(fill, images[at : at + run], start + at) for at in range(0, n, run)]
                waiting.append((start, images, jobs))
                if len(waiting) > _AHEAD:
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finished(start: int, images: NDArray[np.uint8], jobs: list[Future[None]]) -> tuple[int, NDArray[np.uint8]]:
    for job in jobs:
        job.result()
    return start, images


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
