"""ImageNet-V2's folders are numbers, not sorted text; other sets with numbered folders are left alone."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from topfive.dataset import ImportOptions, import_source
from topfive.dataset.importers import imagenet_v2
from topfive.dataset.source import Source, SourceFile
from topfive.records import Dataset
from topfive.taxonomy import ilsvrc_classes


def picture(i: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (i % 256, 1, 2)).save(buffer, "PNG")
    return buffer.getvalue()


def folder(root: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i))
    return root


@pytest.mark.parametrize("kind", ["folder", "folder above", "tar"])
def test_unpadded_numbers_are_class_indices(tmp_path: Path, kind: str) -> None:
    # Sorted as text, folder 10 would come before 2: the trap that permutes the classes.
    names = [f"{k}/p{k}.png" for k in (0, 1, 2, 10, 100, 999)]
    top = "imagenetv2-matched-frequency-format-val"
    if kind == "folder":
        source = folder(tmp_path / top, names)
    elif kind == "folder above":
        source = folder(tmp_path / "v2", [f"{top}/{name}" for name in names])
    else:
        source = tmp_path / "v2.tar"
        inner = folder(tmp_path / top, names)
        with tarfile.open(source, "w") as archive:
            archive.add(inner, top)
    report = import_source(source, tmp_path / "out", ImportOptions(split="test"))
    assert report.layout == imagenet_v2.TITLE
    dataset = Dataset.read(tmp_path / "out")
    assert dataset.classes == ilsvrc_classes()
    manifest = dataset.manifest
    assert dict(zip(manifest.ids, manifest.class_index.tolist(), strict=True)) == {
        f"p{k}": k for k in (0, 1, 2, 10, 100, 999)
    }
    assert manifest.splits() == {"test": 6}


def test_what_is_no_picture_in_a_number_is_named(tmp_path: Path) -> None:
    source = folder(tmp_path / "imagenetv2", ["0/a.png", "7/b.png", "README.png"])
    (source / "0" / "notes.txt").write_text("hello")
    report = import_source(source, tmp_path / "out")
    assert [problem.image_id for problem in report.problems] == ["0/notes.txt", "README.png"]
    assert report.n_images == 2


def source_of(name: str, files: dict[str, int]) -> Source:
    """A source by its paths alone: folder to number of files."""
    found = [SourceFile(f"{top}/{i}.png", "/x", 0, 1) for top, n in files.items() for i in range(n)]
    return Source(f"/somewhere/{name}", False, tuple(sorted(found)), tuple(sorted(files)), ())


@pytest.mark.parametrize(
    ("name", "files", "known"),
    [
        ("ImageNetV2_top", {"0": 1, "12": 3}, True),
        ("mine", {str(k): 10 for k in range(1000)}, True),
        ("mine", {str(k): 10 for k in range(999)}, False),
        ("mine", {str(k): 9 for k in range(1000)}, False),
        ("mine", {str(k): 10 for k in range(1, 1001)}, False),
        ("imagenetv2", {"00": 1, "01": 1}, False),
        ("imagenetv2", {"0": 1, "n01440764": 1}, False),
        ("mnist", {str(k): 1000 for k in range(10)}, False),
    ],
)
def test_a_number_of_folders_says_nothing(name: str, files: dict[str, int], known: bool) -> None:
    assert imagenet_v2.recognises(source_of(name, files)) is known
