"""Releases: the same bytes every time, whatever was killed in between, and any changed bit found and named."""

from __future__ import annotations

import errno
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset.releases import bare, manifest, picture, pictured
from topfive.dataset.exporters import formats
from topfive.dataset.release import ReleaseReport, check, export, pictures_digest, verify_release
from topfive.dataset.selection import Selection, select, write_subset
from topfive.records import UNKNOWN, BadInput, ClassList, Dataset, Manifest, WorkFailed
from toy.nightly import Count

ALL = Selection()
HOSTILE_IDS = ["a/b/c", "x.y", "..", ".hidden", "per%cent", "ä ö", "n" * 300, 'q"<>|?*:', "." * 99, "Twin", "twin"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_back(out: Path, form: str) -> str:
    """The digest of what a release holds, read without the code that wrote it."""
    classes = ClassList.read(out / "classes.tsv")
    rows: list[tuple[str, bytes, str | None, str]] = []
    if form == "folder":
        for row in pq.read_table(out / "images.parquet").to_pylist():
            split, wnid = row["file"].split("/")[:2]
            rows.append((row["image_id"], (out / row["file"]).read_bytes(), wnid, split))
    elif form == "webdataset":
        for shard in json.loads((out / "index.json").read_text())["shards"]:
            samples: dict[str, dict[str, bytes]] = {}
            with tarfile.open(out / shard["shard"]) as tar:
                for member in tar:
                    key, _, suffix = member.name.partition(".")
                    samples.setdefault(key, {})[suffix] = tar.extractfile(member).read()  # type: ignore[union-attr]
            assert len(samples) == shard["count"]
            for sample in samples.values():
                wnid = classes.wnids[int(sample["cls"])] if "cls" in sample else None
                told = json.loads(sample["json"])
                assert told["wnid"] == wnid
                rows.append((told["image_id"], sample["png"], wnid, shard["split"]))
    else:
        for path in sorted((out / "data").iterdir()):
            for row in pq.read_table(path).to_pylist():
                wnid = None if row["label"] == UNKNOWN else classes.wnids[row["label"]]
                rows.append((row["image_id"], row["image"]["bytes"], wnid, path.name.split("-")[0]))
    made = Manifest.from_columns(
        {
            "image_id": [row[0] for row in rows],
            "class_index": [UNKNOWN if row[2] is None else classes.index[row[2]] for row in rows],
            "split": [row[3] for row in rows],
        },
        classes,
    )
    from hashlib import sha256

    return pictures_digest(made, [sha256(row[1]).hexdigest() for row in rows])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    from hashlib import sha256

    return pictured(
        tmp_path_factory.mktemp("set") / "tiny", 40, sha256=[sha256(picture(i)).hexdigest() for i in range(40)]
    )


@pytest.mark.parametrize("form", formats())
def test_built_twice_is_the_same_bytes_and_reads_back_the_same(tmp_path: Path, dataset: Dataset, form: str) -> None:
    report = export(dataset, tmp_path / "a", form, ALL, per_shard=7)
    export(dataset, tmp_path / "b", form, ALL, per_shard=7)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    backwards = bare(dataset.manifest.take(np.arange(40)[::-1]), tmp_path / "backwards", dataset.about)
    (tmp_path / "backwards" / "all.bin").write_bytes((dataset.root / "all.bin").read_bytes())
    export(backwards, tmp_path / "c", form, ALL, per_shard=7)
    assert files(tmp_path / "a") == files(tmp_path / "c"), "however the manifest is ordered"
    for name in ("backwards", "c"):
        shutil.rmtree(tmp_path / name)
    assert check(tmp_path / "a") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert (report.n_images, report.n_classes, report.splits) == (40, 3, {"train": 32, "val": 8})
    assert report.pictures == pictures_digest(dataset.manifest) == read_back(tmp_path / "a", form)
    again = export(dataset, tmp_path / "a", form, ALL, per_shard=7)
    assert again == report, "an export that is done says so again"
    done = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "a", check=False)
    assert done.returncode == 0
    with pytest.raises(BadInput, match="is there already"):
        export(dataset, tmp_path / "a", form, Selection(splits=("val",)), per_shard=7)


