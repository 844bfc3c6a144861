"""Small sets for the tests of build, split, describe, export and release."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from topfive.dataset.croissant import describe, folder
from topfive.records import ClassList, Dataset, Manifest


def picture(i: int, kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (i % 256, i // 256 % 256, i // 65536)).save(buffer, kind)
    return buffer.getvalue()


def manifest(n: int, k: int = 3, **columns: Any) -> Manifest:
    """n rows without pictures, all in train, classes in turn."""
    classes = ClassList(tuple(f"c{i}" for i in range(k)), tuple(f"class {i}" for i in range(k)))
    made: dict[str, Any] = {
        "image_id": [f"i{i}" for i in range(n)],
        "class_index": np.arange(n) % k,
        "split": ["train"] * n,
    }
    return Manifest.from_columns(made | columns, classes)


def bare(rows: Manifest, root: Path, about: dict[str, Any] | None = None) -> Dataset:
    """A set whose pictures are nowhere."""
    root.mkdir(parents=True, exist_ok=True)
    Dataset(root, rows, about or {}).write(root)
    return Dataset.read(root)


def pictured(root: Path, n: int, k: int = 3, **columns: Any) -> Dataset:
    """n tiny PNGs in one file, the last fifth of them in val; nothing is known of their bytes but where they lie."""
    root.mkdir(parents=True)
    datas = [picture(i) for i in range(n)]
    (root / "all.bin").write_bytes(b"".join(datas))
    sizes = np.array([len(data) for data in datas])
    told: dict[str, Any] = {
        "container": ["all.bin"] * n,
        "offset": np.cumsum(sizes) - sizes,
        "size": sizes,
        "split": ["val" if i >= n * 4 // 5 else "train" for i in range(n)],
        "licence": ["CC0-1.0"] * n,
        "country": [("Aland", "Bland", None)[i % 3] for i in range(n)],
    }
    rows = manifest(n, k, **(told | columns))
    return bare(rows, root, describe("tiny", "Made for tests", rows, folder(root)))
