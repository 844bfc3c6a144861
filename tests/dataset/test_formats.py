"""Formats of other people: WebDataset, the Hub's Parquet, IDX, a flat folder with labels, classes named in words."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from topfive.dataset import ImportOptions, ImportReport, import_source, verify
from topfive.dataset.class_names import FILE, offered, read_mapping
from topfive.loading import Pictures, decode
from topfive.records import UNKNOWN, BadInput, Dataset

CAT, DOG, FISH = "n02123045", "n02099601", "n01443537"
FASHION = Path("/usr/share/datasets/fashion-mnist")


def picture(i: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (i, 2 * i % 256, 0)).save(buffer, kind)
    return buffer.getvalue()


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def tar(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def _json(name: str, label: str) -> str:
    return json.dumps({"file_name": name, "label": label})


def labels(out: Path) -> dict[str, str | None]:
    dataset = Dataset.read(out)
    index = dataset.manifest.class_index
    keys = [None if i == UNKNOWN else dataset.classes.wnids[i] for i in index]
    return dict(zip(dataset.manifest.ids, keys, strict=True))


def reasons(report: ImportReport) -> dict[str, str]:
    return {problem.image_id: problem.reason for problem in report.problems}


def taken(source: str | Path, out: Path, **options: Any) -> ImportReport:
    report = import_source(source, out, ImportOptions(**options))
    assert not verify(Dataset.read(out)).problems
    return report


class TestWebDataset:
    def shards(self, root: Path) -> Path:
        tar(
            root / "pets-train-000000.tar",
            {"a.png": picture(1), "a.cls": b"0", "b.jpg": picture(2, "JPEG"), "b.cls": b"1\n"},
        )
        tar(root / "pets-train-000001.tar", {"c.png": picture(3), "c.cls": b"1"})
        tar(root / "pets-val-000000.tar", {"x/d.png": picture(4), "x/d.json": json.dumps({"wnid": CAT}).encode()})
        (root / "classes.txt").write_text(f"{CAT}\n{DOG}\n")
        return root

    def test_numbers_are_positions_in_the_list_beside_and_names_of_shards_are_splits(self, tmp_path: Path) -> None:
        report = taken(self.shards(tmp_path / "in"), tmp_path / "out")
        assert labels(tmp_path / "out") == {"a": CAT, "b": DOG, "c": DOG, "d": CAT}
        assert report.splits == {"train": 3, "val": 1} and not report.problems
        dataset = Dataset.read(tmp_path / "out")
        pictures = Pictures(dataset, dataset.manifest)
        assert [pictures.read(i) for i in range(4)] == [picture(1), picture(2, "JPEG"), picture(3), picture(4)]
        assert all(Path(box).parent == tmp_path / "in" for box in dataset.manifest.column("container"))

    def test_numbers_without_a_list_are_refused_and_with_one_in_the_options_taken(self, tmp_path: Path) -> None:
        source = self.shards(tmp_path / "in")
        (source / "classes.txt").unlink()
        with pytest.raises(BadInput, match="no list says which class") as refused:
            import_source(source, tmp_path / "out")
        assert "--classes" in str(refused.value) and not (tmp_path / "out").exists()
        (tmp_path / "list.txt").write_text(f"{DOG}\n{CAT}\n")
        taken(source, tmp_path / "out", classes=tmp_path / "list.txt")
        assert labels(tmp_path / "out") == {"a": DOG, "b": CAT, "c": CAT, "d": CAT}

    def test_a_number_gives_way_to_a_wnid_beside_it(self, tmp_path: Path) -> None:
        tar(
            tmp_path / "in/s-0000.tar",
            {"a.png": picture(1), "a.cls": b"7", "a.json": json.dumps({"wnid": DOG}).encode()},
        )
        taken(tmp_path / "in", tmp_path / "out", split="test")
        assert labels(tmp_path / "out") == {"a": DOG}
        assert Dataset.read(tmp_path / "out").manifest.splits() == {"test": 1}

    def test_one_shard_is_a_source_too(self, tmp_path: Path) -> None:
        source = tar(tmp_path / "any-000003.tar", {"a.png": picture(1), "a.cls": DOG.encode()})
        taken(source, tmp_path / "out")
        assert labels(tmp_path / "out") == {"a": DOG}

    def test_broken_samples_are_named(self, tmp_path: Path) -> None:
        files = {
            "no.cls": b"0",
            "two.png": picture(1),
            "two.jpg": picture(2, "JPEG"),
            "far.png": picture(3),
            "far.cls": b"9",
        }
        odd = {
            "none.png": picture(4),
            "bad.png": picture(5),
            "bad.json": b"{",
            "minus.png": picture(6),
            "minus.cls": b"-1",
        }
        tar(tmp_path / "in/s-000.tar", files | odd)
        (tmp_path / "in/classes.txt").write_text(f"{CAT}\n")
        report = import_source(tmp_path / "in", tmp_path / "out")
        assert labels(tmp_path / "out") == {"far": None, "none": None, "bad": None, "minus": None}
        said = reasons(report)
        assert (
            "no picture" in said["no"] and "2 pictures" in said["two"] and "the list has 1" in said["s-000.tar/far.png"]
        )

    def test_labels_that_are_none_are_named_and_taken_as_none(self, tmp_path: Path) -> None:
        said = {
            "list": b'{"label": [1, 2]}',
            "minus": b'{"label": -5}',
            "deep": b"[" * 100_000,
            "huge": b'"' + b"x" * (2 << 20) + b'"',
            "truth": b"true",
        }
        files = {
            f"{key}.{end}": data for key, text in said.items() for end, data in (("png", picture(1)), ("json", text))
        }
        odd = {"lines.png": picture(2), "lines.cls": b"cat\nfluffy", "._no.png": b"", "plain.png": picture(3)}
        tar(tmp_path / "in/s-000.tar", files | odd | {"plain.json": b'{"caption": "a cat"}', "plain.txt": b"a cat"})
        report = import_source(tmp_path / "in", tmp_path / "out")
        assert labels(tmp_path / "out") == dict.fromkeys([*said, "lines", "plain"])
        assert sorted(reasons(report)) == [f"s-000.tar/{key}.png" for key in sorted([*said, "lines"])]

    def test_keys_that_repeat_in_shards_are_told_apart_and_pictures_beside_shards_are_not_lost(
        self, tmp_path: Path
    ) -> None:
        for shard in range(2):
            tar(tmp_path / f"in/s-00{shard}.tar", {"0.png": picture(shard), "0.cls": (CAT, DOG)[shard].encode()})
        taken(tmp_path / "in", tmp_path / "out")
        assert labels(tmp_path / "out") == {"s-000.tar/0": CAT, "s-001.tar/0": DOG}
        folder(tmp_path / "in", {f"{DOG}/x.png": picture(3)})
        report = import_source(tmp_path / "in", tmp_path / "mixed")
        assert labels(tmp_path / "mixed") == {"x": DOG} and "s-000.tar" in reasons(report)

    def test_a_list_of_classes_at_a_url_is_read(self, tmp_path: Path) -> None:
        store = fsspec.filesystem("memory")
        self.shards(tmp_path / "in")
        for path in (tmp_path / "in").glob("*.tar"):
            store.pipe_file(f"/listed/{path.name}", path.read_bytes())
        store.pipe_file("/listed/classes.tsv", f"index\twnid\tname\n0\t{CAT}\tcat\n1\t{DOG}\tdog\n".encode())
        taken("memory://listed", tmp_path / "out")
        assert labels(tmp_path / "out") == {"a": CAT, "b": DOG, "c": DOG, "d": CAT}

    def test_shards_at_a_url_are_read_in_ranges(self, tmp_path: Path) -> None:
        store = fsspec.filesystem("memory")
        self.shards(tmp_path / "in")
        for path in (tmp_path / "in").iterdir():
            store.pipe_file(f"/pets/{path.name}", path.read_bytes())
        report = taken("memory://pets", tmp_path / "out", classes=tmp_path / "in/classes.txt")
        assert labels(tmp_path / "out") == {"a": CAT, "b": DOG, "c": DOG, "d": CAT} and report.n_images == 4
        one = "memory://pets/pets-train-000001.tar"
        taken(one, tmp_path / "one", classes=tmp_path / "in/classes.txt")
        assert labels(tmp_path / "one") == {"c": DOG}
        dataset = Dataset.read(tmp_path / "one")
        store.pipe_file("/pets/pets-train-000001.tar", b"short")
        with pytest.raises(BadInput, match="memory://"):
            Pictures(dataset, dataset.manifest).read(0)
        with pytest.raises(BadInput, match="nobody://x"):
            import_source("nobody://x/shards", tmp_path / "no")

    def test_a_cut_shard_is_refused(self, tmp_path: Path) -> None:
        source = self.shards(tmp_path / "in")
        path = source / "pets-train-000001.tar"
        path.write_bytes(path.read_bytes()[:1536])
        with pytest.raises(BadInput, match="pets-train-000001"):
            import_source(source, tmp_path / "out")


class TestHubParquet:
    def write(
        self, path: Path, rows: list[tuple[bytes | None, Any]], names: list[str] | None, text: bool = False
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        images = pa.array([{"bytes": data, "path": f"p{i}.png"} for i, (data, _) in enumerate(rows)])
        column = pa.array([label for _, label in rows], pa.string() if text else pa.int64())
        table = pa.table({"image": images, "label": column})
        if names is not None:
            features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        pq.write_table(table, path)

    def test_splits_names_and_bytes(self, tmp_path: Path) -> None:
        source = tmp_path / "in"
        self.write(source / "data/train-00000-of-00001.parquet", [(picture(1), 0), (picture(2), 1)], [DOG, CAT])
        self.write(source / "data/validation-00000-of-00001.parquet", [(picture(3), 1), (picture(4), -1)], [DOG, CAT])
        (source / "README.md").write_text("a card")
        report = taken(source, tmp_path / "out")
        dataset = Dataset.read(tmp_path / "out")
        assert report.splits == {"train": 2, "val": 2} and not report.problems
        assert dataset.classes.wnids == (DOG, CAT)  # in the order of the numbers
        assert list(labels(tmp_path / "out").values()) == [DOG, CAT, CAT, None]
        pictures = Pictures(dataset, dataset.manifest)
        assert [pictures.read(i) for i in range(4)] == [picture(i) for i in (1, 2, 3, 4)]

    def test_numbers_without_names_are_refused(self, tmp_path: Path) -> None:
        self.write(tmp_path / "in/train.parquet", [(picture(1), 0)], None)
        with pytest.raises(BadInput, match="does not say which classes"):
            import_source(tmp_path / "in", tmp_path / "out")

    def test_labels_that_are_text_are_the_classes(self, tmp_path: Path) -> None:
        self.write(tmp_path / "in/x.parquet", [(picture(1), CAT), (picture(2), DOG), (None, CAT)], None, text=True)
        report = taken(tmp_path / "in", tmp_path / "out")
        assert sorted(labels(tmp_path / "out").values(), key=str) == [DOG, CAT]
        assert any("no bytes" in reason for reason in reasons(report).values())

    def test_odd_columns(self, tmp_path: Path) -> None:
        def one(name: str, **columns: Any) -> Path:
            root = tmp_path / name
            root.mkdir()
            inner = pa.struct([("bytes", columns.pop("kind", pa.binary())), ("path", pa.string())])
            images = pa.array([{"bytes": columns.pop("data", picture(1)), "path": None}, None], inner)
            pq.write_table(pa.table({"image": images} | columns), root / "train.parquet")
            return root

        text = pa.array([CAT, DOG])
        good = one("categories", label=text.dictionary_encode(), kind=pa.large_binary(), image_id=pa.array([7, 8]))
        report = taken(good, tmp_path / "out")
        assert labels(tmp_path / "out") == {"7": CAT} and len(report.problems) == 1
        taken(one("ids", label=text, image_id=pa.array(["猫", ".."])), tmp_path / "out2")
        assert labels(tmp_path / "out2") == {"猫": CAT}
        raw = [pa.py_buffer(np.array([0, 2, 4], np.int32).tobytes()), pa.py_buffer(b"\xff\xfeab")]
        broken = one("broken", label=pa.Array.from_buffers(pa.string(), 2, [None, *raw]))
        with pytest.raises(BadInput, match=r"train\.parquet: cannot be read after 0 rows"):
            import_source(broken, tmp_path / "no")
        with pytest.raises(BadInput, match="no layout"):
            import_source(one("words", label=text, kind=pa.string(), data="x"), tmp_path / "no")
        deep = pq.read_table(one("deep", label=pa.array([0, 1])) / "train.parquet")
        pq.write_table(deep.replace_schema_metadata({"huggingface": "[" * 100_000}), tmp_path / "deep/train.parquet")
        with pytest.raises(BadInput, match="does not say which classes"):
            import_source(tmp_path / "deep", tmp_path / "no")
        twice = pa.Table.from_arrays([deep["image"], text, text], names=["image", "label", "label"])
        pq.write_table(twice, tmp_path / "deep/train.parquet")
        with pytest.raises(BadInput, match="'label' twice"):
            import_source(tmp_path / "deep", tmp_path / "no")
        assert not (tmp_path / "no").exists()

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        folder(tmp_path / "in", {"train.parquet": b"PAR1 no more"})
        with pytest.raises(BadInput, match=r"train\.parquet: cannot be read as Parquet"):
            import_source(tmp_path / "in", tmp_path / "out")
        self.write(tmp_path / "in/train.parquet", [(picture(1), 0)], [CAT])
        self.write(tmp_path / "in/train2.parquet", [(picture(1), 0)], [DOG])
        with pytest.raises(BadInput, match="other classes"):
            import_source(tmp_path / "in", tmp_path / "out")


class TestIdx:
    def write(self, root: Path, part: str, pictures: np.ndarray, answers: np.ndarray, zipped: bool) -> None:
        for kind, values in (("images-idx3", pictures), ("labels-idx1", answers)):
            shape = b"".join(n.to_bytes(4, "big") for n in values.shape)
            data = b"\0\0\x08" + bytes([values.ndim]) + shape + values.tobytes()
            name = f"{part}-{kind}-ubyte" + (".gz" if zipped else "")
            folder(root, {name: gzip.compress(data) if zipped else data})

    @pytest.mark.parametrize("zipped", [False, True])
    def test_pixels_and_labels(self, tmp_path: Path, zipped: bool) -> None:
        rng = np.random.default_rng(0)
        pixels = {part: rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for part, n in (("train", 5), ("t10k", 3))}
        answers = {"train": np.array([3, 1, 3, 0, 9], np.uint8), "t10k": np.array([1, 0, 3], np.uint8)}
        for part, values in pixels.items():
            self.write(tmp_path / "in", part, values, answers[part], zipped)
        report = taken(tmp_path / "in", tmp_path / "out")
        assert report.splits == {"train": 5, "test": 3}
        dataset = Dataset.read(tmp_path / "out")
        assert dataset.classes.wnids == ("0", "1", "3", "9")
        assert list(labels(tmp_path / "out").values()) == ["3", "1", "3", "0", "9", "1", "0", "3"]
        pictures = Pictures(dataset, dataset.manifest)
        for i, wanted in enumerate([*pixels["train"], *pixels["t10k"]]):
            assert (decode(pictures.read(i)) == wanted[..., None]).all()

    def test_damage_is_named(self, tmp_path: Path) -> None:
        pixels, answers = np.zeros((3, 4, 4), np.uint8), np.zeros(3, np.uint8)
        self.write(tmp_path / "in", "train", pixels, answers[:2], False)
        with pytest.raises(BadInput, match="2 labels for 3 pictures"):
            import_source(tmp_path / "in", tmp_path / "out")
        self.write(tmp_path / "in", "train", pixels, answers, False)
        path = tmp_path / "in/train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(BadInput, match="its head says"):
            import_source(tmp_path / "in", tmp_path / "out")
        path.write_bytes(b"\x89PNG")
        with pytest.raises(BadInput, match="does not begin as an IDX"):
            import_source(tmp_path / "in", tmp_path / "out")
        path.unlink()
        folder(tmp_path / "in", {"train-images-idx3-ubyte.gz": gzip.compress(b"\0\0\x08\x03" + b"\0\0\0\4" * 3)[:20]})
        with pytest.raises(BadInput, match="no whole gzip"):
            import_source(tmp_path / "in", tmp_path / "out")

    @pytest.mark.parametrize(
        ("shape", "reason"),
        [
            ((2**31, 2**31, 4), "4 x 2147483648 px"),
            ((2**20, 2**10, 2**10), "1099511627792 bytes"),
            ((3, 0, 0), "0 x 0"),
        ],
    )
    @pytest.mark.parametrize("zipped", [False, True])
    def test_a_head_that_claims_too_much_is_refused(
        self, tmp_path: Path, shape: tuple[int, ...], reason: str, zipped: bool
    ) -> None:
        head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in shape)
        ending = ".gz" if zipped else ""
        self.write(tmp_path / "in", "train", np.zeros((3, 4, 4), np.uint8), np.zeros(3, np.uint8), zipped)
        folder(tmp_path / "in", {f"train-images-idx3-ubyte{ending}": gzip.compress(head) if zipped else head})
        with pytest.raises(BadInput, match=reason):
            import_source(tmp_path / "in", tmp_path / "out")

    def test_no_more_is_unpacked_than_the_head_says(self, tmp_path: Path) -> None:
        self.write(tmp_path / "in", "train", np.zeros((3, 4, 4), np.uint8), np.zeros(3, np.uint8), False)
        (tmp_path / "in/train-images-idx3-ubyte").unlink()
        head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (3, 4, 4))
        folder(tmp_path / "in", {"train-images-idx3-ubyte.gz": gzip.compress(head + bytes(50 << 20), 1)})
        tracemalloc.start()
        with pytest.raises(BadInput, match="has more bytes, and its head says 64"):
            import_source(tmp_path / "in", tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20 << 20

    def test_two_sets_in_one_folder_are_refused_and_a_file_that_is_there_twice_is_named(self, tmp_path: Path) -> None:
        pixels, answers = np.zeros((2, 4, 4), np.uint8), np.array([0, 1], np.uint8)
        for zipped in (False, True):
            self.write(tmp_path / "in", "train", pixels, answers, zipped)
        (tmp_path / "names").write_text("cat\ndog\n")
        report = taken(tmp_path / "in", tmp_path / "out", classes=tmp_path / "names")
        assert list(labels(tmp_path / "out").values()) == ["cat", "dog"] and len(report.problems) == 2
        self.write(tmp_path / "in", "letters-train", pixels, answers, False)
        with pytest.raises(BadInput, match="several sets"):
            import_source(tmp_path / "in", tmp_path / "no")
        (tmp_path / "names").write_text("cat\n")
        with pytest.raises(BadInput, match=r"several sets|lists 1 classes"):
            import_source(tmp_path / "in", tmp_path / "no", ImportOptions(classes=tmp_path / "names"))

    @pytest.mark.slow
    @pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's package: apt install dataset-fashion-mnist")
    def test_fashion_mnist_has_wnids(self, tmp_path: Path) -> None:
        report = import_source(FASHION, tmp_path / "out")
        assert report.splits == {"train": 60_000, "test": 10_000} and not report.problems
        dataset = Dataset.read(tmp_path / "out")
        assert set(np.bincount(dataset.manifest.rows("test").class_index)) == {1_000}
        first = dataset.classes.wnids[dataset.manifest.rows("train").class_index[0]]
        assert first == "n02872752"  # an ankle boot


class TestFlatLabels:
    PICTURES: ClassVar = {"pics/a.png": picture(1), "pics/b.png": picture(2), "pics/c.jpg": picture(3, "JPEG")}

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("labels.csv", f"id,breed,label\na,x,{CAT}\nb,y,{DOG}\nc,z,{CAT}\n"),
            ("labels.csv", f"filename;label\r\na.png;{CAT}\r\nb.png;{DOG}\r\nc.jpg;{CAT}\r\n"),
            ("my_labels.tsv", f"pics/a.png\t{CAT}\npics/b.png\t{DOG}\npics/c.jpg\t{CAT}\n"),
            ("labels.csv", f"\ufefffile,label\ra,{CAT}\rb,{DOG}\rc,{CAT}\r"),
            ("labels.txt", f"a.png {CAT}\nb.png {DOG}\n\nc.jpg {CAT}\n"),
            ("pics/metadata.jsonl", "\n".join(_json(*row) for row in (("a.png", CAT), ("b.png", DOG), ("c.jpg", CAT)))),
            (
                "LOC_val_solution.csv",
                f"ImageId,PredictionString\na,{CAT} 1 2 3 4 {CAT} 5 6 7 8\nb,{DOG} 1 2 3 4\nc,{CAT} 9 9 9 9\n",
            ),
        ],
    )  # fmt: skip
    def test_names_join_with_or_without_suffix_and_folder(self, tmp_path: Path, name: str, text: str) -> None:
        source = folder(tmp_path / "in", self.PICTURES | {name: text.encode()})
        report = taken(source, tmp_path / "out")
        assert labels(tmp_path / "out") == {"a": CAT, "b": DOG, "c": CAT} and not report.problems

    def test_what_does_not_join_is_named_on_both_sides(self, tmp_path: Path) -> None:
        text = f"file,label,split\na,{CAT},train\nz,{DOG},train\nb,,test\n"
        report = taken(folder(tmp_path / "in", self.PICTURES | {"labels.csv": text.encode()}), tmp_path / "out")
        assert labels(tmp_path / "out") == {"a": CAT, "b": None}
        assert Dataset.read(tmp_path / "out").manifest.splits() == {"train": 1, "test": 1}
        said = reasons(report)
        assert "is not there" in said["z"] and "no line in labels.csv" in said["pics/c.jpg"]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (f"file,label\na,{CAT}\na,{DOG}\n", "has the labels"),
            ("file,size,date\na,1,2\n", "has the columns file, size, date"),
            (f"file,label\nnone,{CAT}\n", "names no picture"),
            ("file,label\na\n", "has no file name and label"),
            ('file,label\n"a,b\n', "is no table"),
            (f"file,label,label\na,{CAT},{DOG}\n", "'label' twice"),
            ("file,label\na,c\0at\n", "line 2: has the label"),
            ("file,label\na,c\x1b[31mat\n", "line 2: has the label"),
            ('file,label\na,"c\tat"\n', "line 2: has the label"),
        ],
    )
    def test_refusals(self, tmp_path: Path, text: str, reason: str) -> None:
        source = folder(tmp_path / "in", self.PICTURES | {"labels.csv": text.encode()})
        with pytest.raises(BadInput, match=reason):
            import_source(source, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_numbers_are_positions_in_a_stated_list(self, tmp_path: Path) -> None:
        source = folder(tmp_path / "in", self.PICTURES | {"labels.csv": b"file,label\na,1\nb,cat\nc,-1\n"})
        (tmp_path / "names").write_text("cat\ndog\n")
        taken(source, tmp_path / "out", classes=tmp_path / "names")
        assert labels(tmp_path / "out") == {"a": "dog", "b": "cat", "c": None}
        (tmp_path / "names").write_text("cat\n")
        with pytest.raises(BadInput, match="line 2: has the label '1', which is not in the list of 1"):
            import_source(source, tmp_path / "no", ImportOptions(classes=tmp_path / "names"))

    TWO: ClassVar = PICTURES | {
        "train.csv": f"file,label\na,{CAT}\nb,{CAT}\nc,{CAT}\n".encode(),
        "val.txt": f"a {DOG}\n".encode(),
    }

    def test_two_files_of_labels_are_named_with_the_remedy(self, tmp_path: Path) -> None:
        source = folder(tmp_path / "in", self.TWO)
        with pytest.raises(
            BadInput, match=r"2 files that may hold its labels: train\.csv, val\.txt\. Name one by --labels"
        ):
            import_source(source, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        taken(source, tmp_path / "out", labels=Path("train.csv"))
        assert set(labels(tmp_path / "out").values()) == {CAT}
        report = import_source(source, tmp_path / "val", ImportOptions(labels=source / "val.txt"))
        assert labels(tmp_path / "val") == {"a": DOG}
        assert reasons(report) == {f"pics/{name}": "has no line in val.txt: left out" for name in ("b.png", "c.jpg")}

    def test_a_list_of_classes_beside_labels_is_no_second_file_of_labels(self, tmp_path: Path) -> None:
        files = self.PICTURES | {"labels.csv": b"a,cat\nb,cat\nc,dog\n", "classes.txt": b"cat\ndog\n"}
        taken(folder(tmp_path / "in", files), tmp_path / "out")
        assert labels(tmp_path / "out") == {"a": "cat", "b": "cat", "c": "dog"}

    def test_labels_of_any_name_anywhere_and_in_a_tar(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text(f"file,label\na,{CAT}\nb,{DOG}\nc,{DOG}\n")
        source = folder(tmp_path / "in", self.TWO)
        taken(source, tmp_path / "out", labels=tmp_path / "mine")
        assert labels(tmp_path / "out") == {"a": CAT, "b": DOG, "c": DOG}
        packed = tar(tmp_path / "in.tar", self.TWO)
        with pytest.raises(BadInput, match="2 files that may hold its labels"):
            import_source(packed, tmp_path / "no")
        taken(packed, tmp_path / "packed", labels=Path("train.csv"))
        assert set(labels(tmp_path / "packed").values()) == {CAT}
        with pytest.raises(BadInput, match=r"more\.csv: is not there"):
            import_source(packed, tmp_path / "no", ImportOptions(labels=Path("more.csv")))
        by_class = folder(tmp_path / "by class", {"a/1.png": picture(1), "b/2.png": picture(2)})
        with pytest.raises(BadInput, match=r"no pictures in one folder.*Leave --labels out"):
            import_source(by_class, tmp_path / "no", ImportOptions(labels=tmp_path / "mine"))


class TestClassNames:
    def test_offered_where_there_is_no_doubt(self) -> None:
        found = {row.name: row for row in offered(["goldfish", "Golden_Retriever", "crane", "entity", "wibble"])}
        assert found["goldfish"].wnid == FISH and found["Golden_Retriever"].wnid == DOG
        assert found["entity"].how == "its only meaning in WordNet" and found["entity"].wnid == "n00001740"
        assert found["crane"].wnid == "" and len(found["crane"].others) > 1  # two ILSVRC classes
        assert found["wibble"].wnid == "" and not found["wibble"].others

    def source(self, root: Path) -> Path:
        return folder(
            root, {"goldfish/a.png": picture(1), "crane/b.png": picture(2), "golden retriever/c.png": picture(3)}
        )

    def test_names_stay_unless_wnids_are_asked_for_and_are_written_down(self, tmp_path: Path) -> None:
        taken(self.source(tmp_path / "in"), tmp_path / "plain")
        assert labels(tmp_path / "plain") == {"a": "goldfish", "b": "crane", "c": "golden retriever"}
        assert read_mapping(tmp_path / "plain" / FILE) == {"goldfish": FISH, "golden retriever": DOG}
        taken(tmp_path / "in", tmp_path / "keyed", wnids=True)
        assert labels(tmp_path / "keyed") == {"a": FISH, "b": "crane", "c": DOG}

    def test_a_mapping_completed_by_hand(self, tmp_path: Path) -> None:
        source = self.source(tmp_path / "in")
        taken(source, tmp_path / "plain")
        by_hand = tmp_path / "names.tsv"
        text = (tmp_path / "plain" / FILE).read_text().replace("crane\t\t", "crane\tn03126707\t")
        by_hand.write_text(text)
        taken(source, tmp_path / "keyed", mapping=by_hand)
        assert labels(tmp_path / "keyed") == {"a": FISH, "b": "n03126707", "c": DOG}
        assert "crane\tn03126707\tby hand" in (tmp_path / "keyed" / FILE).read_text()

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("goldfish\tn01443537\n", "no mapping"),
            ("name\twnid\ngoldfish\tn99999999\n", "no noun synset"),
            (f"name\twnid\ngoldfish\t{FISH}\ncrane\t{FISH}\n", "would both be"),
            (f"name\twnid\ngoldfish\t{FISH}\ngoldfish\t{DOG}\n", "stands twice"),
        ],
    )
    def test_mappings_that_cannot_be_used(self, tmp_path: Path, text: str, reason: str) -> None:
        (tmp_path / "names.tsv").write_text(text)
        with pytest.raises(BadInput, match=reason):
            import_source(self.source(tmp_path / "in"), tmp_path / "out", ImportOptions(mapping=tmp_path / "names.tsv"))
        assert not (tmp_path / "out").exists()
