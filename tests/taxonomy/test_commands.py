"""The commands of the room, called in this process; `tests/contracts` calls them as processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from topfive.cli import main
from topfive.records import ClassList, read_findings
from topfive.taxonomy import ilsvrc_classes


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """What a command prints, or what it says on standard error where it is refused."""
    try:
        main(["taxonomy", *arguments])
    except SystemExit as stop:
        assert (stop.code or 0) == status
    else:
        assert status == 0
    out, err = capsys.readouterr()
    if status:
        assert out == ""
        return err
    return out


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(said(capsys, *arguments, "--json"))


def test_find(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    assert "n02012849    134" in said(capsys, "find", "crane")
    assert answered(capsys, "find", "chihuaua")["synsets"][0]["wnid"] == "n02085620"
    kit = str(shared / "data" / "ILSVRC2012_devkit_t12.tar.gz")
    assert "ilsvrc_id" in said(capsys, "find", "490", "--devkit", kit)
    assert answered(capsys, "show", "n02119789", "--devkit", kit)["ilsvrc_id"] == 1
    assert said(capsys, "find", "zzzzqqq") == ""


def test_path_draws_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "path", "n02085620", "n02123045").splitlines() == [
        "n01317541 domestic animal  height 6",
        "├── n02084071 dog",
        "│   └── n02085374 toy dog",
        "│       └── n02085620 Chihuahua",
        "└── n02121808 domestic cat",
        "    └── n02123045 tabby",
        "they meet in n02075296 carnivore too, height 7",
    ]
    assert said(capsys, "path", "n02084071", "n02085620").splitlines() == [
        "n02084071 dog  height 5",
        "└── n02085374 toy dog",
        "    └── n02085620 Chihuahua",
    ]
    assert said(capsys, "path", "n02084071", "n02084071") == "n02084071 dog  height 5\n"


def test_tree(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert said(capsys, "tree", "n02120997", "--depth", "2").splitlines()[:5] == [
        "n02120997 feline  13 classes",
        "├── n02121620 cat  7 classes",
        "│   ├── n02121808 domestic cat  5 classes",
        "│   └── n02124623 wildcat  2 classes",
        "└── n02127808 big cat  6 classes",
    ]
    (tmp_path / "cats.txt").write_text("tabby\nlion\n", encoding="utf-8")
    assert said(capsys, "tree", "n02127808", "--leaves", str(tmp_path / "cats.txt")).splitlines() == [
        "n02127808 big cat  1 class",
        "└── n02129165 lion  class 1",
    ]
    assert answered(capsys, "tree", "--depth", "1")["tree"]["n_leaves"] == 1000
    assert len(said(capsys, "tree", "--depth", "9", "--limit", "12").splitlines()) == 12


def test_rows_that_a_tree_does_not_count_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("lion\nlion\nzzzzqqq\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["taxonomy", "tree", "n02127808", "--leaves", str(tmp_path / "some.txt"), "--json"])
    out, err = capsys.readouterr()
    assert json.loads(out)["tree"]["n_leaves"] == 1
    assert "2 of 3 rows" in err


def test_leaves(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    value = answered(capsys, "leaves", "--n", "20", "--quota", "n02084071=3", "--quota", "n00007846=0", "--seed", "5")
    assert (value["n"], value["from"], value["seed"], value["in_quotas"], value["out"]) == (
        20,
        "ilsvrc",
        5,
        [3, 0],
        None,
    )
    out = tmp_path / "classes.tsv"
    assert "n02084071=3" in said(capsys, "leaves", "20", "--quota", "n02084071=3", "--out", str(out))
    assert len(ClassList.read(out)) == 20
    (tmp_path / "counts.txt").write_text(
        "".join(f"{wnid} {k}\n" for k, wnid in enumerate(ilsvrc_classes().wnids)), encoding="utf-8"
    )
    most = answered(capsys, "leaves", "--n", "3", "--min-images", "997", "--counts", str(tmp_path / "counts.txt"))
    assert [row["n_images"] for row in most["classes"]] == [997, 998, 999]
    again = answered(capsys, "leaves", "--n", "2", "--from", str(out))
    assert {row["wnid"] for row in again["classes"]} < set(ClassList.read(out).wnids)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "dog"), "n02084071 (dog, domestic dog, Canis familiaris) comes nearest"),
        (("show", "v01835496"), "taxonomy find"),
        (("path", "n02084071", "cat"), "n02121620 (cat, true cat) comes nearest"),
        (("tree", "feline"), "n02120997"),
        (("find", "q" * 201), "201 bytes"),
        (("check", " "), "no class list is named"),
        (("check", "."), "classes.tsv"),
        (("tree", "n99999999"), "n99999999"),
        (("tree", "n02120997", "--leaves", "nowhere.txt"), "nowhere.txt"),
        (("leaves", "--n", "1001"), "only 1000 can be chosen"),
        (("leaves", "--n", "5", "--quota", "n02084071"), "WNID=10"),
        (("leaves", "--n", "9", "--quota", "n02084071=5..", "--quota", "n02083346=..4"), "cannot be met together"),
        (("leaves", "--n", "5", "--min-images", "3"), "--counts"),
        (("leaves", "--n", "5", "--from", "nowhere.txt"), "nowhere.txt"),
        (("check", "nowhere.txt"), "nowhere.txt"),
        (("check", "--kind", "nonsense"), "ancestor"),
    ],
)
def test_what_cannot_be_done_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    out = ("--out", str(tmp_path / "out")) if arguments[0] in ("leaves", "check") else ()
    assert words in said(capsys, *arguments, *out, status=2)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_list_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    assert "holds no class" in said(capsys, "check", str(tmp_path / "empty.txt"), status=2)


def test_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shown = said(capsys, "check", "--limit", "3", "--out", str(tmp_path / "findings.jsonl"))
    assert "findings in 1,000 classes of ilsvrc" in shown
    value = answered(capsys, "check")
    assert len(read_findings(tmp_path / "findings.jsonl")) == value["n_findings"] == len(value["findings"])
    assert sum(value["kinds"].values()) == value["n_findings"]
    assert list(value["findings"][0]) == ["kind", "severity", "wnids", "names", "reason", "evidence"]
    assert value["n_classes"] == 1000
    (tmp_path / "two.txt").write_text("dog\nchihuahua\nn00000009\n", encoding="utf-8")
    value = answered(capsys, "check", str(tmp_path / "two.txt"), "--kind", "ancestor", "--kind", "unknown")
    assert [(f["kind"], f["names"]) for f in value["findings"]] == [
        ("unknown", [None]),
        ("ancestor", ["Chihuahua", "dog"]),
    ]
    assert "0 findings" in said(capsys, "check", "--kind", "ancestor")
