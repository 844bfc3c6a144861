"""A result among published rows: by hand, hostile tables, and the real ones where they lie beside the checkout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from topfive.records import BadInput, Scores, View
from topfive.scoring import PublishedRow, place, read_published, view_of, wilson

HEAD = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation\n"
TABLE = HEAD + (
    'good,448,90.0,10.0,98.0,2.0,"1,014.45",1.000,bicubic\n'
    "lite.a,224,75.5,24.5,92.5,7.5,4.65,0.875,bicubic\n"
    "lite.a,240,76.0,24.0,92.9,7.1,4.65,0.875,bilinear\n"
    "lite.b,224,74.8,25.2,92.2,7.8,4.65,0.900,bicubic\n"
    "poor,224,50.0,50.0,70.0,30.0,1.00,0.875,bilinear\n"
)
VIEW = View(256, 224, "bicubic")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    return path


def scores(wrong: int, n: int, wrong5: int = 0) -> Scores:
    return Scores(
        n, "p", "original", "c", VIEW.digest, n - wrong, n - wrong5, wrong / n, wrong5 / n,
        wilson(wrong, n), wilson(wrong5, n),
    )  # fmt: skip


def test_a_table_as_timm_writes_it(tmp_path: Path) -> None:
    rows = read_published(written(tmp_path, TABLE))
    assert [row.model for row in rows] == ["good", "lite.a", "lite.a", "lite.b", "poor"]
    assert (rows[0].row, rows[0].top1_error, rows[0].top5_error, rows[0].img_size) == (2, 0.1, 0.02, 448)
    assert (rows[3].crop_pct, rows[3].interpolation) == (0.9, "bicubic")


def test_less_of_a_table_is_enough(tmp_path: Path) -> None:
    rows = read_published(written(tmp_path, "\ufeffmodel,top5\nx,90\ny,\n"))
    assert [(row.top1_error, row.top5_error, row.img_size) for row in rows] == [(None, 0.1, None), (None, None, None)]
    found = place(scores(10, 100, 5), rows, metric="top5_error")
    assert (found.n_rows, found.rank, found.view) == (1, 1, None)
    assert found.nearest[0].differences is None
    with pytest.raises(BadInput, match="has no top1 error"):
        place(scores(10, 100), rows)


def test_a_place_by_hand(tmp_path: Path) -> None:
    rows = read_published(written(tmp_path, TABLE))
    # 240 of 1,000 wrong: 24.0 % with Wilson's interval 21.46 to 26.74 %.
    found = place(scores(240, 1000), rows, view=VIEW, name="lite.a", source="p.csv")
    assert (found.rank, found.n_rows) == (2, 5), "only `good` errs less; an equal row does not"
    assert found.rank_interval == (2, 5), "behind `good`, and as far down as `lite.b`"
    assert [row.published.row for row in found.nearest] == [2, 4, 3, 5, 6], "by error"
    assert [row.within for row in found.nearest] == [False, True, True, True, False]
    assert found.nearest[0].difference == pytest.approx(0.1 - 0.24)
    first, second = found.expected
    assert (first.published.row, first.differences) == (3, ()), "the row of our preprocessing comes first"
    assert second.differences == ("size 240 px, here 224", "bilinear, here bicubic")
    value = found.to_json()
    assert (value["rank"], value["expected"][1]["within"], value["expected"][1]["img_size"]) == (2, True, 240)
    assert value["nearest"][3]["preprocessing_differences"] == ["crop 0.9 of the short side, here 0.875"]
    assert value["tolerance"] == list(wilson(240, 1000))


def test_the_nearest_five_of_many() -> None:
    rows = [PublishedRow(k, f"m{k}", k / 10, None, None, None, None) for k in range(11)]
    found = place(scores(71, 100), rows)
    assert [row.published.row for row in found.nearest] == [5, 6, 7, 8, 9]
    assert [round(row.difference, 2) for row in found.nearest] == [-0.21, -0.11, -0.01, 0.09, 0.19]


def test_a_row_at_the_end_of_the_interval_is_inside() -> None:
    low, high = wilson(240, 1000)
    rows = [PublishedRow(k, "m", error, None, None, None, None) for k, error in enumerate((low, high))]
    found = place(scores(240, 1000), rows)
    assert [row.within for row in found.nearest] == [True, True]
    assert (found.rank, found.rank_interval) == (2, (1, 3))


def test_best_and_worst_places(tmp_path: Path) -> None:
    rows = read_published(written(tmp_path, TABLE))
    assert (place(scores(0, 1000), rows).rank, place(scores(1000, 1000), rows).rank) == (1, 6)
    assert place(scores(1000, 1000), rows).rank_interval == (6, 6)


def test_preprocessing_differences_by_hand(tmp_path: Path) -> None:
    row = read_published(written(tmp_path, TABLE))[1]
    assert row.differences(VIEW) == ()
    assert row.differences(replace(VIEW, resize_px=255)) == (), "a pixel of rounding is none"
    assert row.differences(replace(VIEW, resize_px=248)) == ("crop 0.875 of the short side, here 0.903",)
    assert row.differences(View(274, 240, "bicubic")) == ("size 224 px, here 240",)
    bare = replace(row, img_size=None, interpolation=None)
    assert bare.differences(View(272, 240, "bilinear")) == ("crop 0.875 of the short side, here 0.882",)
    assert replace(bare, crop_pct=None).differences(View(272, 240, "bilinear")) == ()
    assert row.differences(replace(VIEW, squash=True)) == (
        "short side resized and cropped, here the whole picture squashed",
    )


def test_a_view_is_recognised_by_its_fingerprint(tmp_path: Path) -> None:
    rows = read_published(written(tmp_path, TABLE))
    for view in (
        VIEW,
        replace(VIEW, decoder="exact"),
        View(448, 448, "bicubic", squash=True),
        View(272, 240, "bilinear"),
    ):
        assert view_of(view.digest, rows) == view
    imagenet = replace(VIEW, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert view_of(imagenet.digest, rows) == imagenet
    clip = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    for mean, std in (clip, ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))):
        other = replace(VIEW, mean=mean, std=std)
        assert view_of(other.digest, rows) == other
    # 224 / 0.9 is 248.9: timm cuts it, torchvision rounds.
    for resize in (248, 249):
        assert view_of(View(resize, 224, "bicubic").digest, rows) == View(resize, 224, "bicubic")
    assert view_of(View(300, 224).digest, rows) is None
    assert view_of(None, rows) is None


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    rows = read_published(written(tmp_path, TABLE))
    with pytest.raises(BadInput, match=r"p\.csv: has no model 'lite'\. Did you mean lite\.a, lite\.b\?"):
        place(scores(1, 2), rows, name="lite", source="p.csv")
    with pytest.raises(BadInput, match="Leave --name out"):
        place(scores(1, 2), rows, name="zzzzqqqq")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the columns none"),
        ("name,top1\nx,1\n", "row 1: has the columns name, top1"),
        ("model,params\nx,1\n", "It needs model, and top1"),
        (HEAD, "has no rows under its header"),
        ("model,top1\nx,1,2\n", "line 2: has another number of fields"),
        ("model,top1\nx,1\ny\n", "line 3: has another number of fields"),
        ("model,top1\nx,abc\n", "line 2: top1 is 'abc', no number"),
        ("model,top1\nx,nan\n", "top1 is 'nan', no number"),
        ("model,top1\nx,inf\n", "top1 is 'inf', no number"),
        ("model,top1\nx,7_6.1\n", "line 2: top1 is '7_6.1', no number"),
        ("model,top1\nx,\u0667\u0666\n", "line 2: top1 is '\u0667\u0666', no number"),
        ("model,top1\nx,101\n", "top1 is 101, no percentage"),
        ("model,top1_err\nx,-1\n", "top1_err is -1, no percentage"),
        ("model,top1,top1_err\nx,75,30\n", "top1 75 and top1_err 30 do not add up to 100"),
        ("model,top1\n,50\n", "line 2: has the model name ''"),
        ("model,top1\n\x1b[31mx,50\n", "has the model name"),
        ("model,top1,crop_pct\nx,50,0\n", "crop_pct is 0"),
        ("model,top1,img_size\nx,50,-224\n", "img_size is -224"),
        ('model,top1\n"x,50\n', "is no CSV"),
        ('model,top1\n"x"y,50\n', "is no CSV"),
    ],
)
def test_hostile_tables_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_published(written(tmp_path, text))
    assert said in str(refused.value)
    assert "p.csv" in str(refused.value)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing\.csv: there is no such file\. A CSV file is wanted"):
        read_published(tmp_path / "missing.csv")
    (tmp_path / "b.csv").write_bytes(b"model,top1\n\xff\xfe,1\n")
    with pytest.raises(BadInput, match="cannot be read as a CSV file"):
        read_published(tmp_path / "b.csv")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(BadInput, match="has more than 64 MiB"):
        read_published(tmp_path / "large.csv")


def test_the_real_tables(shared: Path) -> None:
    tables = sorted((shared / "data" / "published").glob("*.csv"))
    if not tables:
        pytest.skip("no published tables beside the checkout")
    for table in tables:
        rows = read_published(table)
        assert len(rows) > 1000
        assert all(row.top1_error is not None and row.top5_error is not None for row in rows)
        assert all(row.top5_error <= row.top1_error for row in rows if row.top1_error and row.top5_error)
        assert view_of(VIEW.digest, rows) == VIEW
    rows = read_published(shared / "data" / "published" / "results-imagenet.csv")
    lite = next(row for row in rows if row.model == "tf_efficientnet_lite0.in1k")
    found = place(scores(round(lite.top1_error * 50_000), 50_000), rows, view=VIEW, name=lite.model)  # type: ignore[operator]
    assert (found.expected[0].within, found.expected[0].differences) == (True, ())
    assert found.rank == 1 + sum(row.top1_error < lite.top1_error for row in rows)  # type: ignore[operator]


def test_what_a_placement_says(tmp_path: Path) -> None:
    rows = read_published(written(tmp_path, "model,top1_err,img_size,crop_pct,interpolation\nx,25,240,0.9,bicubic\n"))
    found = place(scores(24, 100), rows, view=VIEW, name="x")
    row = {
        "model": "x",
        "row": 2,
        "error": 0.25,
        "difference": pytest.approx(0.01),
        "within": True,
        "img_size": 240,
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "preprocessing_differences": ["size 240 px, here 224", "crop 0.9 of the short side, here 0.875"],
    }
    assert found.to_json() == {
        "protocol": "published-place/1",
        "published": "published",
        "metric": "top1_error",
        "n": 100,
        "error": 0.24,
        "tolerance": list(wilson(24, 100)),
        "restricted": False,
        "n_rows": 1,
        "rank": 1,
        "rank_interval": [1, 2],
        "nearest": [row],
        "expected": [row],
        "view": VIEW.to_json(),
    }
    unknown = place(scores(24, 100), rows).to_json()
    assert (unknown["view"], unknown["nearest"][0]["preprocessing_differences"], unknown["expected"]) == (
        None,
        None,
        [],
    )
    assert read_published(written(tmp_path, "model,top5_err\nx,7.5\n"))[0].top5_error == 0.075


def test_a_pixel_of_rounding_at_either_size_is_no_difference() -> None:
    # 224 / 0.875 is 256 exactly: 255 and 257 are a pixel off, 254 and 258 are not.
    row = PublishedRow(2, "x", 0.1, None, 224, 0.875, "bicubic")
    assert [bool(row.differences(replace(VIEW, resize_px=px))) for px in range(254, 259)] == [1, 0, 0, 0, 1]
    # 288 / 0.9 is 320: at 224 px that is 248.9, and 248 lies within a pixel at 288.
    assert replace(row, img_size=288, crop_pct=0.9).differences(replace(VIEW, resize_px=248)) == (
        "size 288 px, here 224",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,top1,img_size\nx,50,65537\n", "line 2: img_size is 65537"),
        ("model,top1,crop_pct\nx,50,10.5\n", "line 2: crop_pct is 10.5"),
        ("model,top1\nx,101\n", "line 2: top1 is 101, no percentage"),
        ("model,top1\n" + "x,1\n" + 'y,"2', "line 2: is no CSV (unexpected end of data)"),
        ("model,top1\n,50\n", "line 2: has the model name ''. Name a model in each row"),
        ("model,top1,top1_err\nx,75,24.5\n", "line 2: top1 75 and top1_err 24.5 do not add up to 100"),
        (f"model,top1\nx,{'a' * 41}\n", f"line 2: top1 is '{'a' * 40}', no number"),
    ],
)
def test_refusals_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadInput) as refused:
        read_published(path)
    assert str(refused.value) == f"{path}, {message}"


def test_the_ends_of_what_a_table_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'model,top1,img_size,crop_pct\na,0,65536,10\nb,100,"1,024",\n'
    (a, b), plain = read_published(written(tmp_path, text)), PublishedRow(2, "a", 1.0, None, 65536, 10.0, None)
    assert a == plain
    assert (b.top1_error, b.img_size, b.crop_pct, b.interpolation) == (0.0, 1024, None, None)
    assert read_published(written(tmp_path, "model,top1,top1_err\nx,75.004,25.004\n"))[0].top1_error == 0.25004
    # Errors in percent to six places are kept as they are written.
    digits = "model,top1,top5_err\nx,87.654321,1.234567\n"
    (kept,) = read_published(written(tmp_path, digits))
    assert (kept.top1_error, kept.top5_error) == (0.12345679, 0.01234567)
    monkeypatch.setattr("topfive.scoring.published.MAX_BYTES", len(text))
    assert len(read_published(written(tmp_path, text))) == 2, "exactly as large as is allowed"
    monkeypatch.undo()
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(BadInput, match=r"large\.csv: has more than 64 MiB\. Name a table of published results$"):
        read_published(tmp_path / "large.csv")
    with pytest.raises(BadInput, match=r"^published: has no top5 error\. Choose the other metric$"):
        place(scores(1, 2), [plain], metric="top5_error")


def test_a_view_is_looked_for_in_every_row() -> None:
    bare = PublishedRow(2, "x", 0.1, None, None, None, None)
    rows = [
        replace(bare, img_size=224),
        replace(bare, crop_pct=0.9),
        replace(bare, img_size=224, crop_pct=0.9, interpolation="hamming"),
        replace(bare, img_size=224, crop_pct=2.0, interpolation="bicubic"),
        replace(bare, img_size=200, crop_pct=0.8, interpolation="nearest"),
        replace(bare, img_size=96, crop_pct=0.75, interpolation="lanczos"),
    ]
    for view in (View(250, 200, "nearest"), View(128, 96, "lanczos"), View(256, 224, "bicubic")):
        assert view_of(view.digest, rows) == view
    assert view_of(View(112, 224, "bicubic").digest, rows) is None, "no crop is larger than its picture"


def test_at_most_five_likely_names_and_only_alike_ones() -> None:
    rows = [PublishedRow(k, f"net_{k}.tag", 0.1, None, None, None, None) for k in range(9)]
    with pytest.raises(BadInput) as refused:
        place(scores(1, 2), rows, name="net_x.tag")
    assert str(refused.value).count("net_") == 6, "the one asked for and five"
    many = [PublishedRow(k, f"net.tag{k}", 0.1, None, None, None, None) for k in range(9)]
    with pytest.raises(BadInput, match=r"Did you mean net\.tag0, net\.tag1, net\.tag2, net\.tag3, net\.tag4\?$"):
        place(scores(1, 2), many, name="net")
    with pytest.raises(BadInput, match=r"Did you mean abcdef\?$"):  # half of the letters are alike
        place(scores(1, 2), [replace(rows[0], model="abcdef")], name="abcxyz")
