"""Every record comes back from disk as it went, and names the first bad row of a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import (
    UNKNOWN,
    BadInput,
    Batch,
    Board,
    BoardRow,
    Claim,
    ClassList,
    Consensus,
    Dataset,
    Finding,
    Manifest,
    Predictions,
    Run,
    Scores,
    Truth,
    View,
    Votes,
    read_findings,
    write_findings,
)


def manifest(classes: ClassList, n: int = 6) -> Manifest:
    return Manifest.from_columns(
        {
            "image_id": [f"image_{i}" for i in range(n)],
            "container": ["shards/a.tar"] * n,
            "offset": [512 * i for i in range(n)],
            "size": [100 + i for i in range(n)],
            "class_index": [i % len(classes) for i in range(n)],
            "split": ["train"] * (n - 3) + ["val", "test", "test"],
            "country": ["Aland"] * n,
        },
        classes,
    )


def test_class_list(tmp_path: Path, three: ClassList) -> None:
    three.write(tmp_path / "classes.tsv")
    assert ClassList.read(tmp_path / "classes.tsv") == three
    assert (tmp_path / "classes.tsv").read_text().splitlines()[1] == "0\tn01440764\ttench"
    renamed = ClassList(three.wnids, ("a", "b", "c"))
    assert renamed.digest == three.digest, "names are no keys"
    assert ClassList(three.wnids[::-1], three.names).digest != three.digest, "order counts"
    other = ClassList((three.wnids[2], "n99", three.wnids[0]), ("x", "y", "z"))
    assert other.positions_in(three).tolist() == [2, UNKNOWN, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header"),
        ("index\twnid\tname\n1\tn01\ta\n", "expected index 0"),
        ("index\twnid\tname\n0\tn01\ta\n1\tn01\tb\n", "stands twice"),
        ("index\twnid\tname\n0\tn01\n", "expected index 0"),
    ],
)
def test_class_list_refuses(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "classes.tsv").write_text(text)
    with pytest.raises(BadInput, match=message):
        ClassList.read(tmp_path / "classes.tsv")


def test_dataset(tmp_path: Path, three: ClassList) -> None:
    rows = manifest(three)
    Dataset(tmp_path, rows, {"name": "six"}).write(tmp_path)
    read = Dataset.read(tmp_path)
    assert read.name == "six"
    assert read.manifest.digest == rows.digest
    assert read.manifest.splits() == {"train": 3, "val": 1, "test": 2}
    assert read.manifest.rows("test").ids == ("image_4", "image_5")
    assert read.manifest.column("country").tolist() == ["Aland"] * 6
    assert read.manifest.take(np.array([False, True, False, True, False, False])).ids == ("image_1", "image_3")
    with pytest.raises(BadInput, match=r"no images in split 'tset'.*train \(3\)"):
        read.manifest.rows("tset")
    with pytest.raises(BadInput, match="no column 'land'"):
        read.manifest.column("land")


def test_manifest_digest_changes_with_any_cell(three: ClassList) -> None:
    rows = manifest(three)
    digests = {rows.digest}
    for name in rows.table.column_names:
        values = rows.column(name).tolist()
        values[2] = "other" if isinstance(values[2], str) else (values[2] + 1) % 3
        digests.add(rows.with_column(name, values).digest)
    assert len(digests) == 1 + len(rows.table.column_names)


def test_manifest_refuses(tmp_path: Path, three: ClassList) -> None:
    with pytest.raises(BadInput, match=r"row 5: image_id 'image_0' stands twice \(first in row 0\)"):
        rows = manifest(three)
        rows.with_column("image_id", ["image_0", *rows.ids[1:5], "image_0"]).check()
    with pytest.raises(BadInput, match="row 1: class_index 3 is not among the 3 classes"):
        rows.with_column("class_index", [0, 3, 0, 0, 0, 0]).check()
    rows.write(tmp_path / "manifest.parquet")
    with pytest.raises(BadInput, match="another class list"):
        Manifest.read(tmp_path / "manifest.parquet", ClassList(("a", "b", "c"), ("a", "b", "c")))
    (tmp_path / "manifest.parquet").write_bytes((tmp_path / "manifest.parquet").read_bytes()[:-9])
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        Manifest.read(tmp_path / "manifest.parquet", three)
    with pytest.raises(BadInput, match="no dataset folder"):
        Dataset.read(tmp_path)


def predictions(three: ClassList, logits: bool = True) -> Predictions:
    values = np.array([[0.1, 0.7, 0.2], [3.0, -1.0, 3.0]], dtype=np.float32)
    return Predictions.from_logits(("a", "b"), values, three, view="v", system="s", run="r", keep_logits=logits)


@pytest.mark.parametrize("logits", [True, False])
def test_predictions(tmp_path: Path, three: ClassList, logits: bool) -> None:
    made = predictions(three, logits)
    assert made.top_index.tolist() == [[1, 2, 0], [0, 2, 1]], "equal scores go by class_index"
    made.write(tmp_path / "p.parquet")
    read = Predictions.read(tmp_path / "p.parquet")
    assert read.digest == made.digest
    assert (read.view, read.system, read.run, read.classes) == ("v", "s", "r", three)
    assert (read.logits is None) is not logits
    schema = pq.read_schema(tmp_path / "p.parquet")
    assert {b"topfive.classes", b"topfive.view", b"topfive.system", b"topfive.run"} <= set(schema.metadata)
    assert schema.field("top_index").type == pa.list_(pa.int32())


@pytest.mark.parametrize(
    ("index", "score", "message"),
    [
        ([[0, 1]], [[np.nan, 0.0]], "row 0: a score of image 'a' is not a finite number"),
        ([[0, 3]], [[1.0, 0.0]], r"row 0: top_index \[0, 3\] is not among the 3 classes"),
        ([[1, 1]], [[1.0, 0.0]], "row 0: image 'a' names one class twice"),
        ([[0, 1], [0, 1]], [[1.0, 0.0], [1.0, 0.0]], "do not fit"),
    ],
)
def test_predictions_refuse(three: ClassList, index: list[list[int]], score: list[list[float]], message: str) -> None:
    made = Predictions(("a",), np.array(index, dtype=np.int32), np.array(score, dtype=np.float32), three)
    with pytest.raises(BadInput, match=message):
        made.check()


def test_predictions_refuse_ragged_and_foreign_files(tmp_path: Path, three: ClassList) -> None:
    path = tmp_path / "p.parquet"
    predictions(three).write(path)
    table = pq.read_table(path)
    ragged = table.set_column(1, "top_index", pa.array([[1], [0, 2, 1]], type=pa.list_(pa.int32())))
    pq.write_table(ragged, path)
    with pytest.raises(BadInput, match="row 1: column 'top_index' is not a list of 1 numbers"):
        Predictions.read(path)
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(BadInput, match="carries no class list"):
        Predictions.read(path)
    pq.write_table(table.drop_columns(["top_score"]), path)
    for values, kind, said in (
        ([[0.7], [0.2]], pa.float64(), "holds double"),
        ([[2**33], [0]], pa.int64(), "does not fit int32"),
        ([["a"], ["b"]], pa.string(), "holds string"),
        ([[None], [1]], pa.int32(), "or nulls"),
    ):
        pq.write_table(table.set_column(1, "top_index", pa.array(values, type=pa.list_(kind))), path)
        with pytest.raises(BadInput, match=said):
            Predictions.read(path)
    pq.write_table(table.set_column(1, "top_index", pa.array([1, 2])), path)
    with pytest.raises(BadInput, match="not lists of numbers"):
        Predictions.read(path)
    pq.write_table(table.set_column(0, "image_id", pa.array(["a", None])), path)
    with pytest.raises(BadInput, match="not text"):
        Predictions.read(path)
    pq.write_table(table.drop_columns(["top_score"]), path)
    with pytest.raises(BadInput, match="lacks the column 'top_score'"):
        Predictions.read(path)


@given(st.lists(st.sets(st.integers(0, 2)), min_size=0, max_size=8))
@settings(max_examples=50)
def test_truth_sets(sets: list[set[int]]) -> None:
    classes = ClassList(("a", "b", "c"), ("A", "B", "C"))
    truth = Truth.from_sets([f"i{n}" for n in range(len(sets))], sets, classes)
    assert [set(truth.of(row).tolist()) for row in range(len(truth))] == sets


def test_truth(tmp_path: Path, three: ClassList) -> None:
    truth = Truth.from_sets(["a", "b", "c"], [[2, 0], [], [1]], three, "real")
    truth.write(tmp_path / "t.parquet")
    read = Truth.read(tmp_path / "t.parquet")
    assert read.digest == truth.digest
    assert read.name == "real"
    assert read.n_labels.tolist() == [2, 0, 1]
    table = pq.read_table(tmp_path / "t.parquet")
    for labels in (
        pa.array([["x"], [], ["y"]]),
        pa.array([[None], [], [1]]),
        pa.array([[0], None, [1]]),
        pa.array([1, 2, 3]),
    ):
        pq.write_table(table.set_column(1, "labels", labels), tmp_path / "bad.parquet")
        with pytest.raises(BadInput, match="not lists of class indices"):
            Truth.read(tmp_path / "bad.parquet")
    single = Truth.single(["a", "b"], np.array([1, UNKNOWN], dtype=np.int32), three)
    assert single.n_labels.tolist() == [1, 0]
    with pytest.raises(BadInput, match="row 1: label 3 is not among the 3 classes"):
        Truth.from_sets(["a", "b"], [[0], [3]], three)
    with pytest.raises(BadInput, match="image_id 'a' stands twice"):
        Truth.from_sets(["a", "a"], [[0], [1]], three)


def test_view() -> None:
    view = View(256, 224)
    assert View.from_json(json.loads(json.dumps(view.to_json()))) == view
    assert View(256, 224, mean=(0.485, 0.456, 0.406)).digest != view.digest
    with pytest.raises(BadInput, match="crop 300 px does not fit"):
        View(256, 300).check()


def test_batch() -> None:
    Batch(("a",), np.zeros((1, 4, 4, 3), dtype=np.uint8), None).check()
    with pytest.raises(BadInput, match="not uint8"):
        Batch(("a",), np.zeros((1, 4, 4, 3), dtype=np.float32), None).check()  # type: ignore[arg-type]


def test_scores(tmp_path: Path) -> None:
    scores = Scores(
        n=10, protocol="ilsvrc-top5/1", truth="original", classes="c", view=None, top1_correct=5, top5_correct=8,
        top1_error=0.5, top5_error=0.2, top1_error_interval=(0.2, 0.8), top5_error_interval=(0.1, 0.4),
        per_class={"n01": (10, 5, 8)}, extra={"flat_error": [0.5]},
    )  # fmt: skip
    scores.write(tmp_path / "s.json")
    assert Scores.read(tmp_path / "s.json") == scores
    assert scores.to_json()["flat_error"] == [0.5]


def test_votes(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("task,worker,label\nt2,w1,yes\nt1,w1,no\nt1,w2,maybe\n")
    votes = Votes.read(tmp_path / "v.csv")
    assert (votes.tasks, votes.workers, votes.answers) == (("t1", "t2"), ("w1", "w2"), ("maybe", "no", "yes"))
    assert [votes.answers[a] for a in votes.answer] == ["yes", "no", "maybe"]
    ordered = Votes.read(tmp_path / "v.csv", answers=("no", "maybe", "yes"))
    assert [ordered.answers[a] for a in ordered.answer] == ["yes", "no", "maybe"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task,worker\nt,w\n", "lacks the column 'label'"),
        ("task,worker,label\n", "has no votes"),
        ("task,worker,label\nt,w,no\nt,,yes\n", "row 3: worker is empty"),
        ("task,worker,label\nt,w,no\nu,w,no\nt,w,yes\n", "row 4: worker 'w' answers 't' a second time"),
    ],
)
def test_votes_refuse(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        Votes.read(tmp_path / "v.csv")


def test_consensus(tmp_path: Path) -> None:
    made = Consensus(
        ("t1", "t2"), ("no", "yes"), np.array([1, 0], dtype=np.int32), np.array([0.9, 0.5]), np.array([3, 2]),
        np.array(["accept", "ask_more"], dtype=object), {"n_tasks": 2},
    )  # fmt: skip
    made.write(tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text().splitlines()[1] == "t1,yes,0.9,3,accept"
    made.write(tmp_path / "c.parquet")
    assert pq.read_table(tmp_path / "c.parquet")["decision"].to_pylist() == ["accept", "ask_more"]
    with pytest.raises(BadInput, match=r"ends in '.txt'"):
        made.write(tmp_path / "c.txt")


def test_findings(tmp_path: Path) -> None:
    found = (Finding("label_errors", 0.9, ("a",), "looks like a goldfish", {"score": 0.1}),)
    write_findings(tmp_path / "f.jsonl", found)
    assert read_findings(tmp_path / "f.jsonl") == found
    (tmp_path / "f.jsonl").write_text('{"audit": "x"}\n')
    with pytest.raises(BadInput, match="row 1: is no finding"):
        read_findings(tmp_path / "f.jsonl")
    with pytest.raises(BadInput, match="severity 2 is outside"):
        write_findings(tmp_path / "g.jsonl", [Finding("x", 2, (), "")])
    assert not (tmp_path / "g.jsonl").exists()


def test_run(tmp_path: Path) -> None:
    run = Run("alexnet:tiny", {"lr": 0.1}, 0, "twin", "c", "v", seconds=3.0, commit="abc")
    run.write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == run
    assert json.loads((tmp_path / "run.json").read_text())["run_id"] == run.run_id
    later = Run("alexnet:tiny", {"lr": 0.1}, 0, "twin", "c", "v", seconds=4.0, commit="def")
    assert later.run_id == run.run_id, "time and commit do not name a run"
    assert Run("alexnet:tiny", {"lr": 0.2}, 0, "twin", "c", "v").run_id != run.run_id


def test_claim() -> None:
    Claim("top5_error", 0.182, "ILSVRC2012", "val", "one network, 10 crops", "paper").check()
    with pytest.raises(BadInput, match="is no fraction"):
        Claim("top5_error", 18.2, "ILSVRC2012", "val", "10 crops", "paper").check()
    with pytest.raises(BadInput, match="has no source"):
        Claim("top5_error", 0.182, "ILSVRC2012", "val", "10 crops", "").check()


def test_board(tmp_path: Path) -> None:
    row = BoardRow(1, (1, 2), "alexnet", 2012, "AlexNet", "r", 0.5, 0.2, (0.4, 0.6), (0.1, 0.3), 100, 2.0)
    board = Board("twin", (row,), {"chance": {"top1_error": 0.95}})
    board.write(tmp_path / "board.json")
    assert Board.read(tmp_path / "board.json") == board
    with pytest.raises(BadInput, match="not in order"):
        Board("twin", (row, row.__class__(**{**row.__dict__, "rank": 0})), {}).check()


def test_a_class_list_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "classes.tsv").write_bytes(b"\xef\xbb\xbfindex\twnid\tname\n0\tn02084071\tdog\n")
    assert ClassList.read(tmp_path / "classes.tsv").wnids == ("n02084071",)
