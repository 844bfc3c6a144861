"""Prediction files against each other and against published rows, through flows and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import jpeg
from topfive import cli, flows
from topfive.records import BadInput, ClassList, Dataset, Manifest, Predictions, Truth, View

N = 40
CLASSES = ClassList(("n01440764", "n01443537", "n01484850"), ("tench", "gold<b>fish", "great white shark"))
TABLE = (
    "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation\n"
    "best,224,99,1,100,0,1,0.875,bicubic\n"
    "mine.x,224,50,50,100,0,1,0.875,bicubic\n"
    "mine.x,288,60,40,100,0,1,1.0,bilinear\n"
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of 40 pictures in `set`; a.parquet errs on 20 of them, b on the first 4, c as b by another view."""
    root = tmp_path / "set"
    root.mkdir()
    rng = np.random.default_rng(0)
    sizes = []
    for i in range(N):
        data = jpeg(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
        (root / f"{i}.jpg").write_bytes(data)
        sizes.append(len(data))
    labels = np.arange(N) % 3
    ids = [f"p{i:02d}" for i in range(N)]
    columns = {"image_id": ids, "container": [f"{i}.jpg" for i in range(N)], "size": sizes}
    manifest = Manifest.from_columns(columns | {"class_index": labels.tolist(), "split": ["val"] * N}, CLASSES)
    Dataset(root, manifest, {"name": "forty"}).write(root)
    for name, wrong, view in (
        ("a", range(20, N), View(256, 224, "bicubic")),
        ("b", range(4), View(256, 224, "bicubic")),
        ("c", range(4), View(288, 288, "bilinear")),
    ):
        logits = np.zeros((N, 3), np.float32)
        guess = labels.copy()
        guess[list(wrong)] = (labels[list(wrong)] + 1) % 3
        logits[np.arange(N), guess] = 1 + rng.random(N)
        made = Predictions.from_logits(tuple(ids), logits, CLASSES, view=view.digest, system=f"system-{name}")
        made.write(tmp_path / f"{name}.parquet")
    (tmp_path / "rows.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["compare", *arguments])
    assert stopped.value.code in (None, 0)
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["compare", *arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_two_files(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(run(capsys, "a.parquet", "b.parquet", "set", "--json"))
    assert {"difference", "interval", "p_value", "n_discordant"} <= value.keys()
    assert (value["difference"], value["n_discordant"], value["same_view"]) == (0.4, 24, True)
    assert (value["n_first_only"], value["n_second_only"]) == (4, 20)
    assert sorted(value["first_only"]) == ["p00", "p01", "p02", "p03"]
    again = json.loads(run(capsys, "a.parquet", "b.parquet", "set", "--json", "--seed", "0"))
    assert again == value
    assert value == flows.compare_files(Path("a.parquet"), Path("b.parquet"), Path("set"))
    text = run(capsys, "a.parquet", "b.parquet", "set")
    assert "+40.00" in text
    assert "p (exact McNemar)" in text
    assert "only b is right" in text
    assert "Bonett and Price" in text, "24 images are few"


def test_unlike_views_are_refused_unless_asked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "a.parquet", "c.parquet", "set")
    assert "c.parquet: has the view" in said
    assert "--any-view" in said
    value = json.loads(run(capsys, "a.parquet", "c.parquet", "set", "--any-view", "--json"))
    assert (value["n_discordant"], value["same_view"]) == (24, False)
    assert "preprocessing" in run(capsys, "a.parquet", "c.parquet", "set", "--any-view")


def test_many_files(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("a.parquet", "b.parquet", "c.parquet")
    value = json.loads(run(capsys, *files, "set", "--any-view", "--json"))
    assert [(system["name"], system["rank"], system["rank_interval"]) for system in value["systems"]] == [
        ("b.parquet", 1, [1, 2]),
        ("c.parquet", 1, [1, 2]),
        ("a.parquet", 3, [3, 3]),
    ]
    assert len(value["pairs"]) == 3
    text = run(capsys, *files, "set", "--any-view")
    assert "1 of 3 pairs are not told apart" in text
    assert "may be" in text
    assert "c.parquet: has the view" in refused(capsys, *files, "set")
    assert "stands twice" in refused(capsys, "a.parquet", "b.parquet", "a.parquet", "set")


def test_a_page_of_two(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(run(capsys, "a.parquet", "b.parquet", "set", "--report", "out/ab.html", "--json"))
    assert value["report"] == "out/ab.html"
    assert value["n_discordant"] == 24
    page = Path("out/ab.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 24
    assert "Only a is right" in page
    assert "Only b is right" in page
    assert "gold&lt;b&gt;fish" in page
    assert "gold<b>fish" not in page
    assert "n01443537, said a" in page
    assert "labelled n01440764" in page
    assert "p00" in page
    assert "forty" in page
    assert "They differ on 24 of 40 images." in page


def test_a_page_without_pictures_says_why(place: Path) -> None:
    rows = Dataset.read(place / "set").manifest.rows("val")
    Truth.single(rows.ids, rows.class_index, CLASSES).write(place / "truth.parquet")
    files = [Path("a.parquet"), Path("b.parquet")]
    flows.report_comparison(files, Path("truth.parquet"), Path("ab.html"))
    page = Path("ab.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" not in page
    assert "There are no pictures here" in page


def test_a_page_of_many(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "a.parquet", "b.parquet", "c.parquet", "set", "--any-view", "--report", "abc.html")
    assert "report abc.html" in text
    page = Path("abc.html").read_text(encoding="utf-8")
    assert "Ranks that the tests allow" in page
    assert page.count("a tie") == 1
    assert "system-a" in page


def test_files_of_one_name_are_told_apart(place: Path) -> None:
    (place / "other").mkdir()
    (place / "other" / "a.parquet").write_bytes((place / "b.parquet").read_bytes())
    flows.report_comparison([Path("a.parquet"), Path("other/a.parquet")], Path("set"), Path("p.html"))
    page = Path("p.html").read_text(encoding="utf-8")
    assert "Only other/a is right" in page


def test_published_rows(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("a.parquet", "set", "--published", "rows.csv", "--name", "mine.x")
    value: dict[str, Any] = json.loads(run(capsys, *arguments, "--json"))
    assert (value["rank"], value["n_rows"], value["error"]) == (3, 3, 0.5)
    assert value["view"]["interpolation"] == "bicubic", "recognised by its fingerprint"
    ours, other = value["expected"]
    assert (ours["row"], ours["within"], ours["preprocessing_differences"]) == (3, True, [])
    assert other["preprocessing_differences"] == [
        "size 288 px, here 224",
        "crop 1 of the short side, here 0.875",
        "bilinear, here bicubic",
    ]
    text = run(capsys, *arguments)
    assert "3 of 4" in text
    assert "preprocessing of mine.x, line 4: size 288 px, here 224" in text
    assert "has no model 'mine'. Did you mean mine.x?" in refused(capsys, *arguments[:-1], "mine")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.parquet", "set"), "Write: topfive compare P1 P2 [P3 ...] SET"),
        ((), "got 0 paths"),
        (("set", "--published", "rows.csv"), "Write: topfive compare P SET"),
        (("a.parquet", "b.parquet", "set", "--published", "rows.csv"), "places one file"),
        (("a.parquet", "b.parquet", "set", "--name", "x"), "goes with --published only"),
        (("a.parquet", "b.parquet", "set", "--restrict"), "--restrict: goes with --published only"),
        (("a.parquet", "none.parquet", "set"), "none.parquet"),
        (("a.parquet", "b.parquet", "nothing"), "nothing"),
        (("a.parquet", "set", "--published", "none.csv"), "none.csv"),
        (("a.parquet", "b.parquet", "set", "--report", "set"), "is a folder"),
    ],
)
def test_refusals(place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(capsys, *arguments)


def test_other_images_are_named_by_file(place: Path) -> None:
    made = Predictions.read(Path("b.parquet"))
    short = Predictions(made.ids[:-1], made.top_index[:-1], made.top_score[:-1], made.classes, made.view)
    short.write(Path("short.parquet"))
    with pytest.raises(BadInput, match=r"^short\.parquet: 1 of 40 images are missing, the first is 'p39'"):
        flows.compare_files(Path("a.parquet"), Path("short.parquet"), Path("set"))
