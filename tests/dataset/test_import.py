"""Import: each layout to a manifest that reads in place, each bad source to a refusal that leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from topfive.dataset import ImportOptions, ImportReport, import_source
from topfive.dataset.import_ import image_ids
from topfive.dataset.importers import importers
from topfive.loading import Pictures, decode
from topfive.records import UNKNOWN, BadInput, Dataset

CAT, DOG = "n02121620", "n02084071"


def picture(i: int, kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (i, 2 * i % 256, 0)).save(buffer, kind)
    return buffer.getvalue()


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def tar(path: Path, files: dict[str, bytes] | list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


PETS = {f"{CAT}/a.png": picture(1), f"{DOG}/b.jpg": picture(2, "JPEG"), f"{DOG}/c.png": picture(3)}


def reasons(report: ImportReport) -> dict[str, str]:
    return {problem.image_id: problem.reason for problem in report.problems}


@pytest.mark.parametrize("kind", ["folder", "tar", "wrapped tar"])
def test_class_folders_and_a_tar_of_them_give_the_same_set(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        source = folder(tmp_path / "pets", PETS)
    else:
        source = tar(
            tmp_path / "pets.tar", {("pets/" if kind == "wrapped tar" else "") + n: d for n, d in PETS.items()}
        )
    report = import_source(source, tmp_path / "out")
    assert report.to_json() == {
        "layout": "pictures in one folder a class (a folder, or a tar of one)",
        "read": True,
        "n_images": 3,
        "n_classes": 2,
        "splits": {"val": 3},
        "n_problems": 0,
        "problems": [],
    }
    dataset = Dataset.read(tmp_path / "out")
    assert sorted(path.name for path in dataset.root.iterdir()) == [
        "SHA256SUMS",
        "classes.tsv",
        "dataset.json",
        "manifest.parquet",
    ]
    assert (dataset.classes.wnids, dataset.classes.names) == ((DOG, CAT), ("dog", "cat"))
    assert dataset.name == "pets"
    got = {row["image_id"]: row for row in dataset.manifest.table.to_pylist()}
    assert list(got) == ["b", "c", "a"], "sorted by path"
    assert [row["class_index"] for row in got.values()] == [0, 0, 1]
    assert [(row["width"], row["height"]) for row in got.values()] == [(8, 6)] * 3
    assert got["a"]["sha256"] == hashlib.sha256(PETS[f"{CAT}/a.png"]).hexdigest()
    assert got["a"]["group"] == "a"
    pictures = Pictures(dataset, dataset.manifest)
    assert [pictures.read(i) for i in range(3)] == [PETS[f"{DOG}/b.jpg"], PETS[f"{DOG}/c.png"], PETS[f"{CAT}/a.png"]]


def test_splits_above_the_classes_and_classes_without_pictures(tmp_path: Path) -> None:
    files = {"train/x/1.png": picture(1), "validation/x/2.png": picture(2), "test/y/3.png": picture(3)}
    source = folder(tmp_path / "s", files)
    (source / "train" / "empty").mkdir()
    report = import_source(source, tmp_path / "out", ImportOptions(split="test"))
    assert report.splits == {"train": 1, "val": 1, "test": 1}
    assert report.n_classes == 2
    assert Dataset.read(tmp_path / "out").classes.wnids == ("empty", "x", "y"), "a missing picture shifts no class"


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    source = folder(tmp_path / "s", {"train/1.png": picture(1), "bus/2.png": picture(2)})
    report = import_source(source, tmp_path / "out", ImportOptions(split="train"))
    assert report.splits == {"train": 2}
    assert Dataset.read(tmp_path / "out").classes.wnids == ("bus", "train")
    report = import_source(folder(tmp_path / "t", {"train/1.png": picture(1)}), tmp_path / "out2")
    assert Dataset.read(tmp_path / "out2").classes.wnids == ("train",)


def test_pictures_in_folders_of_a_class_and_ids_that_would_meet(tmp_path: Path) -> None:
    files = {"a/x/1.png": picture(1), "a/2.png": picture(2), "b/1.png": picture(3), "b/no suffix": picture(4)}
    import_source(folder(tmp_path / "s", files), tmp_path / "out")
    manifest = Dataset.read(tmp_path / "out").manifest
    assert dict(zip(manifest.ids, manifest.class_index.tolist(), strict=True)) == {
        "2": 0,
        "a/x/1": 0,
        "b/1": 1,
        "no suffix": 1,
    }
    assert manifest.column("source").tolist() == ["a/2.png", "a/x/1.png", "b/1.png", "b/no suffix"]


def ids(paths: list[str], where: Path) -> list[str]:
    return image_ids(pa.array(paths, pa.string()), where).to_pylist()


def test_image_ids() -> None:
    where = Path("s")
    assert ids(["n01440764/n01440764_18.JPEG", "b/x.y.png", "c/.hidden", "d"], where) == [
        "n01440764_18",
        "x.y",
        ".hidden",
        "d",
    ]
    assert ids(["a/1.png", "b/1.jpg", "1.png"], where) == ["a/1", "b/1", "1"]
    with pytest.raises(BadInput, match=r"two pictures have the id 'a/1': a/1\.jpg and a/1\.png"):
        ids(["a/1.jpg", "a/1.png"], where)


def test_what_is_left_out_or_odd_is_named(tmp_path: Path) -> None:
    source = folder(
        tmp_path / "s",
        {
            "a/good.png": picture(1),
            "a/cut.png": picture(1)[:30],
            "a/page.jpg": b"<html>not found</html>",
            "a/empty.JPEG": b"",
            "a/moving.gif": b"GIF89a" + bytes(20),
            "a/notes.txt": b"hello",
            "a/.hidden.png": picture(1),
            ".git/x.png": picture(1),
            "loose.png": picture(1),
            "README": b"about",
        },
    )
    (source / "a" / "circle").symlink_to(source)
    (source / "a" / "gone.png").symlink_to(source / "nowhere")
    (source / "a" / "linked.png").symlink_to(source / "a" / "good.png")
    os.mkfifo(source / "a" / "pipe.png")
    (source / "a" / "line\nbreak.png").write_bytes(picture(1))
    report = import_source(source, tmp_path / "out")
    assert reasons(report) == {
        "cut": "is a PNG that ends before its size",
        "page": "is an HTML or XML page, not a picture",
        "empty": "is empty (0 bytes)",
        "moving": "is a GIF picture; only JPEG and PNG are read",
        "a/notes.txt": "is no picture: left out",
        "a/.hidden.png": "is no picture: left out",
        ".git/x.png": "is no picture: left out",
        "README": "is no picture: left out",
        "loose.png": "lies in no class folder: left out",
        "a/circle": "is a link to a folder: left out",
        "a/gone.png": "is a broken link: left out",
        "a/pipe.png": "is no regular file: left out",
        r"'a/line\nbreak.png'": "has control characters in its name, or is not UTF-8: left out",
    }
    manifest = Dataset.read(tmp_path / "out").manifest
    assert set(manifest.ids) == {"good", "linked", "cut", "page", "empty", "moving"}
    assert manifest.classes.wnids == ("a",)


def test_only_the_first_hundred_problems_are_listed(tmp_path: Path) -> None:
    source = folder(tmp_path / "s", {"a/x.png": picture(1)} | {f"a/{i:03d}.txt": b"" for i in range(120)})
    said = import_source(source, tmp_path / "out").to_json()
    assert (said["n_problems"], len(said["problems"])) == (120, 100)
    assert said["problems"][0] == {"image_id": "a/000.txt", "reason": "is no picture: left out"}


def test_refused_members_of_a_tar_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("a/1.png", "../evil.png"):
            info = tarfile.TarInfo(name)
            info.size = len(picture(1))
            archive.addfile(info, io.BytesIO(picture(1)))
        info = tarfile.TarInfo("a/link.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    report = import_source(path, tmp_path / "out")
    assert report.n_images == 1
    assert reasons(report) == {
        "../evil.png": "has a name that leads out of the archive (..): left out",
        "a/link.png": "is a symbolic link: left out",
    }


def bad_sources(tmp: Path) -> dict[str, tuple[Path, str]]:
    good = tar(tmp / "good.tar", PETS).read_bytes()
    whole = sum(-(-len(data) // 512) * 512 + 512 for data in PETS.values())
    made = {
        "truncated": good[: whole - 600],
        "cut at a member": good[:1536],
        "damaged": good[:700] + bytes(512) + good[1212:],
        "zeros": bytes(10_240),
        "gzip": b"\x1f\x8b\x08" + bytes(600),
        "junk": b"not a tar" * 200,
        "nothing": b"",
    }
    for name, data in made.items():
        (tmp / f"{name}.tar").write_bytes(data)
    (tmp / "no files").mkdir()
    first = f"{DOG}/b.jpg"
    return {
        "missing": (tmp / "nowhere", "is not there"),
        "truncated": (tmp / "truncated.tar", "cut short"),
        "cut at a member": (tmp / "cut at a member.tar", "cut short"),
        "damaged": (tmp / "damaged.tar", "damaged"),
        "zeros": (tmp / "zeros.tar", "has no files"),
        "gzip": (tmp / "gzip.tar", "compressed.*Unpack"),
        "junk": (tmp / "junk.tar", "no tar archive"),
        "nothing": (tmp / "nothing.tar", "is empty"),
        "no files": (tmp / "no files", "has no files"),
        "one name twice": (tar(tmp / "twice.tar", [(first, picture(1)), (first, picture(2))]), "twice"),
        "one id twice": (
            folder(tmp / "ids", {"a/1.png": picture(1), "a/1.jpg": picture(2)}),
            "two pictures have the id",
        ),
        "wnid": (folder(tmp / "wnid", {"n99999999/1.png": picture(1)}), "class n99999999: is no noun synset"),
        "flat": (folder(tmp / "flat", {"1.png": picture(1)}), "no layout that import knows.*Tiny ImageNet"),
        "no pictures": (folder(tmp / "texts", {"a/1.txt": b"x"}), "holds no pictures"),
        "dataset": (
            folder(tmp / "set", {"manifest.parquet": b"", "classes.tsv": b"", "a/1.png": picture(1)}),
            "is a dataset folder already",
        ),
    }


CASES = (
    "missing",
    "truncated",
    "cut at a member",
    "damaged",
    "zeros",
    "gzip",
    "junk",
    "nothing",
    "no files",
    "one name twice",
    "one id twice",
    "wnid",
    "flat",
    "no pictures",
    "dataset",
)


@pytest.mark.parametrize("case", CASES)
def test_bad_sources_are_refused_and_nothing_is_left(tmp_path: Path, case: str) -> None:
    source, reason = bad_sources(tmp_path)[case]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadInput, match=reason) as caught:
        import_source(source, tmp_path / "out")
    assert caught.value.where == str(source)
    assert caught.value.fix
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_that_is_there_and_an_unknown_split_are_refused(tmp_path: Path) -> None:
    source = folder(tmp_path / "s", PETS)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(BadInput, match="is there already"):
        import_source(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    with pytest.raises(BadInput, match=r"no split: 'dev'.*train, val, test"):
        import_source(source, tmp_path / "other", ImportOptions(split="dev"))


def tiny(prefix: str = "tiny-imagenet-200/") -> dict[str, bytes]:
    return {
        f"{prefix}wnids.txt": f"{CAT}\n{DOG}\n".encode(),
        f"{prefix}words.txt": b"n00001740\tentity\n",
        f"{prefix}train/{CAT}/images/{CAT}_0.JPEG": picture(1, "JPEG"),
        f"{prefix}train/{CAT}/{CAT}_boxes.txt": b"",
        f"{prefix}train/{DOG}/images/{DOG}_0.JPEG": picture(2, "JPEG"),
        f"{prefix}val/val_annotations.txt": f"val_0.JPEG\t{CAT}\t0\t0\t9\t9\nval_1.JPEG\t{DOG}\t0\t0\t9\t9\n".encode(),
        f"{prefix}val/images/val_0.JPEG": picture(3, "JPEG"),
        f"{prefix}val/images/val_1.JPEG": picture(4, "JPEG"),
        f"{prefix}test/images/test_0.JPEG": picture(5, "JPEG"),
    }


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_tiny_imagenet(tmp_path: Path, kind: str) -> None:
    source = folder(tmp_path / "s", tiny("")) if kind == "folder" else tar(tmp_path / "s.tar", tiny())
    report = import_source(source, tmp_path / "out")
    assert report.layout.startswith("Tiny ImageNet")
    assert report.problems == ()
    assert report.splits == {"train": 2, "val": 2, "test": 1}
    manifest = Dataset.read(tmp_path / "out").manifest
    assert manifest.classes.wnids == (DOG, CAT)
    assert dict(zip(manifest.ids, manifest.class_index.tolist(), strict=True)) == {
        f"{DOG}_0": 0,
        f"{CAT}_0": 1,
        "val_0": 1,
        "val_1": 0,
        "test_0": UNKNOWN,
    }


def test_tiny_imagenet_that_does_not_fit_together(tmp_path: Path) -> None:
    files = tiny("")
    del files["val/images/val_1.JPEG"]
    files |= {"val/images/val_7.JPEG": picture(1, "JPEG"), "extra.txt": b"x"}
    report = import_source(folder(tmp_path / "a", files), tmp_path / "out")
    assert reasons(report) == {
        "val/images/val_7.JPEG": "has no line in val_annotations.txt: left out",
        "extra.txt": "is no part of Tiny ImageNet: left out",
        "val_1.JPEG": "stands in val_annotations.txt and is not there",
    }
    for name, (change, reason) in {
        "b": ({"val/val_annotations.txt": b"val_0.JPEG n1"}, "line 1 has no file name and wnid"),
        "c": ({"val/val_annotations.txt": f"v\t{CAT}\nv\t{CAT}".encode()}, "line 2 names a picture twice"),
        "d": ({"val/val_annotations.txt": b"val_0.JPEG\tn01440764"}, "n01440764, which wnids.txt does not list"),
        "e": ({"wnids.txt": b"n00000001\n"}, "class n00000001: is no noun synset"),
        "f": ({"wnids.txt": b"\xff\xfe"}, "not UTF-8"),
    }.items():
        with pytest.raises(BadInput, match=reason):
            import_source(folder(tmp_path / name, tiny("") | change), tmp_path / "bad")
        assert not (tmp_path / "bad").exists()


def test_the_same_source_gives_the_same_manifest(tmp_path: Path) -> None:
    source = tar(tmp_path / "s.tar", PETS)
    reordered = tar(tmp_path / "r.tar", dict(reversed(PETS.items())))
    for name, one in (("a", source), ("b", source), ("c", reordered)):
        import_source(one, tmp_path / name)
    a, b, c = (Dataset.read(tmp_path / name).manifest for name in "abc")
    assert a.digest == b.digest
    assert a.table.drop_columns(["container", "offset"]) == c.table.drop_columns(["container", "offset"])


def test_the_description_is_croissant(tmp_path: Path) -> None:
    path = tar(tmp_path / "pets.tar", PETS)
    import_source(path, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert about["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert about["@type"] == "sc:Dataset"
    archive = about["distribution"][0]
    assert archive["contentSize"] == f"{path.stat().st_size} B"
    assert archive["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    ids = [node["@id"] for node in about["distribution"] + about["recordSet"]]
    assert len(ids) == len(set(ids))
    known = {field["@id"] for records in about["recordSet"] for field in records["field"]}
    files = {node["@id"] for node in about["distribution"]}
    for records in about["recordSet"]:
        assert records["key"]["@id"] in known
        for field in records["field"]:
            if "references" in field:
                assert field["references"]["field"]["@id"] in known
            if "source" in field:
                assert field["source"]["fileSet"]["@id"] in files
    assert {field["name"] for field in about["recordSet"][2]["field"]} == set(
        Dataset.read(tmp_path / "out").manifest.table.column_names
    )


def test_importers_are_found_by_name_and_keep_the_contract() -> None:
    every = importers()
    assert [importer.ORDER for importer in every] == sorted({importer.ORDER for importer in every})
    for importer in every:
        assert importer.TITLE
        assert importer.__doc__


def test_imagenet_samples(shared: Path, tmp_path: Path) -> None:
    said: set[str] = set()
    report = import_source(
        shared / "data" / "imagenet-samples.tar",
        tmp_path / "out",
        progress=lambda what, done, total, unit="": said.add(what),
    )
    assert (report.n_images, report.n_classes, report.splits) == (500, 500, {"val": 500})
    assert report.problems == ()
    assert said == {"indexing", "looking", "reading", "hashing"}
    dataset = Dataset.read(tmp_path / "out")
    assert dataset.manifest.ids[0] == "n01440764_tench"
    assert dataset.classes.names[0] == "tench"
    pixels = decode(Pictures(dataset, dataset.manifest).read(499))
    row = dataset.manifest.table.slice(499).to_pylist()[0]
    assert pixels.shape == (row["height"], row["width"], 3)


def test_tiny_imagenet_slice(shared: Path, tmp_path: Path) -> None:
    report = import_source(shared / "data" / "tiny-imagenet-slice.tar", tmp_path / "out")
    assert (report.n_classes, report.splits) == (200, {"train": 20_000, "val": 5_000})
    assert report.problems == ()
    manifest = Dataset.read(tmp_path / "out").manifest
    assert set(np.bincount(manifest.rows("train").class_index)) == {100}
    assert manifest.classes.wnids[int(manifest.rows("val").class_index[0])] == "n03444034"
