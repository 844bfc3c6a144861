from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topfive.records import UNKNOWN, BadInput
from topfive.taxonomy import class_tree, ilsvrc_classes, read_devkit, wordnet
from topfive.taxonomy.graph import longest_ways

META, TRUTH, DEMO = (
    "data/meta.mat",
    "data/ILSVRC2012_validation_ground_truth.txt",
    "evaluation/demo.val.pred.txt",
)
Files = dict[str, bytes]


def made_up_synsets() -> np.ndarray:
    """A `synsets` struct like the kit's, from our own tree, its IDs in an order of our own."""
    tree = class_tree(ilsvrc_classes())
    order = [*range(999, -1, -1), tree.index["n00001740"]]
    order += [node for node in range(1000, 1860) if node != order[-1]]
    number = {node: place + 1 for place, node in enumerate(order)}
    children: dict[int, list[int]] = {node: [] for node in order}
    for node in order:
        for parent in tree.parents_of(node).tolist():
            children[parent].append(number[node])
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height"]
    rows = np.zeros(1860, dtype=[(field, object) for field in (*fields, "num_train_images")])
    for place, node in enumerate(order):
        wnid, below = tree.wnids[node], children[node]
        words, height = wordnet().words(wnid), int(tree.full_heights[node])
        rows[place] = (place + 1, wnid, words, "a gloss", len(below), np.array(below), height, 1300 * (node < 1000))
    return rows


def mat(rows: Any, name: str = "synsets") -> bytes:
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {name: rows}, do_compression=True)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def files() -> Files:
    labels = b"".join(b"%d\n" % (1 + 7 * row % 1000) for row in range(50_000))
    return {META: mat(made_up_synsets()), TRUTH: labels, DEMO: b"1 2 3 4 5\n"}


def folder(root: Path, content: Files) -> Path:
    for name, raw in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(raw)
    return root


def archive(path: Path, content: Files) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, raw in content.items():
            member = tarfile.TarInfo(f"ILSVRC2012_devkit_t12/{name}")
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return path


def test_a_folder_an_archive_and_a_folder_within(files: Files, tmp_path: Path) -> None:
    paths = [
        folder(tmp_path / "plain", files),
        archive(tmp_path / "kit.tar.gz", files),
        folder(tmp_path / "outer" / "ILSVRC2012_devkit_t12", files).parent,
    ]
    for path in paths:
        kit = read_devkit(path)
        assert kit.wnids[0] == "n15075141"
        assert kit.wnids[1000] == "n00001740"
        assert kit.words[999] == "tench, Tinca tinca"
        assert len(kit.children[1000]) == 2
        assert kit.children[0] == ()
        assert sum(map(len, kit.children)) == 1937
        assert kit.heights[1000] == 19
        assert kit.n_train_images.sum() == 1_300_000
        assert kit.validation[:3].tolist() == [1, 8, 15]
        assert kit.demo_predictions == "1 2 3 4 5\n"
        assert kit.classes == ilsvrc_classes()
        assert kit.id_to_index.dtype == np.int32
        assert kit.id_to_index.tolist() == [UNKNOWN, *range(999, -1, -1)]
        assert kit.validation_ids[0] == "ILSVRC2012_val_00000001"
        assert kit.validation_ids[-1] == "ILSVRC2012_val_00050000"


def test_the_sample_submission_may_be_missing(files: Files, tmp_path: Path) -> None:
    content = {name: raw for name, raw in files.items() if name != DEMO}
    assert read_devkit(folder(tmp_path / "a", content)).demo_predictions is None
    assert read_devkit(archive(tmp_path / "b.tar.gz", content)).demo_predictions is None


