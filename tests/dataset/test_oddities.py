"""Sources as they lie on people's disks: links, leftovers of other systems, spellings, sizes that nobody planned."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset.releases import picture
from topfive.dataset import ImportOptions, ImportReport, import_source
from topfive.records import UNKNOWN, BadInput, Dataset

CAT, DOG = "n02123045", "n02099601"


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def tar_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def labels(out: Path) -> dict[str, str | None]:
    dataset = Dataset.read(out)
    keys = (*dataset.classes.wnids, None)
    assert UNKNOWN == -1
    return {one: keys[i] for one, i in zip(dataset.manifest.ids, dataset.manifest.class_index, strict=True)}


def reasons(report: ImportReport) -> dict[str, str]:
    return {problem.image_id: problem.reason for problem in report.problems}


def test_leftovers_of_other_systems_hide_no_splits(tmp_path: Path) -> None:
    """`train/.DS_Store` once made the classes `train` and `val` of a set with both."""
    left = dict.fromkeys((".DS_Store", "train/.DS_Store", f"train/{CAT}/.DS_Store"), b"\x00\x00\x00\x01Bud1")
    left |= {
        f"train/{CAT}/._a.JPEG": b"\0\5\x16\7",
        f"val/{DOG}/Thumbs.db": b"\xd0\xcf\x11",
        "train/desktop.ini": b"[x]",
    }
    pictures = {
        f"train/{CAT}/a.JPEG": picture(1),
        f"val/{DOG}/b.jPeG": picture(2),
        f"train/{CAT}/deep/c.PNG": picture(3),
    }
    report = import_source(folder(tmp_path / "in", left | pictures), tmp_path / "out")
    assert labels(tmp_path / "out") == {"a": CAT, "b": DOG, "c": CAT}
    assert report.splits == {"train": 2, "val": 1}
    assert reasons(report) == dict.fromkeys(left, "is no picture: left out")


def test_links_in_a_circle_are_named_and_nothing_is_taken_twice(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a/1.png": picture(1)})
    elsewhere = folder(tmp_path / "elsewhere", {"2.png": picture(2)})
    (source / "itself").symlink_to("itself")
    (source / "round").symlink_to("there")
    (source / "there").symlink_to("round")
    (source / "top").symlink_to(source)
    (source / "above").symlink_to(tmp_path)
    (source / "twin").symlink_to(source / "a")
    (source / "a" / "loop.png").symlink_to("loop.png")
    (source / "b").symlink_to(elsewhere)
    report = import_source(source, tmp_path / "out")
    assert labels(tmp_path / "out") == {"1": "a", "2": "b"}
    back = "is a link back into the source: left out"
    broken = dict.fromkeys(("itself", "round", "there", "a/loop.png"), "is a broken link: left out")
    assert reasons(report) == dict.fromkeys(("top", "above", "twin"), back) | broken


@pytest.mark.parametrize(
    ("folders", "reason"),
    [
        ((CAT, CAT.upper()), f"class '{CAT.upper()}': is the wnid {CAT} in another spelling. Write {CAT}"),
        ((f"{CAT} ", DOG), f"class '{CAT} ': is the wnid {CAT} in another spelling"),
        (("caf\u00e9", "cafe\u0301"), "in another spelling. Give both one name"),
    ],
)
def test_a_class_in_two_spellings_is_refused(tmp_path: Path, folders: tuple[str, str], reason: str) -> None:
    assert len({unicodedata.normalize("NFC", one) for one in folders}) <= 2
    source = folder(tmp_path / "in", {f"train/{one}/{i}.png": picture(i) for i, one in enumerate(folders)})
    with pytest.raises(BadInput, match=reason.replace(".", r"\.")):
        import_source(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_classes_that_differ_in_case_alone_are_two(tmp_path: Path) -> None:
    """Letters of an alphabet are such classes."""
    import_source(folder(tmp_path / "in", {"a/1.png": picture(1), "A/2.png": picture(2)}), tmp_path / "out")
    assert labels(tmp_path / "out") == {"1": "a", "2": "A"}


@pytest.mark.parametrize("files", [{}, {"a/.keep": b""}, {".DS_Store": b"x"}])
def test_a_folder_without_pictures_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"has no files|holds no pictures|no layout"):
        import_source(folder(tmp_path / "in", files), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_file_that_vanishes_after_the_listing_is_named(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a/1.png": picture(1), "a/2.png": picture(2)})

    def told(what: str, done: float, total: float | None, unit: str = "") -> None:
        if what == "looking":
            (source / "a" / "2.png").unlink(missing_ok=True)

    with pytest.raises(
        BadInput, match=r"2\.png: cannot be read \(No such file or directory\)|2\.png, 2: cannot be read"
    ):
        import_source(source, tmp_path / "out", progress=told)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("named", ["word", "wnid"])
def test_many_classes_of_one_picture_take_seconds(tmp_path: Path, named: str) -> None:
    from topfive.taxonomy import wordnet

    graph = wordnet()
    keys = [graph.wnid(i) if named == "wnid" else f"class {i}" for i in range(30_000)]
    for i, key in enumerate(keys):
        (tmp_path / "in" / key).mkdir(parents=True)
        (tmp_path / "in" / key / f"{i}.png").write_bytes(picture(i))
    began = time.process_time()
    report = import_source(tmp_path / "in", tmp_path / "out")
    assert time.process_time() - began < 30
    assert (report.n_images, report.n_classes, report.problems) == (30_000, 30_000, ())


def test_pictures_as_plain_bytes_in_parquet(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, kind in (("image", pa.binary()), ("jpg", pa.large_binary())):
        table = pa.table({"caption": ["x", "y"], name: pa.array([picture(1), picture(2)], kind), "label": [CAT, DOG]})
        pq.write_table(table, tmp_path / "in" / "train.parquet")
        report = import_source(tmp_path / "in", tmp_path / name)
        assert (report.problems, report.splits) == ((), {"train": 2})
        assert list(labels(tmp_path / name).values()) == [CAT, DOG]
        assert Dataset.read(tmp_path / name).manifest.column("width").tolist() == [8, 8]


def test_labels_of_shards_in_three_kinds_of_files(tmp_path: Path) -> None:
    shard = {
        "a.PNG": picture(1), "a.CLS": b"1", "b.png": picture(2), "b.Json": json.dumps({"label": CAT}).encode(),
        "c.png": picture(3), "c.txt": f"{DOG}\n".encode(), "d.png": picture(4), "d.txt": b"a dog in the grass",
        "e.png": picture(5), "e.txt": b"1",
    }  # fmt: skip
    source = folder(tmp_path / "in", {"s-train-000.tar": tar_bytes(shard), "classes.txt": f"{CAT}\n{DOG}\n".encode()})
    assert import_source(source, tmp_path / "out").problems == ()
    assert labels(tmp_path / "out") == {"a": DOG, "b": CAT, "c": DOG, "d": None, "e": None}


def test_compressed_shards_are_refused_with_the_remedy(tmp_path: Path) -> None:
    packed = gzip.compress(tar_bytes({"a.png": picture(1), "a.cls": CAT.encode()}))
    source = folder(tmp_path / "in", {"s-train-000.tar.gz": packed})
    (source / "s-train-001.tgz").write_bytes(packed)
    with pytest.raises(BadInput, match=r"compressed \(s-train-000\.tar\.gz\).*Unpack them to plain \.tar"):
        import_source(source, tmp_path / "out")
    with pytest.raises(BadInput, match=r"is compressed.*Unpack it"):
        import_source(source / "s-train-000.tar.gz", tmp_path / "out", ImportOptions())


def test_idx_of_other_numbers_than_bytes_is_refused(tmp_path: Path) -> None:
    for kind in (0x09, 0x0B, 0x0D, 0x0E):
        head = bytes([0, 0, kind, 3]) + b"".join(n.to_bytes(4, "big") for n in (1, 2, 2))
        files = {"train-images-idx3-ubyte": head + bytes(4), "train-labels-idx1-ubyte": b"\0\0\x08\1\0\0\0\1\0"}
        with pytest.raises(BadInput, match="train-images-idx3-ubyte: does not begin as an IDX file of unsigned bytes"):
            import_source(folder(tmp_path / "in", files), tmp_path / "out")