@pytest.mark.parametrize("form", ["webdataset", "parquet", "croissant", "folder"])
def test_hostile_ids_lead_nowhere_and_come_back(tmp_path: Path, form: str) -> None:
    n = len(HOSTILE_IDS)
    dataset = pictured(tmp_path / "set", n, image_id=HOSTILE_IDS, split=["train"] * n)
    export(dataset, tmp_path / "out", form, ALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set"]
    assert check(tmp_path / "out") == []
    table = Dataset(dataset.root, dataset.manifest).manifest
    from hashlib import sha256

    digests = [sha256(picture(i)).hexdigest() for i in range(n)]
    assert read_back(tmp_path / "out", form) == pictures_digest(table, digests)


@pytest.mark.parametrize("form", formats())
def test_every_flipped_bit_is_found_and_named(tmp_path: Path, dataset: Dataset, form: str, full_count: Count) -> None:
    out = tmp_path / "out"
    export(dataset, out, form, ALL, per_shard=20)
    every = files(out)
    names = sorted(every)
    rng = np.random.default_rng(0)
    for turn in range(full_count("flipped bits", 60, 1000)):
        name = names[turn % len(names)] if turn < len(names) else names[int(rng.integers(len(names)))]
        data = bytearray(every[name])
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        (out / name).write_bytes(data)
        assert name in {problem.image_id for problem in check(out)}
        (out / name).write_bytes(every[name])
    (out / "classes.tsv").unlink()
    (out / "stray.txt").write_text("x")
    said = {problem.image_id: problem.reason for problem in check(out)}
    assert said == {
        "classes.tsv": "stands in SHA256SUMS and is not there",
        "stray.txt": "is no part of the release (SHA256SUMS does not name it)",
    }
    report = verify_release(out).to_json()
    assert (report["n_images"], report["n_classes"], report["n_problems"]) == (40, 3, 2)
    (out / "release.json").write_text("{")
    assert verify_release(out).n_images == 0
    with pytest.raises(BadInput, match="is no release"):
        check(tmp_path)


def test_hidden_labels_are_never_exported(tmp_path: Path) -> None:
    dataset = pictured(tmp_path / "set", 20)
    sealed = bare(dataset.manifest, dataset.root, dataset.about | {"sealed": {"val": {"n": 4}}})
    for form in formats():
        report = export(sealed, tmp_path / form, form, ALL)
        assert (report.splits, report.left_out) == ({"train": 16}, {"sealed": 4})
        for name in files(tmp_path / form):
            assert not any(f"i{i}." in name for i in range(16, 20))
        assert read_back(tmp_path / form, form) == _of_train(dataset)
        with pytest.raises(BadInput, match="'val' is sealed"):
            export(sealed, tmp_path / f"{form} val", form, Selection(splits=("val",)))


def _of_train(dataset: Dataset) -> str:
    from hashlib import sha256

    return pictures_digest(dataset.manifest.rows("train"), [sha256(picture(i)).hexdigest() for i in range(16)])


def test_images_without_labels(tmp_path: Path) -> None:
    dataset = pictured(tmp_path / "set", 10, class_index=[0, 1] * 4 + [UNKNOWN] * 2)
    folder = export(dataset, tmp_path / "folder", "folder", ALL)
    assert (folder.n_images, folder.left_out) == (8, {"without a label": 2})
    assert export(dataset, tmp_path / "wds", "webdataset", ALL).n_images == 10
    export(dataset, tmp_path / "parquet", "parquet", ALL)
    assert pq.read_table(tmp_path / "parquet" / "data" / "val-00000-of-00001.parquet")["label"].to_pylist() == [-1, -1]
    with pytest.raises(BadInput, match="no image has a label"):
        export(dataset, tmp_path / "x", "folder", Selection(splits=("val",)))


def test_bytes_that_have_changed_are_not_released(tmp_path: Path) -> None:
    dataset = pictured(tmp_path / "set", 5, sha256=["0" * 64] * 5)
    with pytest.raises(BadInput, match=r"image i\d: its bytes have changed.*verify"):
        export(dataset, tmp_path / "out", "webdataset", ALL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", formats())
def test_a_full_disk_is_said_and_the_same_export_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, form: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        patch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
        with pytest.raises(WorkFailed, match=r"/out: cannot be written: the disk is full .* Make room there"):
            export(dataset, tmp_path / "out", form, ALL, per_shard=7)
    assert not (tmp_path / "out").exists()
    export(dataset, tmp_path / "out", form, ALL, per_shard=7)
    export(dataset, tmp_path / "again", form, ALL, per_shard=7)
    assert files(tmp_path / "out") == files(tmp_path / "again")


def test_formats_and_numbers_that_are_none(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(BadInput, match=r"no format: 'zip'.*croissant, folder, parquet, webdataset"):
        export(dataset, tmp_path / "out", "zip", ALL)
    with pytest.raises(BadInput, match="0 images a shard"):
        export(dataset, tmp_path / "out", "parquet", ALL, per_shard=0)
    assert list(tmp_path.iterdir()) == []


def test_the_index_and_timm_s_index_fit_the_shards(tmp_path: Path, dataset: Dataset) -> None:
    import hashlib

    export(dataset, tmp_path / "out", "webdataset", ALL, per_shard=10)
    shards = json.loads((tmp_path / "out" / "index.json").read_text())["shards"]
    assert [(shard["shard"], shard["count"]) for shard in shards] == [
        *((f"tiny-train-{i:06d}.tar", n) for i, n in enumerate((10, 10, 10, 2))),
        ("tiny-val-000000.tar", 8),
    ]
    for shard in shards:
        data = (tmp_path / "out" / shard["shard"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard["bytes"], shard["sha256"])
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in tar} == {(0, 0, 0, "", 0o644)}
    info = json.loads((tmp_path / "out" / "_info.json").read_text())["splits"]
    assert (info["train"]["num_samples"], info["train"]["shard_lengths"]) == (32, [10, 10, 10, 2])


def test_the_hub_reads_the_features(tmp_path: Path, dataset: Dataset) -> None:
    export(dataset, tmp_path / "out", "parquet", ALL, per_shard=20)
    assert sorted(p.name for p in (tmp_path / "out" / "data").iterdir()) == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
        "val-00000-of-00001.parquet",
    ]
    schema = pq.read_schema(tmp_path / "out" / "data" / "val-00000-of-00001.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"names": ["c0", "c1", "c2"], "_type": "ClassLabel"}
    assert features["country"] == {"dtype": "string", "_type": "Value"}
    assert set(features) == set(schema.names)
    assert schema.field("image").type == pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlcroissant_validates_and_reads(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="pip install mlcroissant")
    columns = {"label": [f"i{i}" for i in range(40)], "a column": np.full(40, 1.5, np.float32), "tags": [["x"]] * 40}
    dataset = pictured(tmp_path / "set", 40, **columns)
    export(dataset, tmp_path / "out", "croissant", ALL, per_shard=20)
    for path in (tmp_path / "out" / "dataset.json", dataset.root / "dataset.json"):
        loaded = mlcroissant.Dataset(path)
        assert loaded.metadata.ctx.issues.errors == set()
        assert not [said for said in loaded.metadata.ctx.issues.warnings if "recommended" not in said]
    loaded = mlcroissant.Dataset(tmp_path / "out" / "dataset.json")
    records = list(loaded.records("images"))
    labels = dict(zip(dataset.manifest.ids, dataset.manifest.class_index.tolist(), strict=True))
    assert {one["images/image_id"].decode(): one["images/label"] for one in records} == labels
    assert {one["images/image"].size for one in records} == {(8, 6)}
    for one in records:
        assert (one["images/own_label"], one["images/a_column"]) == (one["images/image_id"], 1.5)
    assert [one["classes/wnid"] for one in loaded.records("classes")] == ["c0", "c1", "c2"]


def test_subsets_are_chosen_by_hash_and_stay_as_the_set_grows(tmp_path: Path) -> None:
    small = bare(manifest(300, 10), tmp_path / "small")
    grown = bare(manifest(400, 10), tmp_path / "grown")
    wanted = Selection(n_classes=4, max_per_class=5, seed=3)
    made, left_out = write_subset(small, tmp_path / "a", wanted)
    assert np.bincount(made.manifest.class_index).tolist() == [5] * 4
    assert left_out == {"other classes": 180, "over the limit": 100}
    more = select(grown, wanted).manifest
    assert more.classes == made.classes
    old = {one for one in more.ids if int(one[1:]) < 300}
    assert old <= set(made.manifest.ids), "growth brings new ones in, and exchanges no old ones"
    keys = [wnid for wnid in small.classes.wnids if wnid in made.classes.wnids]
    assert tuple(keys) == made.classes.wnids, "in the set's order"
    labels = {one: f"c{int(one[1:]) % 10}" for one in made.manifest.ids}
    assert [made.classes.wnids[i] for i in made.manifest.class_index] == list(labels.values())
    for wrong, reason in (
        (Selection(classes=("c1", "zebra")), "no class 'zebra'"),
        (Selection(n_classes=11), "11 of 10 classes with images"),
        (Selection(max_per_class=0), "0 images a class"),
        (Selection(splits=("dev",)), "no images in split 'dev'"),
    ):
        with pytest.raises(BadInput, match=reason):
            select(small, wrong)


def test_two_at_once_do_not_mix(tmp_path: Path, dataset: Dataset) -> None:
    from topfive.records import growing_folder

    with growing_folder(tmp_path / "out", "another"):
        with pytest.raises(BadInput, match="another process"):
            export(dataset, tmp_path / "out", "parquet", ALL)
    assert isinstance(export(dataset, tmp_path / "fresh", "parquet", ALL), ReleaseReport)
