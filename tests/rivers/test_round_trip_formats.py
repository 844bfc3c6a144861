"""A set exported in any format and imported again has the same ids, bytes, labels, classes and splits."""

from __future__ import annotations

import io
import json
import re
import tarfile
import tempfile
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.releases import picture, pictured
from topfive.dataset import ImportOptions, import_source, verify
from topfive.dataset.exporters import formats
from topfive.dataset.release import export, pictures_digest
from topfive.dataset.selection import Selection
from topfive.records import COLUMNS, SPLITS, UNKNOWN, BadInput, ClassList, Dataset, Manifest
from toy.nightly import Count

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


def with_columns(root: Path) -> Dataset:
    """Ten images in the given order of classes, with groups, a licence, and columns of several types."""
    dataset = in_class_order(root, 10, image_id=["a/b", "a.b", "A.B", *(f"i {i}" for i in range(7))])
    rows = dataset.manifest.with_column("group", ["g"] * 5 + ["h"] * 5).with_column(
        "year", pa.array(range(10), pa.int8())
    )
    rows.write(root / "manifest.parquet")
    return Dataset.read(root)


def test_a_shard_by_itself_brings_back_what_json_can_hold(tmp_path: Path) -> None:
    dataset = with_columns(tmp_path / "set")
    export(dataset, tmp_path / "release", "webdataset", Selection())
    back = import_source(tmp_path / "release" / "tiny-train-000000.tar", tmp_path / "back")
    assert back.problems == ()
    again = Dataset.read(tmp_path / "back").manifest
    was = dataset.manifest.rows("train")
    assert set(again.ids) == set(was.ids)
    assert again.source.schema.field("year").type == pa.int64(), "JSON has one kind of whole number"
    for name in ("sha256", "group", "licence", "country", "year"):
        then, now = (dict(zip(one.ids, one.column(name), strict=True)) for one in (was, again))
        assert now == then, name
    keys = [dict(zip(one.ids, (one.classes.wnids[i] for i in one.class_index), strict=True)) for one in (was, again)]
    assert keys[0] == keys[1]


def test_a_release_at_a_url_comes_back_whole(tmp_path: Path) -> None:
    dataset = with_columns(tmp_path / "set")
    export(dataset, tmp_path / "release", "webdataset", Selection())
    store = fsspec.filesystem("memory")
    for path in (tmp_path / "release").iterdir():
        store.pipe_file(f"/released/{path.name}", path.read_bytes())
    assert import_source("memory://released", tmp_path / "back").problems == ()
    again = Dataset.read(tmp_path / "back")
    assert again.classes == dataset.classes
    assert beside_the_place(again.manifest) == beside_the_place(dataset.manifest)


def test_json_that_is_no_text_is_no_release(tmp_path: Path) -> None:
    told = dict.fromkeys(("source", "licence", "sha256", "wnid"), "z") | {"image_id": "\ud800", "split": "val"}
    told |= {"group": "g", "width": 1, "height": 1}
    with tarfile.open(tmp_path / "s-000.tar", "w") as tar:
        for name, data in (("x.png", picture(1)), ("x.json", json.dumps(told).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    import_source(tmp_path / "s-000.tar", tmp_path / "out")
    assert Dataset.read(tmp_path / "out").manifest.ids == ("x",)


def test_json_of_strangers_is_no_release(tmp_path: Path) -> None:
    """Much of it looks alike: LAION's has key, sha256, width and height."""
    told = {"image_id": "mine", "split": "test", "sha256": "0" * 64, "width": 1, "height": 1, "group": "g", "wnid": "z"}
    with tarfile.open(tmp_path / "s-000.tar", "w") as tar:
        for name, data in (("x.png", picture(1)), ("x.json", json.dumps(told).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    assert import_source(tmp_path / "s-000.tar", tmp_path / "out").problems == ()
    manifest = Dataset.read(tmp_path / "out").manifest
    assert (manifest.ids, manifest.splits(), manifest.column("group").tolist()) == (("x",), {"val": 1}, ["x"])
    assert manifest.column("width").tolist() == [8]
    assert manifest.source.column_names == list(COLUMNS)


@pytest.mark.parametrize("form", formats())
def test_bytes_that_have_changed_since_the_release_are_named(tmp_path: Path, form: str) -> None:
    dataset = with_columns(tmp_path / "set")
    export(dataset, tmp_path / "release", form, Selection())
    here, there = picture(3), picture(4)
    hurt = 0
    for path in (tmp_path / "release").rglob("*"):
        if path.is_file() and path.suffix in (".png", ".tar") and here in (data := path.read_bytes()):
            path.write_bytes(data.replace(here, there))
            hurt += 1
        elif path.is_file() and path.parent.name == "data" and here in path.read_bytes():
            table = pq.read_table(path)
            rows = [row | {"bytes": row["bytes"].replace(here, there)} for row in table["image"].to_pylist()]
            pq.write_table(table.set_column(0, "image", pa.array(rows, table.schema.field("image").type)), path)
            hurt += 1
    assert hurt == 1 and len(here) == len(there)
    back = import_source(tmp_path / "release", tmp_path / "back")
    [problem] = back.problems
    assert problem.image_id == "i 0"
    assert re.match(r"its bytes have changed \(SHA-256 \w{12}, released as \w{12}\)", problem.reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"group": None}, "lacks the column 'group'"),
        ({"width": pa.array(["wide"] * 10)}, "column 'width' is string, not int32"),
        ({"image_id": pa.array(range(10))}, "column 'image_id' is int64"),
        ({"split": pa.array([None] * 10, pa.string())}, "column 'split' is string or has empty cells"),
    ],
)
def test_an_index_that_is_not_as_it_was_written_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    for form in ("folder", "webdataset"):
        export(with_columns(tmp_path / f"{form} set"), tmp_path / form, form, Selection())
        table = pq.read_table(tmp_path / form / "images.parquet")
        for name, values in change.items():
            at = table.schema.get_field_index(name)
            table = table.remove_column(at) if values is None else table.set_column(at, name, values)
        pq.write_table(table, tmp_path / form / "images.parquet")
        with pytest.raises(BadInput, match=f"{reason}.*verify"):
            import_source(tmp_path / form, tmp_path / "no")
        assert not (tmp_path / "no").exists()


HOSTILE = [
    "train/a/1",
    "x.y",
    "..",
    ".hidden",
    "per%cent",
    "ä ö",
    "n" * 200,
    'q"<>|?*:',
    "Twin",
    "twin",
    "e\u0301",
    "\u00e9",
]
KEYS = ["n02124075", "z", "n01440764", "a/b", "7", "Zed", "zed", "ä ö"]
IDS = st.sampled_from(HOSTILE) | st.text("aA./% _-ß猫\\:\n\x7f\x85", min_size=1, max_size=9)
USER_COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "class": (pa.string(), st.text(max_size=3)),
    "country": (pa.string(), st.text(max_size=3)),
    "label": (pa.int8(), st.integers(-128, 127)),
    "file": (pa.string(), st.text(max_size=3)),
    "own_file": (pa.bool_(), st.booleans()),
    "wnid": (pa.float32(), st.floats(width=32)),
    "a column": (pa.float64(), st.floats()),
    "many": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "seen": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
    "day": (pa.date32(), st.dates()),
    "tags": (pa.list_(pa.string()), st.lists(st.text(max_size=2), max_size=2)),
    "raw": (pa.binary(), st.binary(max_size=4)),
    "at": (
        pa.struct({"x": pa.int16(), "y": pa.string()}),
        st.fixed_dictionaries({"x": st.integers(0, 9), "y": st.text()}),
    ),
}


