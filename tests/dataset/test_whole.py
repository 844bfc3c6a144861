"""The whole ImageNet in small: a tar, a folder or a compressed tar of synset tars, all of them or a list."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from topfive.dataset import ImportOptions, import_source
from topfive.loading import Pictures
from topfive.records import BadInput, ClassList, Dataset, Manifest
from toy.archives import picture, tar_bytes, train_tar

# A leaf of ILSVRC, a synset that is none, and a person.
A, B, C = "n02123045", "n02084071", "n09835506"
CLASSES = {A: [picture(0), picture(1)], B: [picture(2)], C: [picture(3), picture(4), picture(5)]}


def held(out: Path) -> dict[str, tuple[str, bytes]]:
    """Class and bytes of each picture."""
    dataset = Dataset.read(out)
    pictures = Pictures(dataset, dataset.manifest)
    wnids = [dataset.classes.wnids[i] for i in dataset.manifest.class_index]
    return {
        image_id: (wnid, pictures.read(row))
        for row, (image_id, wnid) in enumerate(zip(dataset.manifest.ids, wnids, strict=True))
    }


EVERY = {
    f"{wnid}_{7 * len(pictures) - 3 * place}": (wnid, data)
    for wnid, pictures in CLASSES.items()
    for place, data in enumerate(pictures)
}


def folder_of_tars(root: Path) -> Path:
    root.mkdir()
    for wnid, pictures in CLASSES.items():
        names = [(f"{wnid}_{7 * len(pictures) - 3 * place}.JPEG", data) for place, data in enumerate(pictures)]
        (root / f"{wnid}.tar").write_bytes(tar_bytes(names))
    return root


@pytest.mark.parametrize("kind", ["fall11_whole.tar", "renamed.tar", "folder", "folder of it", "below a folder"])
def test_a_tar_or_folder_of_synset_tars(tmp_path: Path, kind: str) -> None:
    source = tmp_path / kind
    if kind == "folder":
        folder_of_tars(source)
    elif kind == "folder of it":
        source.mkdir()
        (source / "fall11_whole.tar").write_bytes(train_tar(CLASSES))
    elif kind == "below a folder":
        source.write_bytes(
            tar_bytes([(f"{kind}/{p.name}", p.read_bytes()) for p in folder_of_tars(tmp_path / "s").iterdir()])
        )
    else:
        source.write_bytes(train_tar(CLASSES))
    report = import_source(source, tmp_path / "out", ImportOptions(split="train"))
    assert report.problems == ()
    assert report.splits == {"train": 6}
    assert report.layout.startswith("the whole ImageNet")
    assert held(tmp_path / "out") == EVERY
    assert Dataset.read(tmp_path / "out").classes.wnids == (B, A, C), "in order of wnid"
    assert not (tmp_path / "out" / "shards").exists()


@pytest.mark.parametrize("form", ["list", "classes.tsv"])
def test_a_list_of_synsets_sets_the_classes_and_their_order(tmp_path: Path, form: str) -> None:
    (tmp_path / "fall11_whole.tar").write_bytes(train_tar(CLASSES))
    wnids = (C, "n02084732", A)
    if form == "list":
        (tmp_path / form).write_text(f"{C} ballplayer\n\nn02084732\tpooch\n{A}\n")
    else:
        ClassList(wnids, ("x", "y", "z")).write(tmp_path / form)
    options = ImportOptions(classes=tmp_path / form)
    report = import_source(tmp_path / "fall11_whole.tar", tmp_path / "out", options)
    assert [tuple(problem) for problem in report.problems] == [
        ("n02084732", "is not in the source: a class without pictures")
    ]
    assert Dataset.read(tmp_path / "out").classes.wnids == wnids
    assert held(tmp_path / "out") == {name: one for name, one in EVERY.items() if one[0] != B}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no class"),
        ("tabby\n", "class 'tabby': is no wnid"),
        (f"{A}\n{A}\n", "stands twice"),
        ("n00000001\n", "n00000001: is no noun synset"),
        ("n02084732\n", "holds none of the classes asked for"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "fall11_whole.tar").write_bytes(train_tar(CLASSES))
    (tmp_path / "list").write_text(text)
    with pytest.raises(BadInput, match=reason):
        import_source(tmp_path / "fall11_whole.tar", tmp_path / "out", ImportOptions(classes=tmp_path / "list"))
    with pytest.raises(BadInput, match="none: is not there"):
        import_source(tmp_path / "fall11_whole.tar", tmp_path / "out", ImportOptions(classes=tmp_path / "none"))
    assert not (tmp_path / "out").exists()


def test_what_is_no_synset_tar_is_named(tmp_path: Path) -> None:
    data = train_tar(CLASSES)[:-1024] + tar_bytes([("readme.txt", b"x"), ("../n02084732.tar", b"")])
    (tmp_path / "x.tar").write_bytes(data)
    report = import_source(tmp_path / "x.tar", tmp_path / "out")
    assert {tuple(problem) for problem in report.problems} == {
        ("readme.txt", "is no tar of a synset: left out"),
        ("../n02084732.tar", "has a name that leads out of the archive (..): left out"),
    }
    twice = [(f"{top}/{A}.tar", tar_bytes([("x.JPEG", picture(0))])) for top in "ab"]
    (tmp_path / "y.tar").write_bytes(tar_bytes(twice))
    with pytest.raises(BadInput, match=rf"holds {A}\.tar twice"):
        import_source(tmp_path / "y.tar", tmp_path / "other")


def test_a_compressed_archive_is_unpacked_only_when_told(tmp_path: Path) -> None:
    source = tmp_path / "winter21_whole.tar.gz"
    source.write_bytes(gzip.compress(train_tar(CLASSES)))
    with pytest.raises(BadInput, match=r"is compressed.*--unpack writes"):
        import_source(source, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name]
    report = import_source(source, tmp_path / "out", ImportOptions(split="train", unpack=True))
    assert report.problems == ()
    assert sorted(p.name for p in (tmp_path / "out" / "shards").iterdir()) == sorted(f"{w}.tar" for w in CLASSES)
    source.unlink()
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    assert held(moved) == EVERY, "its pictures are its own"
    assert set(Dataset.read(moved).manifest.column("container")) == {f"shards/{wnid}.tar" for wnid in CLASSES}


def test_a_list_limits_what_is_unpacked(tmp_path: Path) -> None:
    source = tmp_path / "winter21_whole.tar.gz"
    source.write_bytes(gzip.compress(train_tar(CLASSES)))
    (tmp_path / "list").write_text(f"{C}\n")
    options = ImportOptions(unpack=True, classes=tmp_path / "list")
    import_source(source, tmp_path / "out", options)
    assert [p.name for p in (tmp_path / "out" / "shards").iterdir()] == [f"{C}.tar"]
    assert held(tmp_path / "out") == {name: one for name, one in EVERY.items() if one[0] == C}


def test_a_damaged_compressed_archive_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "winter21_whole.tar.gz"
    whole = gzip.compress(train_tar(CLASSES))
    raw = train_tar(CLASSES)
    cases = {
        "cut short": whole[: len(whole) // 2],
        "damaged": whole[:-8] + bytes(8),
        "it has no end marker": gzip.compress(raw[:-1024]),
        "data follow at byte": gzip.compress(raw + raw),
        "no right header": gzip.compress(b"x" * 2048),
        "twice": gzip.compress(raw[:-1024] + raw),
        "cut short: it has": gzip.compress(tar_bytes([(f"{A}.tar", tar_bytes([("x.JPEG", picture(0))])[:-1024])])),
    }
    for reason, data in cases.items():
        source.write_bytes(data)
        with pytest.raises(BadInput, match=reason):
            import_source(source, tmp_path / "out", ImportOptions(unpack=True))
        assert [path.name for path in tmp_path.iterdir()] == [source.name], reason


def test_the_same_rows_from_the_tar_and_the_compressed_one(tmp_path: Path) -> None:
    (tmp_path / "fall11_whole.tar").write_bytes(train_tar(CLASSES))
    (tmp_path / "fall11_whole.tgz").write_bytes(gzip.compress(train_tar(CLASSES, "pax")))
    options = ImportOptions(split="train", unpack=True)
    found: list[Manifest] = []
    for kind in ("tar", "tgz"):
        import_source(tmp_path / f"fall11_whole.{kind}", tmp_path / kind, options)
        found.append(Dataset.read(tmp_path / kind).manifest)
    a, b = (manifest.table.drop_columns(["container", "offset"]) for manifest in found)
    assert a == b
