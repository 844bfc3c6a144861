"""The official ILSVRC2012 archives in small: nothing is extracted, every byte is where the manifest says, labels join
by name."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from topfive.dataset import (
    ImportOptions,
    ImportReport,
    Selection,
    SplitRule,
    TwinRecipe,
    divide,
    import_source,
    make_twin,
    read_to_verify,
    verify,
    write_subset,
)
from topfive.dataset.boxes import boxes_of
from topfive.loading import Pictures
from topfive.records import UNKNOWN, BadInput, Dataset
from topfive.taxonomy import ilsvrc_classes
from toy.archives import kit, kit_ids, numbered, picture, tar_bytes, train_tar, voc, write_official
from toy.nightly import Count

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
TEST, KIT = "ILSVRC2012_img_test_v10102019.tar", "ILSVRC2012_devkit_t12.tar.gz"
UNREAD = ImportOptions(read=False)
# Not in order of wnid, so that an order taken from the archive would show.
A, B, C = "n02123045", "n01440764", "n15075141"


def pictures(first: int, n: int) -> list[bytes]:
    return [picture(first + i) for i in range(n)]


@pytest.fixture(scope="module")
def lying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four archives: 12 training pictures of three classes, 5 of val, 3 of test."""
    train = {A: pictures(0, 5), B: pictures(10, 4), C: pictures(20, 3)}
    val = [(wnid, picture(30 + i)) for i, wnid in enumerate((C, A, B, C, A))]
    return write_official(tmp_path_factory.mktemp("official") / "ILSVRC", train, val, pictures(40, 3))


@pytest.fixture
def archives(lying: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(lying, tmp_path / "ILSVRC"))


def reasons(report: ImportReport) -> dict[str, str]:
    return {problem.image_id: problem.reason for problem in report.problems}


def test_every_picture_is_read_in_place(lying: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in lying.iterdir()}
    report = import_source(lying, tmp_path / "out", UNREAD)
    assert report.splits == {"train": 12, "val": 5, "test": 3}
    assert report.n_classes == 3
    assert not report.read
    assert reasons(report) == {"val": "has 5 of 50000 pictures", "test": "has 3 of 100000 pictures"}
    assert {path: path.stat().st_mtime_ns for path in lying.iterdir()} == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "SHA256SUMS",
        "classes.tsv",
        "dataset.json",
        "manifest.parquet",
    }
    dataset = Dataset.read(tmp_path / "out")
    assert dataset.classes == ilsvrc_classes(), "always all 1,000 in order of wnid"
    assert dataset.manifest.ids[:5] == (f"{B}_19", f"{B}_22", f"{B}_25", f"{B}_28", f"{A}_23")
    assert dataset.manifest.column("sha256").tolist() == [""] * 20
    assert dataset.manifest.column("width").tolist() == [0] * 20
    held = Pictures(dataset, dataset.manifest)
    got = {image_id: held.read(row) for row, image_id in enumerate(dataset.manifest.ids)}
    assert got[f"{A}_35"] == picture(0)
    assert got[f"{A}_23"] == picture(4)
    assert got[f"{B}_28"] == picture(10)
    assert got[f"{C}_21"] == picture(20)
    assert [got[f"ILSVRC2012_val_{i:08d}"] for i in range(1, 6)] == pictures(30, 5)
    assert [got[f"ILSVRC2012_test_{i:08d}"] for i in range(1, 4)] == pictures(40, 3)
    label = dict(zip(dataset.manifest.ids, dataset.manifest.class_index.tolist(), strict=True))
    index = ilsvrc_classes().index
    assert [label[f"ILSVRC2012_val_{i:08d}"] for i in range(1, 6)] == [index[w] for w in (C, A, B, C, A)]
    assert (label[f"{A}_35"], label[f"{C}_21"]) == (index[A], index[C])
    assert {label[f"ILSVRC2012_test_{i:08d}"] for i in range(1, 4)} == {UNKNOWN}
    assert all(kit_ids()[i] != wnid for i, wnid in enumerate(ilsvrc_classes().wnids)), "an ID is never an index"
    about = {entry["name"]: entry for entry in dataset.about["distribution"]}
    assert about[TRAIN]["contentSize"] == f"{(lying / TRAIN).stat().st_size} B"
    assert about[TRAIN]["md5"] == "1d675b47d978889d74fa0da5fadfb00e"
    assert about[KIT]["sha256"] == hashlib.sha256((lying / KIT).read_bytes()).hexdigest()