@st.composite
def drawn_sets(draw: st.DrawFn, least: int) -> dict[str, Any]:
    """The columns of a small set, read once: ids that no file system likes, any type, class indices from `least` on."""
    ids = draw(st.lists(IDS, min_size=1, max_size=7, unique=True))
    n = len(ids)
    keys = draw(st.permutations(KEYS))[: draw(st.integers(1, 4))]
    texts = st.text("a/.% ä\n", max_size=3)
    user = draw(st.lists(st.sampled_from(sorted(USER_COLUMNS)), max_size=4, unique=True))
    each = {
        "class_index": st.integers(least, len(keys) - 1),
        "split": st.sampled_from(SPLITS),
        "group": IDS,
        "source": texts,
        "licence": texts,
    }
    columns = {name: draw(st.lists(values, min_size=n, max_size=n)) for name, values in each.items()}
    for name in user:
        kind, values = USER_COLUMNS[name]
        columns[name] = pa.array(draw(st.lists(st.none() | values, min_size=n, max_size=n)), kind)
    return {"keys": keys, "image_id": ids, **columns}


def beside_the_place(manifest: Manifest) -> tuple[pa.Schema, dict[str, str]]:
    """Everything but where the pictures lie, in the order of ids; as text, so that NaN is NaN."""
    table = manifest.table.drop_columns(["container", "offset", "size"]).sort_by("image_id")
    return table.schema, {name: repr(table.column(name).to_pylist()) for name in table.column_names}


@pytest.mark.parametrize("form", formats())
def test_whatever_a_manifest_says_comes_back(form: str, full_count: Count) -> None:
    @settings(max_examples=full_count("drawn sets", 8, 300), deadline=None, database=None, derandomize=True)
    @given(drawn_sets(0 if form == "folder" else UNKNOWN), st.sampled_from(["set", "train-val", "a.b/c"]))
    def holds(drawn: dict[str, Any], name: str) -> None:
        keys = tuple(drawn.pop("keys"))
        n = len(drawn["image_id"])
        known = {"sha256": [sha256(picture(i)).hexdigest() for i in range(n)], "width": [8] * n, "height": [6] * n}
        with tempfile.TemporaryDirectory() as home:
            root = Path(home)
            sizes = [len(picture(i)) for i in range(n)]
            (root / "all.bin").write_bytes(b"".join(picture(i) for i in range(n)))
            places = {"container": ["all.bin"] * n, "offset": np.cumsum([0, *sizes[:-1]]), "size": sizes}
            rows = Manifest.from_columns(places | known | drawn, ClassList(keys, tuple(f"the {key}" for key in keys)))
            Dataset(root, rows, {"name": name}).write(root)
            dataset = Dataset.read(root)
            export(dataset, root / "release", form, Selection(), per_shard=3)
            back = import_source(root / "release", root / "back")
            assert back.problems == ()
            again = Dataset.read(root / "back")
            assert again.classes == dataset.classes
            assert beside_the_place(again.manifest) == beside_the_place(dataset.manifest)
            assert pictures_digest(again.manifest) == pictures_digest(dataset.manifest)

    holds()
