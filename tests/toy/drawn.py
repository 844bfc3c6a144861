"""A small drawn image set: six shapes in random colours, sizes and places, as a real dataset folder of PNG files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.loading import Pictures
from topfive.records import ClassList, Dataset, Manifest

SHAPES = ("disc", "square", "triangle", "ring", "cross", "stripes")


def drawn(n_per_class: int, *, px: int = 56, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """uint8 [6 n, px, px, 3] and their labels int32 [6 n], classes in turn."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(SHAPES), dtype=np.int32), n_per_class)
    return np.stack([_draw(SHAPES[label], px, rng) for label in labels]), labels


def _draw(shape: str, px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    radius = px * rng.uniform(0.26, 0.42)
    middle = rng.uniform(radius, px - radius, size=2)
    y, x = (np.mgrid[:px, :px] + 0.5 - middle[:, None, None]) / radius
    r = np.hypot(x, y)
    inside = {
        "disc": r < 0.95,
        "square": np.maximum(abs(x), abs(y)) < 0.8,
        "triangle": (y < 0.75) & (y > -0.95 + 2 * abs(x)),
        "ring": (r < 0.95) & (r > 0.5),
        "cross": (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 0.95),
        "stripes": (np.maximum(abs(x), abs(y)) < 0.9) & (np.sin(7.5 * y) > 0),
    }[shape]
    dark, light = np.sort(rng.uniform(20, 235, size=(2, 3)), axis=0)
    light = np.minimum(light + 60, 255)
    ink, paper = (light, dark) if rng.random() < 0.5 else (dark, light)
    pixels = np.where(inside[..., None], ink, paper) + rng.normal(0, 8, size=(px, px, 3))
    return pixels.clip(0, 255).astype(np.uint8)


def drawn_set(folder: Path, *, train: int = 24, tune: int = 5, val: int = 10, px: int = 56) -> Dataset:
    """Write a dataset folder with these numbers of pictures a class in train, tune (a split of its own) and val."""
    images, labels = drawn(train + tune + val, px=px)
    per_split = {"train": train, "tune": tune, "val": val}
    split = np.repeat(list(per_split), [n * len(SHAPES) for n in per_split.values()])
    folder.mkdir(parents=True, exist_ok=True)
    offsets, sizes, blob = [], [], io.BytesIO()
    for pixels in images:
        offsets.append(blob.tell())
        Image.fromarray(pixels).save(blob, "PNG")
        sizes.append(blob.tell() - offsets[-1])
    (folder / "pictures.bin").write_bytes(blob.getvalue())
    classes = ClassList(SHAPES, SHAPES)
    manifest = Manifest.from_columns(
        {
            "image_id": [f"{part}_{i:04d}" for i, part in enumerate(split)],
            "container": ["pictures.bin"] * len(images),
            "offset": offsets,
            "size": sizes,
            "class_index": labels,
            "split": split,
        },
        classes,
    )
    dataset = Dataset(folder, manifest, {"name": "drawn"})
    dataset.write(folder)
    return dataset


def pictures(dataset: Dataset, split: str, *, labels: bool = True) -> Pictures:
    """The pictures of one split."""
    return Pictures(dataset, dataset.manifest.rows(split), labels=labels)
