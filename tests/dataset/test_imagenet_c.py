"""ImageNet-C as released: corruption, severity and wnid above each other; 75 pictures of one name."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from topfive.dataset import import_source
from topfive.dataset.importers import imagenet_c
from topfive.records import Dataset

TENCH, FISH = "n01440764", "n01443537"


def folder(root: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4), (i, 1, 2)).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
    return root


@pytest.mark.parametrize("top", ["", "ImageNet-C/"])
def test_one_picture_under_many_corruptions(tmp_path: Path, top: str) -> None:
    names = [f"{top}{kind}/{s}/{TENCH}/a.png" for kind in ("fog", "jpeg_compression") for s in (1, 5)]
    source = folder(tmp_path / "c", [*names, f"{top}fog/1/{FISH}/b.png"])
    report = import_source(source, tmp_path / "out")
    assert (report.layout, report.n_images, report.n_classes, report.problems) == (imagenet_c.TITLE, 5, 2, ())
    manifest = Dataset.read(tmp_path / "out").manifest
    rows = {row["source"]: row for row in manifest.table.to_pylist()}
    assert rows[f"{top}fog/5/{TENCH}/a.png"]["image_id"] == f"{top}fog/5/{TENCH}/a"
    assert [rows[name]["class_index"] for name in names] == [0, 0, 0, 0]
    assert rows[f"{top}fog/1/{FISH}/b.png"]["class_index"] == 1


def test_what_lies_elsewhere_is_named(tmp_path: Path) -> None:
    source = folder(tmp_path / "c", [f"fog/1/{TENCH}/a.png", f"fog/6/{TENCH}/a.png", "fog/x.png"])
    report = import_source(source, tmp_path / "out")
    assert report.n_images == 1
    assert sorted(problem.image_id for problem in report.problems) == [f"fog/6/{TENCH}/a.png", "fog/x.png"]


def test_folders_by_class_are_not_taken_for_it(tmp_path: Path) -> None:
    source = folder(tmp_path / "s", [f"train/{TENCH}/a.png", f"val/{TENCH}/b.png"])
    assert import_source(source, tmp_path / "out").layout != imagenet_c.TITLE
