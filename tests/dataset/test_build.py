"""Build: only what people accepted, and every candidate is counted once."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import pytest

from dataset.releases import picture, pictured
from topfive.dataset.build import BuildReport, build_set
from topfive.labelling import consensus
from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, Votes


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def answers(path: Path, **decisions: str) -> Path:
    """`task="yes accept"`."""
    rows = [
        {"task": task, "label": said.split()[0], "probability": 0.9, "n_votes": 3, "decision": said.split()[1]}
        for task, said in decisions.items()
    ]
    return table(path, rows)


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    folder = tmp_path / "pool"
    folder.mkdir()
    for i in range(5):
        (folder / f"p{i}.png").write_bytes(picture(i))
    (folder / "p5.png").write_bytes(b"<html>gone</html>")
    rows = [
        {
            "image_id": f"p{i}",
            "path": f"p{i}.png",
            "wnid": ("cat", "dog")[i % 2],
            "licence": "CC0",
            "url": f"http://x/{i}",
        }
        for i in range(7)
    ]
    return table(folder / "candidates.csv", rows)


def adds_up(report: BuildReport) -> bool:
    parts = (report.n_images, report.n_rejected, report.n_ask_more, report.n_without_votes, report.n_unused)
    return sum(parts) == report.n_candidates


def test_accepted_candidates_with_their_provenance(tmp_path: Path, candidates: Path) -> None:
    agreed = answers(
        tmp_path / "agreed.csv",
        p0="yes accept", p1="yes accept", p2="no reject", p3="yes ask_more",
        p5="yes accept", p6="yes accept", q="no reject",
    )  # fmt: skip
    report = build_set(candidates, agreed, tmp_path / "out")
    dataset = Dataset.read(tmp_path / "out")
    assert dataset.manifest.ids == ("p0", "p1")
    assert dataset.classes.wnids == ("cat", "dog")
    assert dataset.manifest.class_index.tolist() == [0, 1]
    row = dataset.manifest.table.to_pylist()[1]
    assert (row["licence"], row["url"], row["n_votes"], row["label_probability"]) == ("CC0", "http://x/1", 3, 0.9)
    assert (row["sha256"], row["width"], row["height"]) == (hashlib.sha256(picture(1)).hexdigest(), 8, 6)
    assert Pictures(dataset, dataset.manifest).read(1) == picture(1)
    assert report.to_json() | {"problems": []} == {
        "n_candidates": 7,
        "n_images": 2,
        "n_classes": 2,
        "n_rejected": 1,
        "n_ask_more": 1,
        "n_without_votes": 1,
        "n_unused": 2,
        "n_unknown_tasks": 1,
        "accepted": {"cat": 1, "dog": 1},
        "splits": {"train": 2},
        "n_problems": 2,
        "problems": [],
    }
    assert adds_up(report)
    reasons = {problem.image_id: problem.reason for problem in report.problems}
    assert "HTML" in reasons["p5"]
    assert "No such file" in reasons["p6"]


def test_what_labelling_wrote_is_what_build_reads(tmp_path: Path, candidates: Path) -> None:
    votes = [("p0", "yes"), ("p1", "no"), ("p2", "yes")]
    columns = [[task for task, _ in votes for _ in range(5)], [f"w{i}" for _ in votes for i in range(5)]]
    made = Votes.from_columns(*columns, [label for _, label in votes for _ in range(5)])
    for name in ("agreed.csv", "agreed.parquet"):
        consensus(made, "majority", classes=["no", "yes"]).write(tmp_path / name)
        report = build_set(candidates, tmp_path / name, tmp_path / f"out {name}")
        assert Dataset.read(tmp_path / f"out {name}").manifest.ids == ("p0", "p2")
        assert (report.n_rejected, report.n_without_votes) == (1, 4)
        assert adds_up(report)


def test_an_answer_that_names_a_class_is_the_class(tmp_path: Path, candidates: Path) -> None:
    agreed = answers(tmp_path / "agreed.csv", p0="dog accept", p1="dog accept", p2="cat accept")
    build_set(candidates, agreed, tmp_path / "out")
    dataset = Dataset.read(tmp_path / "out")
    labels = [dataset.classes.wnids[i] for i in dataset.manifest.class_index]
    assert dict(zip(dataset.manifest.ids, labels, strict=True)) == {"p0": "dog", "p1": "dog", "p2": "cat"}


def test_several_answers_that_are_no_classes(tmp_path: Path, candidates: Path) -> None:
    agreed = answers(tmp_path / "agreed.csv", p0="yes accept", p1="unsure accept", p2="no accept")
    with pytest.raises(BadInput, match=r"accepts the labels 'no' and 'unsure'.*--yes"):
        build_set(candidates, agreed, tmp_path / "out")
    report = build_set(candidates, agreed, tmp_path / "out", yes="yes")
    assert Dataset.read(tmp_path / "out").manifest.ids == ("p0",)
    assert report.n_rejected == 2
    assert adds_up(report)


def test_an_image_that_is_a_candidate_of_two_classes(tmp_path: Path, candidates: Path) -> None:
    rows = [
        {"image_id": f"p{i}", "path": f"p{i}.png", "wnid": wnid, "task": f"p{i}/{wnid}"}
        for i in range(3)
        for wnid in ("cat", "dog")
    ]
    pairs = table(candidates.parent / "pairs.csv", rows)
    said = {"p0/cat": "yes accept", "p0/dog": "no reject", "p1/cat": "yes accept", "p1/dog": "yes accept"}
    report = build_set(pairs, answers(tmp_path / "agreed.csv", **said), tmp_path / "out")
    assert Dataset.read(tmp_path / "out").manifest.ids == ("p0",)
    assert [tuple(problem) for problem in report.problems] == [("p1", "is accepted for cat and for dog: left out")]
    assert adds_up(report)
    without = table(
        candidates.parent / "untold.csv", [{k: row[k] for k in ("image_id", "path", "wnid")} for row in rows]
    )
    with pytest.raises(BadInput, match=r"names an image twice.*column `task`"):
        build_set(without, answers(tmp_path / "agreed.csv", p0="yes accept"), tmp_path / "out2")


def test_candidates_may_be_a_dataset_folder(tmp_path: Path) -> None:
    dataset = pictured(tmp_path / "pool", 6)
    agreed = answers(tmp_path / "agreed.csv", i1="yes accept", i5="yes accept", i2="no reject")
    report = build_set(tmp_path / "pool", agreed, tmp_path / "out")
    made = Dataset.read(tmp_path / "out")
    assert made.manifest.ids == ("i1", "i5")
    assert made.classes == dataset.classes
    assert Pictures(made, made.manifest).read(1) == picture(5)
    assert report.splits == {"train": 1, "val": 1}
    assert adds_up(report)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"task": "p0", "label": "yes"}], "lacks the column 'decision'"),
        ([{"task": "p0", "label": "yes", "decision": "maybe"}], "row 2: decision 'maybe' is none of accept"),
        ([{"task": "p0", "label": "yes", "decision": "accept"}] * 2, "row 3: task 'p0' stands twice"),
        ([{"task": "other", "label": "yes", "decision": "accept"}], "about none of the 7 candidates"),
        ([{"task": "p0", "label": "no", "decision": "reject"}], "no candidate was accepted"),
        ([{"task": "p6", "label": "yes", "decision": "accept"}], r"no candidate was accepted.*p6\.png"),
    ],
)
def test_answers_that_make_no_set(tmp_path: Path, candidates: Path, rows: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        build_set(candidates, table(tmp_path / "agreed.csv", rows), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agreed.csv", "pool"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"image_id": "p0", "wnid": "cat"}], "none of the columns path, container"),
        ([{"image_id": "p0", "path": "p0.png"}], "none of the columns wnid"),
        ([{"image_id": "p0", "path": "", "wnid": "cat"}], "row 2: path is empty"),
        ([{"image_id": "p0", "path": "p0.png", "wnid": "n99999999"}], "no noun synset"),
    ],
)
def test_tables_that_are_no_candidates(tmp_path: Path, rows: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        build_set(table(tmp_path / "c.csv", rows), answers(tmp_path / "a.csv", p0="yes accept"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
