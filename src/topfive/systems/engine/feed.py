"""Feed: what each update is given, prepared ahead by a thread; the same pictures on any number of processes."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topfive.loading import area_boxes, crop_flip, cut, mirrors, order, scale_boxes
from topfive.records import BadInput
from topfive.systems.engine.pixels import Store
from topfive.systems.engine.processes import Processes
from topfive.systems.engine.rand_augment import rand_augment
from topfive.systems.engine.settings import Training

_AHEAD = 2
"""Batches that wait for the network: one in hand, one in work, so that neither side waits for the other's hiccups."""


@dataclass(frozen=True)
class Work:
    """One update: this process's pictures uint8 [n, crop, crop, 3], their places in the split, `whole` of all."""

    step: int
    epoch: int
    positions: NDArray[np.int64]
    images: NDArray[np.uint8]
    whole: int


class Feed:
    """The updates of a fit in order. Batches are of equal size but for one picture, and visit each picture once an
    epoch: a last batch of one picture would break batch normalisation."""

    def __init__(self, store: Store, settings: Training, seed: int, processes: Processes) -> None:
        self.store, self.settings, self.seed, self.processes = store, settings, seed, processes
        self.n_steps = math.ceil(len(store) / settings.batch_size)
        smallest = len(store) // self.n_steps
        least = min(
            len(range(smallest)[Processes(r, processes.world, processes.device).share(smallest)])
            for r in range(processes.world)
        )
        if least < 2 * settings.accumulate and (processes.world > 1 or settings.accumulate > 1):
            raise BadInput(
                f"leaves {least} pictures of a batch to a process, which works them in {settings.accumulate} parts",
                where="recipe",
                row="batch_size",
                fix="Use larger batches, fewer parts (accumulate) or fewer processes",
            )

    def bounds(self, place: int) -> tuple[int, int]:
        """Where the place-th batch of an epoch begins and ends."""
        n = len(self.store)
        return place * n // self.n_steps, (place + 1) * n // self.n_steps

    def work(self, first: int, last: int) -> Generator[Work, None, None]:
        """Updates first .. last - 1, counted over the whole run."""
        ready: queue.Queue[Work | BaseException | None] = queue.Queue(_AHEAD)
        stop = threading.Event()

        def give(item: Work | BaseException | None) -> None:
            while not stop.is_set():
                with suppress(queue.Full):
                    ready.put(item, timeout=0.1)
                    return

        def prepare() -> None:
            try:
                for step in range(first, last):
                    if stop.is_set():
                        return
                    give(self.prepared(step))
                give(None)
            except BaseException as error:  # handed to the thread that asked
                give(error)

        thread = threading.Thread(target=prepare, name="feed", daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            thread.join()

    def prepared(self, step: int) -> Work:
        """The pictures of one update, cut, mirrored and augmented as far as uint8 goes."""
        epoch, place = divmod(step, self.n_steps)
        begin, end = self.bounds(place)
        batch = self._order(epoch)[begin:end]
        positions = batch[self.processes.share(len(batch))]
        images = self._cut(self.store.take(positions), epoch, positions)
        settings = self.settings
        if settings.rand_ops:
            strength = settings.rand_magnitude * settings.strength(epoch)
            images = rand_augment(images, settings.rand_ops, strength, seed=self.seed, epoch=epoch, positions=positions)
        return Work(step, epoch, positions, images, len(batch))

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if getattr(self, "_ordered", None) != epoch:
            self._ordered, self._positions = epoch, order(len(self.store), self.seed, epoch)
        return self._positions

    def _cut(self, images: NDArray[np.uint8], epoch: int, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        settings, px = self.settings, self.store.view.crop_px
        crop, out = settings.train_crop_px, settings.crop_px(epoch)
        drawn = {"seed": self.seed, "epoch": epoch, "positions": positions}
        if settings.crop == "random" and settings.smallest_scale == 1.0 and out == crop:
            return crop_flip(images, crop, mirror=settings.mirror, **drawn)  # type: ignore[arg-type]
        boxes = (
            area_boxes(px, settings.smallest_area, **drawn)  # type: ignore[arg-type]
            if settings.crop == "area"
            else scale_boxes(px, crop, settings.smallest_scale, **drawn)  # type: ignore[arg-type]
        )
        mirrored = mirrors(self.seed, epoch, positions) if settings.mirror else np.zeros(len(positions), dtype=bool)
        return cut(images, boxes, mirrored, out)
