"""Loaders on the 500 real pictures: timm's as its documentation has it, topfive's, and decoding alone."""

from __future__ import annotations

import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.timm_validate import samples
from benchmarks.row import Timed

BATCH = 50
PX = 224


def timed(batches: Callable[[], Iterator[tuple[list[str], Any]]]) -> Callable[[], Timed]:
    """A side that runs through all batches, counted from the second on: the first waits for workers to start.

    Its answer, of the first run alone, is each picture's mean grey level by file name.
    """
    known: dict[str, float] = {}

    def run() -> Timed:
        first, began, n = not known, 0.0, 0
        for names, images in batches():
            if first:
                known.update(zip(names, _levels(images), strict=True))
            if began:
                n += len(names)
            else:
                began = time.perf_counter()
        return Timed(known, time.perf_counter() - began, n)

    return run


def _levels(images: Any) -> list[float]:
    pixels = np.asarray(images)
    scale = 255.0 if pixels.dtype == np.float32 else 1.0
    return [float(scale * picture.mean(dtype=np.float64)) for picture in pixels]


def timm_loader(*, training: bool, uint8: bool = False) -> Callable[[], Timed]:
    """`create_loader` with 2 workers; `uint8` leaves the floats to others (its prefetcher's collate, the fastest)."""
    held: dict[str, Any] = {}

    def batches() -> Iterator[tuple[list[str], Any]]:
        import torch
        from timm.data import create_dataset, create_loader

        if not held:
            held["folder"] = tempfile.TemporaryDirectory()
            with tarfile.open(samples()) as archive:
                archive.extractall(held["folder"].name, filter="data")
            dataset = create_dataset("", held["folder"].name, is_training=training)
            held["names"] = [Path(name).stem for name in dataset.filenames(basename=True)]
            held["loader"] = create_loader(
                dataset,
                input_size=(3, PX, PX),
                batch_size=BATCH,
                is_training=training,
                use_prefetcher=uint8,
                color_jitter=0.0,
                interpolation="bilinear" if training else "bicubic",
                mean=(0.0, 0.0, 0.0),
                std=(1.0, 1.0, 1.0),
                num_workers=2,
                crop_pct=0.875,
                pin_memory=False,
                device=torch.device("cpu"),
                persistent_workers=True,
            )
        loader = held["loader"].loader if uint8 else held["loader"]
        at = 0
        for images, _ in loader:
            yield held["names"][at : at + len(images)], images
            at += len(images)

    return timed(batches)


def topfive_loader(*, training: bool) -> Callable[[], Timed]:
    """`Pictures.batches` or `.cropped`, the exact View."""
    held: dict[str, Any] = {"epoch": 0}

    def batches() -> Iterator[tuple[list[str], Any]]:
        from topfive import flows
        from topfive.loading import Pictures, RandomCrop
        from topfive.records import View

        if "pictures" not in held:
            dataset = flows.open_set(samples())
            held["pictures"] = Pictures(dataset, dataset.manifest)
        view = View(256, PX, "bilinear" if training else "bicubic", decoder="exact")
        held["epoch"] += 1
        made = (
            held["pictures"].cropped(view, RandomCrop(0, held["epoch"]), BATCH)
            if training
            else held["pictures"].batches(view, BATCH)
        )
        for batch in made:
            yield list(batch.ids), batch.images

    return timed(batches)


def decode_only() -> Callable[[], Timed]:
    """libjpeg-turbo to RGB on two threads, files in memory: the floor. No crops, so no answer."""
    held: dict[str, list[bytes]] = {}

    def run() -> Timed:
        from concurrent.futures import ThreadPoolExecutor

        import simplejpeg

        if not held:
            with tarfile.open(samples()) as archive:
                held["files"] = [archive.extractfile(member).read() for member in archive if member.isfile()]  # type: ignore[union-attr]

        def decode(data: bytes) -> None:
            if simplejpeg.decode_jpeg_header(data)[2] != "CMYK":
                simplejpeg.decode_jpeg(data, "RGB", strict=False)

        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(decode, held["files"]))
        return Timed(None, time.perf_counter() - began, len(held["files"]))

    return run