def test_reading_at_once_gives_what_verify_fills_in(
    lying: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in lying.iterdir()}
    monkeypatch.setattr("topfive.dataset.import_.PUBLISHED_MD5", published)
    import_source(lying, tmp_path / "read")
    import_source(lying, tmp_path / "unread", UNREAD)
    unread = Dataset.read(tmp_path / "unread")
    other = verify(unread, fill=True)
    assert other.n_filled == 0, "what is not the published archive is not written down"
    assert {TRAIN, VAL, TEST} < {problem.image_id for problem in other.problems}
    report = verify(unread, fill=True, published=published)
    assert report.n_filled == 20
    filled = Dataset.read(tmp_path / "unread")
    assert filled.manifest.digest == Dataset.read(tmp_path / "read").manifest.digest
    assert filled.about["distribution"][0]["sha256"] == hashlib.sha256((lying / TRAIN).read_bytes()).hexdigest()
    again = verify(filled, fill=True, published=published)
    assert again.n_filled == 0
    assert again.problems == report.problems
    assert {p.image_id for p in again.problems} == {"val", "test"}


@pytest.mark.parametrize(
    "names",
    [c for n in (1, 2, 3) for c in itertools.combinations((TRAIN, VAL, TEST), n)],
    ids="+".join,
)
def test_any_of_the_archives(lying: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "some").mkdir()
    for name in (*names, KIT):
        (tmp_path / "some" / name).symlink_to(lying / name)
    report = import_source(tmp_path / "some", tmp_path / "out", UNREAD)
    counts = {TRAIN: ("train", 12), VAL: ("val", 5), TEST: ("test", 3)}
    assert report.splits == dict(counts[name] for name in names)
    assert len(reasons(report)) == len({VAL, TEST} & set(names))
    alone = import_source(lying / names[0], tmp_path / "alone", UNREAD)
    assert alone.splits == dict([counts[names[0]]]), "one archive by its own path, the kit beside it"


@pytest.mark.parametrize("kind", ["ustar", "gnu", "pax"])
def test_however_the_archives_were_written(lying: Path, tmp_path: Path, kind: str) -> None:
    train = {A: pictures(0, 5), B: pictures(10, 4), C: pictures(20, 3)}
    val = [(wnid, picture(30 + i)) for i, wnid in enumerate((C, A, B, C, A))]
    import_source(write_official(tmp_path / "s", train, val, pictures(40, 3), kind), tmp_path / "a")
    import_source(lying, tmp_path / "b")
    a, b = (Dataset.read(tmp_path / name).manifest.table.drop_columns(["container", "offset"]) for name in "ab")
    assert a == b


@pytest.mark.skipif(shutil.which("tar") is None, reason="no GNU tar here: apt-get install -y tar")
@pytest.mark.parametrize("kind", ["gnu", "ustar", "posix", "v7"])
def test_archives_of_gnu_tar(tmp_path: Path, kind: str) -> None:
    work = tmp_path / "work"
    for wnid, first in ((B, 0), (C, 10)):
        (work / wnid).mkdir(parents=True)
        for i in range(3):
            (work / wnid / f"{wnid}_{i}.JPEG").write_bytes(picture(first + i))
        names = [f"{wnid}_{i}.JPEG" for i in range(3)]
        command = ["tar", f"--format={kind}", "-cf", f"{wnid}.tar", "-C", wnid, *names]
        subprocess.run(command, cwd=work, check=True)
    (tmp_path / "s").mkdir()
    command = ["tar", f"--format={kind}", "-cf", str(tmp_path / "s" / TRAIN), f"{B}.tar", f"{C}.tar"]
    subprocess.run(command, cwd=work, check=True)
    report = import_source(tmp_path / "s", tmp_path / "out")
    assert report.problems == ()
    dataset = Dataset.read(tmp_path / "out")
    held = Pictures(dataset, dataset.manifest)
    assert [held.read(i) for i in range(6)] == [*pictures(0, 3), *pictures(10, 3)]


