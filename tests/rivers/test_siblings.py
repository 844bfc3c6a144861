"""ImageNet's siblings from prediction files, each against a result by hand, through flows and the command line."""

from __future__ import annotations

import io
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topfive import cli, flows
from topfive.dataset import import_source
from topfive.flows.siblings import CARTON, objectnet_truth, official_classes
from topfive.records import BadInput, ClassList, Dataset, Predictions, Truth
from topfive.scoring import ALEXNET
from topfive.taxonomy import ilsvrc_classes, wordnet

EVERY = ilsvrc_classes()
needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="pip install 'topfive[models]'")


def pictures(root: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4), (i % 256, i // 256, 2)).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
    return root


def imported(tmp_path: Path, name: str, names: list[str]) -> Path:
    import_source(pictures(tmp_path / "raw" / name, names), tmp_path / name)
    return tmp_path / name


def predicted(path: Path, ids: list[str], guesses: list[list[str]], view: str = "v") -> Path:
    """Logits of the 1,000 classes: the first named wnid leads, and so on."""
    logits = np.zeros((len(ids), 1000), np.float32)
    for row, named in enumerate(guesses):
        for place, wnid in enumerate(named):
            logits[row, EVERY.index[wnid]] = 10 - place
    Predictions.from_logits(tuple(ids), logits, EVERY, view=view).write(path)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["sibling", *arguments])
    assert stopped.value.code in (None, 0)
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["sibling", *arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


@needs_timm
def test_a_and_r_have_200_classes_each_and_not_the_same() -> None:
    a, r = official_classes("a"), official_classes("r")
    assert a is not None
    assert r is not None
    assert (len(a), len(r)) == (200, 200)
    assert set(a.wnids) < set(EVERY.wnids)
    assert set(r.wnids) < set(EVERY.wnids)
    assert a.wnids != r.wnids
    assert [EVERY.index[wnid] for wnid in a.wnids[:5]] == [6, 11, 13, 15, 17]
    assert official_classes("v2") == official_classes("sketch") == EVERY


@needs_timm
def test_both_ways_among_the_official_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = official_classes("a")
    assert a is not None
    first, second = a.wnids[:2]
    tench = "n01440764"  # none of A's
    assert tench not in a.index
    folder = imported(tmp_path, "a", [f"{first}/x.png", f"{second}/y.png"])
    made = predicted(tmp_path / "p.parquet", ["x", "y"], [[first], [tench, second]])
    val = imported(tmp_path, "val", [f"{first}/v0.png", f"{tench}/v1.png"])
    clean = predicted(tmp_path / "c.parquet", ["v0", "v1"], [[first], [tench]])
    arguments = ("a", str(made), str(folder), "--clean", str(clean), "--clean-set", str(val))
    value = json.loads(run(capsys, *arguments, "--json"))
    assert [(way["n_ways"], way["top1_error"]) for way in value["ways"]] == [(200, 0.0), (1000, 0.5)]
    assert (value["subset"], value["n_classes"], value["n_classes_with_images"]) == ("official", 200, 2)
    clean_ways = value["clean"]["ways"]
    assert [(way["n"], way["dropped"], way["top1_error"]) for way in clean_ways] == [(1, 1, 0.0), (1, 1, 0.0)]
    text = run(capsys, *arguments)
    assert "200 classes" in text
    assert "1,000 classes" in text
    assert "val, same classes" in text
    assert f"lack 1 of the truth's 2 classes, the first is {tench}" in refused(capsys, "a", str(clean), str(val))


@needs_timm
def test_without_the_list_the_sets_own_folders_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = imported(tmp_path, "r", ["n01443537/x.png", "n01484850/y.png"])
    made = predicted(tmp_path / "p.parquet", ["x", "y"], [["n01443537"], ["n01440764", "n01484850"]])
    monkeypatch.setattr("topfive.flows.siblings.find_spec", lambda name: None)
    value = flows.score_sibling("r", made, folder)
    assert value["subset"] == "the set's own folders"
    assert [(way["n_ways"], way["top1_error"]) for way in value["ways"]] == [(2, 0.0), (1000, 0.5)]
    with pytest.raises(BadInput, match="is no sibling: 'b'"):
        flows.score_sibling("b", made, folder)


def test_v2_is_scored_by_number(tmp_path: Path) -> None:
    numbers = (2, 10, 100)
    folder = imported(tmp_path, "imagenetv2", [f"{k}/p{k}.png" for k in numbers])
    made = predicted(tmp_path / "p.parquet", [f"p{k}" for k in numbers], [[EVERY.wnids[k]] for k in numbers])
    value = flows.score_sibling("v2", made, folder)
    assert [(way["n_ways"], way["top1_error"]) for way in value["ways"]] == [(1000, 0.0)]


def objectnet(tmp_path: Path, mapping: dict[str, str]) -> tuple[Path, Path]:
    folder = imported(tmp_path, "objectnet", ["alarm_clock/x.png", "bench/y.png", "air_freshener/z.png"])
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    labels = {"alarm_clock": "Alarm clock", "bench": "Bench", "air_freshener": "Air freshener", "tie": "Tie"}
    (mappings / "folder_to_objectnet_label.json").write_text(json.dumps(labels))
    (mappings / "objectnet_to_imagenet_1k.json").write_text(json.dumps(mapping))
    return folder, mappings


def words(wnid: str) -> str:
    return ", ".join(lemma.replace("_", " ") for lemma in wordnet().lemmas(wnid))


ANALOG, DIGITAL, BENCH, TIE = "n02708093", "n03196217", "n03891251", "n02883205"


def test_objectnet_by_its_own_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapping = {"Alarm clock": f"{words(ANALOG)}; {words(DIGITAL)}", "Bench": words(BENCH), "Tie": words(TIE)}
    folder, mappings = objectnet(tmp_path, mapping)
    truth = objectnet_truth(Dataset.read(folder), mappings)
    assert truth.classes.wnids == tuple(sorted((ANALOG, DIGITAL, BENCH, TIE)))
    allowed = {key: {truth.classes.wnids[k] for k in truth.of(row)} for row, key in enumerate(truth.ids)}
    assert allowed == {"x": {ANALOG, DIGITAL}, "y": {BENCH}, "z": set()}
    made = predicted(tmp_path / "p.parquet", ["x", "y", "z"], [[DIGITAL], ["n01440764", BENCH], [TIE]])
    text = run(capsys, "objectnet", str(made), str(folder), "--mappings", str(mappings), "--json")
    value = json.loads(text)
    assert [(way["n_ways"], way["n"], way["dropped"], way["top1_error"]) for way in value["ways"]] == [
        (4, 2, 1, 0.0),
        (1000, 2, 1, 0.5),
    ]
    assert "needs --mappings" in refused(capsys, "objectnet", str(made), str(folder))


@pytest.mark.parametrize("written", ["crane", "no such thing", ""])
def test_a_mapping_that_names_none_or_two_is_refused(tmp_path: Path, written: str) -> None:
    folder, mappings = objectnet(tmp_path, {"Bench": written})
    with pytest.raises(BadInput, match=r"names [02] of ILSVRC's classes, not one"):
        objectnet_truth(Dataset.read(folder), mappings)


def test_folders_that_are_not_objectnets(tmp_path: Path) -> None:
    _, mappings = objectnet(tmp_path, {"Bench": words(BENCH)})
    other = imported(tmp_path, "other", ["unicorn/x.png"])
    with pytest.raises(BadInput, match="has 1 folders that are not ObjectNet's, the first is 'unicorn'"):
        objectnet_truth(Dataset.read(other), mappings)
    (mappings / "folder_to_objectnet_label.json").write_text("[1]")
    with pytest.raises(BadInput, match="is no JSON object of names and str values"):
        objectnet_truth(Dataset.read(other), mappings)
    (mappings / "folder_to_objectnet_label.json").unlink()
    with pytest.raises(BadInput, match=r"there is no such file\. JSON is wanted"):
        objectnet_truth(Dataset.read(other), mappings)


def test_outliers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known, other = list(EVERY.wnids[:5]), EVERY.wnids[900]
    # O's own classes are none of the 1,000: a synset of WordNet that ILSVRC lacks.
    folder = imported(tmp_path, "o", [f"n02121620/o{i}.png" for i in range(4)])
    out = predicted(tmp_path / "o.parquet", [f"o{i}" for i in range(4)], [[], [], [other], [known[0]]])
    val = imported(tmp_path, "val", [f"{wnid}/v{i}.png" for i, wnid in enumerate([*known, other])])
    inside = predicted(tmp_path / "v.parquet", [f"v{i}" for i in range(6)], [[w] for w in [*known, other]])
    (tmp_path / "known.txt").write_text("\n".join(known) + "\n")
    arguments = ("o", str(out), str(folder), "--clean", str(inside), "--clean-set", str(val))
    value = json.loads(run(capsys, *arguments, "--classes", str(tmp_path / "known.txt"), "--json"))
    # Three of the four stand above every inside picture (logits of the subset all equal); the last ties with five.
    assert value["aupr"] == pytest.approx((3 + 4 / 9) / 4)
    assert (value["n_outside"], value["n_inside"], value["n_ways"], value["subset"]) == (4, 5, 5, "given")
    text = run(capsys, *arguments)
    assert "area under precision-recall" in text
    assert json.loads(run(capsys, *arguments, "--json"))["n_inside"] == 6
    assert "needs --clean" in refused(capsys, "o", str(out), str(folder))
    assert "goes with --clean-set" in refused(capsys, "o", str(out), str(folder), "--clean", str(inside))
    (tmp_path / "known.txt").write_text("n02121620\n")
    assert "is none of ILSVRC's" in refused(capsys, *arguments, "--classes", str(tmp_path / "known.txt"))
    (tmp_path / "known.txt").write_text(f"{EVERY.wnids[500]}\n")
    assert "has no picture of these" in refused(capsys, *arguments, "--classes", str(tmp_path / "known.txt"))


def test_outliers_whose_folders_name_the_classes_need_no_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, other = list(EVERY.wnids[:2]), EVERY.wnids[900]
    folder = imported(tmp_path, "o", [f"{known[1]}/o0.png", f"{known[0]}/o1.png"])
    out = predicted(tmp_path / "o.parquet", ["o0", "o1"], [[], [known[0]]])
    val = imported(tmp_path, "val", [f"{wnid}/v{i}.png" for i, wnid in enumerate([*known, other])])
    inside = predicted(tmp_path / "v.parquet", [f"v{i}" for i in range(3)], [[w] for w in [*known, other]])
    arguments = ("o", str(out), str(folder), "--clean", str(inside), "--clean-set", str(val))
    value = json.loads(run(capsys, *arguments, "--json"))
    assert (value["n_outside"], value["n_inside"], value["n_ways"]) == (2, 2, 2), "val's third class is none of O's"
    assert value["subset"] == "the set's own folders"
    # o0 (both logits equal) stands above all; o1 ties with the two of val: (1 + 2 / 4) / 2.
    assert value["aupr"] == pytest.approx(0.75)
    mixed = imported(tmp_path, "mixed", [f"{known[1]}/o0.png", "n02121620/o1.png"])
    said = refused(capsys, "o", str(out), str(mixed), "--clean", str(inside), "--clean-set", str(val))
    assert "has 1 folders of ILSVRC's classes and 1 of others, the first is n02121620" in said
    assert "--classes FILE" in said


def test_the_watermark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tench = "n01440764"
    assert EVERY.index[CARTON] == 478
    val = imported(tmp_path, "val", [f"{tench}/a.png", f"{tench}/b.png", f"{CARTON}/c.png"])
    ids = ["a", "b", "c"]
    clean = predicted(tmp_path / "clean.parquet", ids, [[tench], [tench], [CARTON]])
    marked = predicted(tmp_path / "marked.parquet", ids, [[CARTON], [tench], [CARTON]])
    value = json.loads(run(capsys, "w", str(marked), str(val), "--clean", str(clean), "--json"))
    assert (value["clean_error"], value["error_rise"]) == (0.0, pytest.approx(1 / 3))
    assert (value["called_clean"], value["called_marked"], value["n_other"]) == (0.0, 0.5, 2)
    assert "called n02971356 % with" in run(capsys, "w", str(marked), str(val), "--clean", str(clean))
    unlike = predicted(tmp_path / "unlike.parquet", ids, [[tench], [tench], [CARTON]], view="other")
    assert "has the view" in refused(capsys, "w", str(marked), str(val), "--clean", str(unlike))


def released(tmp_path: Path, kinds: list[str], wrong: Any) -> tuple[Path, Path]:
    wnids = EVERY.wnids[:2]
    names = [f"{kind}/{s}/{wnid}/{wnid}_v.png" for kind in kinds for s in range(1, 6) for wnid in wnids]
    folder = imported(tmp_path, "c", names)
    manifest = Dataset.read(folder).manifest
    guesses = []
    for source in manifest.column("source"):
        kind, severity, wnid, _ = source.split("/")
        guesses.append(["n15075141" if wrong(kind, int(severity), wnid) else wnid])
    return folder, predicted(tmp_path / "c.parquet", list(manifest.ids), guesses)


def test_the_released_corruptions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Severity 5 of every corruption is wrong on both pictures, severity 4 on one: a mean error of 0.3.
    folder, made = released(
        tmp_path, list(ALEXNET), lambda kind, s, wnid: s == 5 or (s == 4 and wnid == EVERY.wnids[0])
    )
    val = imported(tmp_path, "val", [f"{EVERY.wnids[0]}/a.png"])
    clean = predicted(tmp_path / "v.parquet", ["a"], [[EVERY.wnids[0]]])
    arguments = ("c", str(made), str(folder), "--clean", str(clean), "--clean-set", str(val))
    value = json.loads(run(capsys, *arguments, "--json"))
    assert value["protocol"] == "imagenet-c/released"
    assert value["mce"] == pytest.approx(float(np.mean([0.3 / error for error in ALEXNET.values()])))
    assert (value["clean_error"], value["mean_error"], value["missing"]) == (0.0, pytest.approx(0.3), [])
    fog = next(row for row in value["corruptions"] if row["corruption"] == "fog")
    assert [(cell["n"], cell["error"]) for cell in fog["severities"]] == [(2, 0), (2, 0), (2, 0), (2, 0.5), (2, 1)]
    assert fog["ce"] == pytest.approx(0.3 / ALEXNET["fog"])
    text = run(capsys, *arguments)
    assert "mCE (AlexNet is 100)" in text
    own = tmp_path / "own.json"
    own.write_text(json.dumps(dict.fromkeys(ALEXNET, 0.6)))
    assert json.loads(run(capsys, *arguments, "--baseline", str(own), "--json"))["mce"] == pytest.approx(0.5)
    own.write_text(json.dumps({"fog": 0.5}))
    assert "lacks 14 of the 15 corruptions" in refused(capsys, *arguments, "--baseline", str(own))


def test_a_part_of_the_released_corruptions_has_no_mce(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, made = released(tmp_path, ["fog", "spatter"], lambda kind, s, wnid: False)
    value = flows.score_released_corruptions(made, folder)
    assert (value["mce"], len(value["missing"])) == (None, 70)
    assert "70 of 75 are missing" in run(capsys, "c", str(made), str(folder))
    plain = imported(tmp_path, "plain", [f"{EVERY.wnids[0]}/a.png"])
    guess = predicted(tmp_path / "q.parquet", ["a"], [[EVERY.wnids[0]]])
    with pytest.raises(BadInput, match="image 'a' lies under no corruption and severity"):
        flows.score_released_corruptions(guess, plain)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("v2", "p", "d", "--mappings", "m"), "goes with sibling objectnet only"),
        (("v2", "p", "d", "--classes", "m"), "goes with sibling o only"),
        (("v2", "p", "d", "--baseline", "m"), "goes with sibling c only"),
        (("w", "p", "d"), "needs --clean"),
        (("v2", "none.parquet", "d"), "none.parquet"),
    ],
)
def test_refusals(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(capsys, *arguments)


def test_a_truth_file_is_a_set_too(tmp_path: Path) -> None:
    classes = ClassList(EVERY.wnids[:2], EVERY.names[:2])
    Truth.single(["x"], np.array([1], np.int32), classes).write(tmp_path / "t.parquet")
    made = predicted(tmp_path / "p.parquet", ["x"], [[EVERY.wnids[1]]])
    value = flows.score_sibling("sketch", made, tmp_path / "t.parquet")
    assert (value["n_classes"], value["n_classes_with_images"], value["ways"][0]["top1_error"]) == (1000, 1, 0.0)