@pytest.mark.parametrize("name", [META, TRUTH])
def test_the_other_files_may_not(files: Files, tmp_path: Path, name: str) -> None:
    content = {other: raw for other, raw in files.items() if other != name}
    for path in (folder(tmp_path / "a", content), archive(tmp_path / "b.tar.gz", content)):
        with pytest.raises(BadInput, match=f"has no {name}") as caught:
            read_devkit(path)
        assert caught.value.where == str(path)
        assert caught.value.fix is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw[:-4], "has 49999 labels, not 50000"),
        (lambda raw: raw + b"1\n", "has 50001 labels"),
        (lambda raw: b"", "has 0 labels"),
        (lambda raw: b"0" + raw[1:], "'0' is no class ID"),
        (lambda raw: b"1001" + raw[1:], "'1001' is no class ID"),
        (lambda raw: b"1 8" + raw[3:], "'1 8' is no class ID"),
        (lambda raw: b"\n" + raw[2:], "'' is no class ID"),
        (lambda raw: b"1.0" + raw[1:], "no class ID"),
        (lambda raw: b"\xff" + raw[1:], "no plain text"),
    ],
)
def test_a_bad_label_is_named(files: Files, tmp_path: Path, change: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as caught:
        read_devkit(folder(tmp_path, files | {TRUTH: change(files[TRUTH])}))
    assert TRUTH in str(caught.value.where)
    if "class ID" in reason:
        assert caught.value.row == 1


def put(field: str, row: int, value: object) -> Callable[[np.ndarray], None]:
    def change(rows: np.ndarray) -> None:
        rows[field][row] = value

    return change


@pytest.mark.parametrize(
    ("change", "row", "reason"),
    [
        (put("ILSVRC2012_ID", 4, 6), 5, "ILSVRC2012_ID 6 stands where 5 is due"),
        (put("WNID", 4, "dog"), 5, "'dog' is no wnid"),
        (put("num_children", 1000, 3), 1001, "num_children is 3 but 2 are named"),
        (put("num_children", 1000, 1), 1001, "num_children is 1 but 2 are named"),
        (put("children", 1000, np.array([3, 1861])), 1001, "are not all IDs"),
        (put("WNID", 4, "n15075141"), None, "a wnid stands twice"),
        (put("wordnet_height", 4, "high"), None, "a number in it is none"),
    ],
)
def test_a_bad_synset_is_named(
    files: Files, tmp_path: Path, change: Callable[[np.ndarray], None], row: int | None, reason: str
) -> None:
    rows = made_up_synsets()
    change(rows)
    with pytest.raises(BadInput, match=reason) as caught:
        read_devkit(folder(tmp_path, files | {META: mat(rows)}))
    assert META in str(caught.value.where)
    assert caught.value.row == (None if row is None else f"synset {row}")


def test_a_class_with_children_is_named(files: Files, tmp_path: Path) -> None:
    rows = made_up_synsets()
    rows["children"][4], rows["num_children"][4] = np.array([3, 4]), 2
    with pytest.raises(BadInput, match="a class has children"):
        read_devkit(folder(tmp_path, files | {META: mat(rows)}))


def test_another_number_of_synsets_or_other_fields(files: Files, tmp_path: Path) -> None:
    rows = made_up_synsets()
    others = made_up_synsets()  # a copy of the rows would share their names
    others.dtype.names = tuple(name.replace("gloss", "sense") for name in rows.dtype.names or ())
    for raw, reason in (
        (mat(rows[:1859]), "has 1859 synsets, not 1860"),
        (mat(rows[:1]), "has 1 synsets"),
        (mat(others), "lacks the field gloss"),
        (mat(np.arange(1860)), "lacks the field ILSVRC2012_ID"),
        (mat(rows, name="others"), "cannot be read as a MATLAB file"),
        (b"", "cannot be read as a MATLAB file"),
        (b"words" * 100, "cannot be read as a MATLAB file"),
    ):
        with pytest.raises(BadInput, match=reason):
            read_devkit(folder(tmp_path, files | {META: raw}))


def test_a_damaged_mat_file_is_never_a_traceback(files: Files, tmp_path: Path) -> None:
    raw = files[META]
    for place in range(0, len(raw), len(raw) // 20):
        for damaged in (raw[:place], raw[:place] + bytes([raw[place] ^ 0x55]) + raw[place + 1 :]):
            try:
                read_devkit(folder(tmp_path, files | {META: damaged}))
            except BadInput as error:
                assert META in str(error)
            else:
                assert place < 128  # the comment at the head of the file, which says nothing


def test_an_archive_cut_or_damaged_anywhere_is_refused(files: Files, tmp_path: Path) -> None:
    path = archive(tmp_path / "kit.tar.gz", files)
    raw = path.read_bytes()
    for length in range(0, len(raw), len(raw) // 40):
        path.write_bytes(raw[:length])
        with pytest.raises(BadInput, match=r"is cut|empty file") as caught:
            read_devkit(path)
        assert caught.value.where == str(path)
    for place in range(20, len(raw), len(raw) // 40):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 0x55]) + raw[place + 1 :])
        with pytest.raises(BadInput) as caught:
            read_devkit(path)
        assert caught.value.where == str(path)
    path.write_bytes(raw + b"more")
    with pytest.raises(BadInput, match="cannot be read as a gzip archive"):
        read_devkit(path)


def test_a_tar_cut_before_it_was_packed_is_refused(files: Files, tmp_path: Path) -> None:
    path = archive(tmp_path / "kit.tar.gz", files)
    raw = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(raw[: raw.index(files[TRUTH][:100]) + 5000]))
    with pytest.raises(BadInput, match="no whole tar archive"):
        read_devkit(path)


def test_what_is_no_kit_at_all(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words.tar.gz").write_bytes(b"words")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b"words"))
    (tmp_path / "empty").mkdir()
    for name, reason in (
        ("words.tar.gz", "cannot be read as a gzip archive"),
        ("packed.gz", "no whole tar archive"),
        ("empty", "has no data/meta.mat"),
        ("none", "cannot be read as a gzip archive"),
    ):
        with pytest.raises(BadInput, match=reason):
            read_devkit(tmp_path / name)
    monkeypatch.setattr("topfive.taxonomy.devkit._LARGEST", 1000)
    with pytest.raises(BadInput, match="unpacks to more than 1000 bytes"):
        read_devkit(archive(tmp_path / "kit.tar.gz", files))


def test_a_member_that_stands_twice_is_refused(files: Files, tmp_path: Path) -> None:
    twice = files | {f"other/{TRUTH}": b"1\n"}
    with pytest.raises(BadInput, match="twice"):
        read_devkit(archive(tmp_path / "kit.tar.gz", twice))


def test_the_official_kit(shared: Path) -> None:
    kit = read_devkit(shared / "data" / "ILSVRC2012_devkit_t12.tar.gz")
    assert kit.classes == ilsvrc_classes()
    assert kit.wnids[1000] == "n00001740"
    assert kit.children[1000] == (1002, 1847)
    assert sum(map(len, kit.children)) == 1937
    assert kit.words[0].startswith("kit fox")
    assert kit.id_to_index[1:11].tolist() == [278, 212, 250, 193, 217, 147, 387, 285, 350, 283]
    assert not (kit.id_to_index[1:] == np.arange(1000)).any()
    assert sorted(kit.id_to_index[1:].tolist()) == list(range(1000))
    assert kit.validation[:10].tolist() == [490, 361, 171, 822, 297, 482, 13, 704, 599, 164]
    assert kit.id_to_index[kit.validation[:10]].tolist() == [65, 970, 230, 809, 516, 57, 334, 415, 674, 332]
    assert (np.bincount(kit.validation, minlength=1001)[1:] == 50).all()
    counts = kit.n_train_images[:1000]
    assert (int(counts.sum()), int(counts.min()), int(counts.max())) == (1_281_167, 732, 1300)
    assert (int((counts == 1300).sum()), int((counts < 1000).sum()), len(set(counts.tolist()))) == (895, 19, 92)
    assert kit.wnids[int(counts.argmin())] == "n02089078"
    assert (kit.n_train_images[1000:] == 0).all()
    least = [(int(counts[i]), kit.wnids[i]) for i in np.argsort(counts, kind="stable")[:10]]
    assert least == [
        *((732, "n02089078"), (738, "n02091635"), (754, "n02089973"), (755, "n02113978"), (772, "n02085782")),
        *((860, "n02087046"), (889, "n03197337"), (891, "n03498962"), (908, "n03995372"), (931, "n04370456")),
    ]
    assert counts.mean() == pytest.approx(1281.167)
    assert kit.ids["n00001740"] == 1001
    assert [kit.ids[wnid] for wnid in ("n02119789", "n02100735")] == [1, 2]
    assert set(kit.wnids[1000:]).isdisjoint(kit.classes.wnids)
    dogs = [kit.wnids.index(wnid) for wnid in kit.classes.wnids[151:269]]
    assert int(counts[dogs].sum()) == 147_873
    assert kit.heights.tolist() == [wordnet().height(wnid) for wnid in kit.wnids]
    with_instances = longest_ways(len(wordnet()), wordnet().child_of_link, wordnet().parent_positions)
    other = np.flatnonzero(with_instances[wordnet().positions(kit.wnids)] != kit.heights)
    assert len(other) == 20  # instances below, as Etna below volcano, do not make a synset higher
    assert {"volcano", "geyser"} <= {kit.words[i].split(",")[0] for i in other}
    assert kit.demo_predictions is not None
    assert len(kit.demo_predictions.splitlines()) == 50_000
