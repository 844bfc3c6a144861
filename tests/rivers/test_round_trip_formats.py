"""A set exported in any format and imported again has the same ids, bytes, labels, classes and splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset.releases import pictured
from topfive.dataset import ImportOptions, import_source, verify
from topfive.dataset.exporters import formats
from topfive.dataset.release import export, pictures_digest
from topfive.dataset.selection import Selection
from topfive.records import BadInput, Dataset

N = 20


def in_class_order(root: Path, n: int = N, **columns: object) -> Dataset:
    """A set whose classes are not in sorted order, one of them without images, read once so that it has its digests."""
    dataset = pictured(root, n, **columns)
    (root / "classes.tsv").write_text("index\twnid\tname\n0\tn02124075\tEgyptian cat\n1\tn01440764\ttench\n2\tz\tzed\n")
    rows = dataset.manifest
    from topfive.records import ClassList, Manifest

    classes = ClassList.read(root / "classes.tsv")
    rows = Manifest(rows.source, classes).with_column("class_index", [i % 2 for i in range(n)])
    Dataset(root, rows, dataset.about).write(root)
    verify(Dataset.read(root), fill=True)
    return Dataset.read(root)


@pytest.mark.parametrize("form", formats())
def test_what_is_exported_comes_back(tmp_path: Path, form: str) -> None:
    dataset = in_class_order(tmp_path / "set")
    report = export(dataset, tmp_path / "release", form, Selection(), per_shard=3)
    back = import_source(tmp_path / "release", tmp_path / "back")
    assert (back.n_images, back.n_classes, back.splits, back.problems) == (N, 2, {"train": 16, "val": 4}, ())
    again = Dataset.read(tmp_path / "back")
    assert again.classes == dataset.classes, "order, names and the class without images too"
    assert pictures_digest(again.manifest) == pictures_digest(dataset.manifest) == report.pictures
    assert verify(again).problems == ()
    second = export(again, tmp_path / "second", form, Selection(), per_shard=3)
    assert second.pictures == report.pictures
    if form == "folder":
        for path in (tmp_path / "release").rglob("*.png"):
            other = tmp_path / "second" / path.relative_to(tmp_path / "release")
            assert other.read_bytes() == path.read_bytes()


def test_a_folder_brings_back_ids_that_are_no_file_names(tmp_path: Path) -> None:
    ids = ["train/a/1", "train/b/1", "x.y", "..", ".hidden", "per%cent", "ä ö", "n" * 300, 'q"<>|?*:', "z"]
    dataset = in_class_order(tmp_path / "set", len(ids), image_id=ids)
    export(dataset, tmp_path / "release", "folder", Selection())
    assert import_source(tmp_path / "release", tmp_path / "back").problems == ()
    again = Dataset.read(tmp_path / "back").manifest
    assert set(again.ids) == set(ids)
    assert pictures_digest(again) == pictures_digest(dataset.manifest)


def test_a_folder_that_is_not_as_it_was_released(tmp_path: Path) -> None:
    export(in_class_order(tmp_path / "set"), tmp_path / "release", "folder", Selection())
    gone = sorted((tmp_path / "release" / "val").rglob("*.png"))[0]
    gone.unlink()
    (tmp_path / "release" / "val" / "more.png").write_bytes(b"x")
    back = import_source(tmp_path / "release", tmp_path / "back", ImportOptions())
    name = gone.relative_to(tmp_path / "release").as_posix()
    assert {(one.image_id, one.reason) for one in back.problems} == {
        (gone.stem, f"{name} is not there: left out"),
        ("val/more.png", "is no part of the release: left out"),
    }
    for file, content, reason in (
        ("images.parquet", b"PAR1", "cannot be read as the index of a release"),
        ("classes.tsv", b"index\twnid\tname\n0\ta\tA\n", "class 1, of 1 classes"),
    ):
        kept = (tmp_path / "release" / file).read_bytes()
        (tmp_path / "release" / file).write_bytes(content)
        with pytest.raises(BadInput, match=f"{reason}.*verify"):
            import_source(tmp_path / "release", tmp_path / "other")
        (tmp_path / "release" / file).write_bytes(kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "release", "set"]