def test_val_without_its_kit(archives: Path, tmp_path: Path) -> None:
    elsewhere = shutil.move(archives / KIT, tmp_path / KIT)
    with pytest.raises(BadInput, match=rf"{VAL}: has no labels.*Put {KIT} beside it, or name it with --devkit"):
        import_source(archives, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    report = import_source(archives, tmp_path / "out", ImportOptions(devkit=Path(elsewhere)))
    assert report.splits["val"] == 5
    with gzip.open(elsewhere) as packed:
        (tmp_path / "kit.tar").write_bytes(packed.read())
    subprocess.run(["tar", "-xf", str(tmp_path / "kit.tar"), "-C", str(archives)], check=True)
    again = import_source(archives, tmp_path / "unpacked")
    assert again.problems == report.problems
    a, b = (Dataset.read(tmp_path / name).manifest.digest for name in ("out", "unpacked"))
    assert a == b


def test_counts_and_names_that_do_not_fit_are_named(lying: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(lying, tmp_path / "s"))
    (root / KIT).write_bytes(kit({A: 5, B: 6, C: 3, "n01443537": 9, "n01484850": 9}, [C, A, B, C, A]))
    odd = [*numbered("val", pictures(30, 5)), ("ILSVRC2012_val_00050001.JPEG", picture(1)), ("x.JPEG", picture(2))]
    (root / VAL).write_bytes(tar_bytes([*odd, ("readme.txt", b"")]))
    (root / TRAIN).write_bytes(
        train_tar({A: pictures(0, 5), B: pictures(10, 4), C: pictures(20, 3)})[:-1024] + tar_bytes([("n1.tar", b"")])
    )
    (root / "notes.txt").write_text("mine")
    (root / "ILSVRC2012_img_train_t3.tar").write_bytes(tar_bytes([]))
    report = import_source(root, tmp_path / "out", UNREAD)
    assert reasons(report) == {
        "ILSVRC2012_img_train_t3.tar": "is no official archive of pictures: left out",
        "notes.txt": "is no official archive of pictures: left out",
        "n1.tar": "is no tar of a class: left out",
        "readme.txt": "is no picture: left out",
        "ILSVRC2012_val_00050001.JPEG": "is not named as a picture of val: left out",
        "x.JPEG": "is not named as a picture of val: left out",
        "train": "has no pictures of 2 classes (n01443537, n01484850)",
        B: "has 4 training pictures, and meta.mat of the kit says 6",
        "val": "has 5 of 50000 pictures",
        "test": "has 3 of 100000 pictures",
    }


def test_a_class_of_another_year_is_refused(archives: Path, tmp_path: Path) -> None:
    (archives / TRAIN).write_bytes(train_tar({"n02084071": pictures(0, 1)}))
    with pytest.raises(BadInput, match=r"n02084071\.tar: is none of the 1,000 classes"):
        import_source(archives, tmp_path / "out")


def test_damage_in_an_archive_within_is_named_with_it(archives: Path, tmp_path: Path) -> None:
    raw = bytearray((archives / TRAIN).read_bytes())
    at = raw.index(f"{C}_15.JPEG".encode())
    raw[at + 3] ^= 1
    (archives / TRAIN).write_bytes(raw)
    with pytest.raises(BadInput, match=rf"{TRAIN}, {C}\.tar: is damaged: the block at byte {at} has no right header"):
        import_source(archives, tmp_path / "out")
    cut = train_tar({B: pictures(0, 2)})
    inner = tar_bytes([(f"{B}.tar", tar_bytes([(f"{B}_1.JPEG", picture(0))])[:-1024])])
    for data, reason in ((cut[:-2048], "cut short"), (inner, rf"{B}\.tar: is cut short"), (cut[:-1024] + cut, "twice")):
        (archives / TRAIN).write_bytes(data)
        with pytest.raises(BadInput, match=reason):
            import_source(archives, tmp_path / "out")
    (archives / TRAIN).write_bytes(tar_bytes([(f"{B}.tar", b"")]))
    with pytest.raises(BadInput, match=rf"{B}\.tar: is empty"):
        import_source(archives, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_archives_within_archives_go_two_deep_and_no_deeper(archives: Path, tmp_path: Path) -> None:
    deep = tar_bytes([(f"{B}_1.JPEG", picture(0)), ("more.tar", tar_bytes([("x.JPEG", picture(1))]))])
    (archives / TRAIN).write_bytes(tar_bytes([(f"{B}.tar", deep)]))
    report = import_source(archives, tmp_path / "out")
    assert report.splits["train"] == 1
    assert reasons(report)[f"{B}.tar/more.tar"] == "is no picture: left out"


BOXES_VAL, BOXES_TRAIN = "ILSVRC2012_bbox_val_v3.tgz", "ILSVRC2012_bbox_train_v2.tar.gz"


def test_boxes_stand_beside_the_manifest(archives: Path, tmp_path: Path) -> None:
    first, second = "ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002"
    val = [
        (f"val/{first}.xml", voc(first, [(C, 10, 20, 30, 40), (C, 1, 1, 500, 375)])),
        (f"val/{second}.xml", voc("%s", [])),
        ("val/ILSVRC2012_val_00000009.xml", voc("", [(A, 1, 2, 3, 4)])),
        ("val/readme", b"hello"),
        ("val/ILSVRC2012_val_00000003.xml", b"<annotation><size>"),
    ]
    (archives / BOXES_VAL).write_bytes(gzip.compress(tar_bytes(val)))
    train = [(f"{A}/{A}_35.xml", voc("%s", [(A, 5, 6, 7, 8)]))]
    (archives / BOXES_TRAIN).write_bytes(gzip.compress(tar_bytes(train, "gnu")))
    report = import_source(archives, tmp_path / "out", UNREAD)
    assert reasons(report) | {"val": "", "test": ""} == {
        "val/readme": "is no annotation: left out",
        "val/ILSVRC2012_val_00000003.xml": "is no whole XML (no element found: line 1, column 18): left out",
        "boxes.parquet": "leaves out 1 boxes of pictures that are not in the set",
        "val": "",
        "test": "",
    }
    rows = pq.read_table(tmp_path / "out" / "boxes.parquet").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (first, C, 1, 1, 500, 375, 500, 375),
        (first, C, 10, 20, 30, 40, 500, 375),
        (f"{A}_35", A, 5, 6, 7, 8, 500, 375),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>', "document type"),
        ('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><annotation/>'.encode("utf-16"), "document type"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><annotation/>', "document type"),
        (b"<annotation>&x;</annotation>", "no whole XML"),
        (b"<a>" * 40 + b"</a>" * 40, "16 deep"),
        (b"", "no whole XML"),
        (b"\xff\xd8\xff", "no whole XML"),
        (b"<annotation/>", "no number of pixels as size/width"),
        (voc("x", [("n", 5, 1, 4, 1)]), "no area"),
        (voc("x", [("n", -5, 1, 4, 1)]), "as bndbox/xmin"),
        (voc("x", [("n", 1, 1, 10**9, 1)]), "as bndbox/xmax"),
        (voc("x", [("n", 1, 1, 2, 2)]).replace(b"<ymax>2", b"<ymax>2.5"), "as bndbox/ymax"),
    ],
)
def test_annotations_that_are_none(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(boxes_of("x", data))


def test_boxes_that_are_damaged_or_a_bomb(archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(tar_bytes([("val/ILSVRC2012_val_00000001.xml", voc("x", [(C, 1, 2, 3, 4)]))]))
    hurt = bytearray(whole)
    hurt[len(whole) // 2] ^= 64
    checksum = bytearray(whole)
    checksum[-6] ^= 1
    for data, reason in (
        (whole[:-9], "cut short"),
        (bytes(hurt), "damaged"),
        (bytes(checksum), "damaged"),
        (b"x", "gz"),
    ):
        (archives / BOXES_VAL).write_bytes(data)
        with pytest.raises(BadInput, match=reason):
            import_source(archives, tmp_path / "out")
    monkeypatch.setattr("topfive.dataset.boxes._UNPACKED", 1 << 20)
    (archives / BOXES_VAL).write_bytes(gzip.compress(tar_bytes([("val/x.xml", bytes(2 << 20))])))
    with pytest.raises(BadInput, match="unpacks to more than the 1048576 bytes allowed"):
        import_source(archives, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_real_kit(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / VAL).write_bytes(tar_bytes(numbered("val", pictures(0, 10))))
    (tmp_path / "s" / KIT).symlink_to(shared / "data" / KIT)
    report = import_source(tmp_path / "s", tmp_path / "out")
    assert reasons(report) == {"val": "has 10 of 50000 pictures"}
    dataset = Dataset.read(tmp_path / "out")
    assert dataset.manifest.class_index.tolist() == [65, 970, 230, 809, 516, 57, 334, 415, 674, 332]
    found = {problem.image_id: problem.reason for problem in verify(dataset).problems}
    assert found.keys() == {VAL, "val"}, "the kit's MD5 is the published one; the made-up archive's is not"
    assert "is not the published archive: its MD5 is" in found[VAL]
    moved = dataset.manifest.with_column("class_index", np.roll(dataset.manifest.class_index, 1))
    wrong = {problem.image_id for problem in verify(Dataset(dataset.root, moved, dataset.about)).problems}
    assert len(wrong) == 12, "labels that are not the kit's are named"


def test_one_flipped_bit_anywhere_is_found(archives: Path, tmp_path: Path, full_count: Count) -> None:
    (archives / BOXES_VAL).write_bytes(
        gzip.compress(tar_bytes([("val/ILSVRC2012_val_00000001.xml", voc("x", [(C, 1, 2, 3, 4)]))]))
    )
    out = tmp_path / "out"
    import_source(archives, out)
    as_it_is = set(verify(Dataset.read(out), published={}).problems)
    rng = np.random.default_rng(0)
    files = [*archives.iterdir(), *out.iterdir()]
    assert len(files) == 10
    flips = full_count("flipped bits in each of 10 files", 4, 100)
    for path in files:
        whole = path.read_bytes()
        for _ in range(flips):
            at = int(rng.integers(len(whole)))
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(rng.integers(8))]) + whole[at + 1 :])
            try:
                found = set(verify(read_to_verify(out), published={}).problems) - as_it_is
                assert any(path.name in (p.image_id, *p.reason.split()) for p in found), (path.name, at)
            except BadInput as error:
                assert path.name in str(error), (path.name, at)
        path.write_bytes(whole)


@pytest.mark.slow
def test_archives_made_of_the_twin(tmp_path: Path) -> None:
    recipe = TwinRecipe(classes=4, train=6, val=3, test=3, size=48, leaks=0, seed=1)
    twin = make_twin(tmp_path / "twin", recipe)
    held = {split: Pictures(twin, twin.manifest.rows(split)) for split in ("train", "val", "test")}
    wnids = {split: [twin.classes.wnids[i] for i in twin.manifest.rows(split).class_index] for split in held}
    read = {split: [pictures.read(i) for i in range(len(pictures))] for split, pictures in held.items()}
    train: dict[str, list[bytes]] = {}
    for wnid, data in zip(wnids["train"], read["train"], strict=True):
        train.setdefault(wnid, []).append(data)
    val = list(zip(wnids["val"], read["val"], strict=True))
    root = write_official(tmp_path / "official", train, val, read["test"])
    report = import_source(root, tmp_path / "out")
    assert report.splits == twin.manifest.splits()
    dataset = Dataset.read(tmp_path / "out")
    again = Pictures(dataset, dataset.manifest.rows("val"))
    assert [again.read(i) for i in range(len(again))] == read["val"]
    assert [dataset.classes.wnids[i] for i in dataset.manifest.rows("val").class_index] == wnids["val"]
    assert {problem.image_id for problem in verify(dataset, published={}).problems} == {"val", "test"}


def test_what_dataset_json_says_is_json(lying: Path, tmp_path: Path) -> None:
    import_source(lying, tmp_path / "out", UNREAD)
    about = json.loads((tmp_path / "out" / "dataset.json").read_text())
    ids = [node["@id"] for node in about["distribution"]]
    assert len(ids) == len(set(ids))


def test_a_part_or_a_new_division_is_not_compared_with_the_counts_of_the_kit(lying: Path, tmp_path: Path) -> None:
    import_source(lying, tmp_path / "set")
    whole = read_to_verify(tmp_path / "set")
    assert "val" in {problem.image_id for problem in verify(whole, published={}).problems}
    chosen = (whole.classes.wnids[int(whole.manifest.class_index[0])],)
    part, _ = write_subset(whole, tmp_path / "part", Selection(classes=chosen))
    divide(whole, tmp_path / "divided", SplitRule(of="train"))
    for made in (part, read_to_verify(tmp_path / "divided")):
        assert verify(made, published={}).problems == ()
