from __future__ import annotations

import hashlib
import io
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topfive.dataset import TwinRecipe, estimate_twin, make_twin, read_planted
from topfive.dataset.twin import _begun
from topfive.records import SPLITS, BadInput, Dataset
from topfive.taxonomy import ilsvrc_classes

SMALL = TwinRecipe(
    classes=5,
    train=16,
    val=8,
    test=12,
    size=32,
    label_noise=0.15,
    two_labels=0.05,
    no_label=0.05,
    duplicates=0.08,
    leaks=0.08,
)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_twin(tmp_path_factory.mktemp("twin") / "set", SMALL)


@pytest.fixture(scope="module")
def pictures(twin: Dataset) -> dict[str, bytes]:
    table = twin.manifest.table.select(["image_id", "container", "offset", "size"]).to_pylist()
    files = {name: (twin.root / name).read_bytes() for name in {row["container"] for row in table}}
    return {r["image_id"]: files[r["container"]][r["offset"] : r["offset"] + r["size"]] for r in table}


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)), dtype=np.float64)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_same_recipe_same_bytes_on_any_number_of_threads(twin: Dataset, tmp_path: Path) -> None:
    again = make_twin(tmp_path / "again", SMALL, workers=3)
    assert _files(again.root) == _files(twin.root)
    other = make_twin(tmp_path / "other", replace(SMALL, seed=1, train=2, val=1, test=1))
    assert other.classes.wnids != twin.classes.wnids


def test_counts_and_classes(twin: Dataset) -> None:
    assert twin.manifest.splits() == {"train": 80, "val": 40, "test": 60}
    assert list(twin.classes.wnids) == sorted(twin.classes.wnids)
    every = ilsvrc_classes()
    assert all(twin.classes.names[i] == every.names[every.index[w]] for i, w in enumerate(twin.classes.wnids))
    assert len(set(twin.manifest.column("country"))) > 2
    assert twin.about["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert TwinRecipe(**twin.about["recipe"]) == SMALL


def test_ids_say_split_and_number_only_and_classes_are_mixed(twin: Dataset) -> None:
    for split in SPLITS:
        rows = twin.manifest.rows(split)
        assert [re.fullmatch(rf"twin_{split}_(\d{{8}})", i)[1] for i in rows.ids] == [
            f"{n:08d}" for n in range(1, len(rows) + 1)
        ]
        assert np.count_nonzero(np.diff(rows.class_index)) > len(rows) / 2


def test_rows_point_at_the_bytes(twin: Dataset, pictures: dict[str, bytes]) -> None:
    columns = twin.manifest.table.to_pydict()
    for row, image_id in enumerate(columns["image_id"]):
        data = pictures[image_id]
        assert hashlib.sha256(data).hexdigest() == columns["sha256"][row]
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (32, 32))
        assert (columns["width"][row], columns["height"][row]) == (32, 32)


def test_shards_are_plain_tars(twin: Dataset, pictures: dict[str, bytes]) -> None:
    seen = {}
    for path in sorted((twin.root / "shards").iterdir()):
        data = path.read_bytes()
        assert len(data) % 512 == 0
        assert data.endswith(bytes(1024))
        with tarfile.open(path) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.gid, member.type) == (0, 0, 0, tarfile.REGTYPE)
                seen[member.name.removesuffix(".jpg")] = data[member.offset_data : member.offset_data + member.size]
    assert seen == pictures
    entries = [entry for entry in twin.about["distribution"] if entry["@type"] == "cr:FileObject"]
    assert {entry["contentUrl"]: entry["sha256"] for entry in entries} == {
        f"shards/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (twin.root / "shards").iterdir()
    }


def test_what_was_planted_is_what_the_manifest_shows(twin: Dataset, pictures: dict[str, bytes]) -> None:
    planted, manifest = read_planted(twin.root), twin.manifest
    place = {image_id: row for row, image_id in enumerate(manifest.ids)}
    sha256, group = manifest.column("sha256"), manifest.column("group")
    assert planted.classes == twin.classes.digest
    for at in range(len(planted)):
        row = place[planted.image_id[at]]
        right, given, kind = planted.true_classes[at], planted.class_index[at], planted.kind[at]
        assert manifest.class_index[row] == given
        assert manifest.column("split")[row] == planted.split[at]
        assert len(right) == {"two_labels": 2, "no_label": 0}.get(kind, 1)
        if kind.startswith("label_error"):
            assert given not in right
        if kind == "two_labels":
            assert given in right
        if kind.startswith("duplicate"):
            partner = place[planted.partner[at]]
            assert (sha256[row] == sha256[partner]) == (kind == "duplicate_exact")
            same_split = manifest.column("split")[partner] == planted.split[at]
            assert (group[row] == group[partner]) == same_split
            assert same_split or planted.detail[at].endswith("from train")
            apart = np.abs(_pixels(pictures[manifest.ids[row]]) - _pixels(pictures[manifest.ids[partner]])).mean()
            assert apart < 20
        else:
            assert planted.partner[at] == ""
    # Whatever is not listed is as given: same bytes and same group occur nowhere else.
    copies = {image_id for kind in ("duplicate_exact", "duplicate_near") for image_id in planted.ids(kind)}
    plain = [row for row, image_id in enumerate(manifest.ids) if image_id not in copies]
    assert len(set(sha256[plain])) == len(set(group[plain])) == len(plain)


def test_every_kind_is_in_every_split(twin: Dataset) -> None:
    planted = read_planted(twin.root)
    for split, n in twin.manifest.splits().items():
        assert len(planted.ids("label_error", split)) == round(0.15 * n)
        assert planted.ids("label_error_class", split)
        assert planted.ids("label_error_picture", split)
        assert len(planted.ids("two_labels", split)) == len(planted.ids("no_label", split)) == round(0.05 * n)
        assert planted.ids("duplicate_exact", split) or planted.ids("duplicate_near", split)


def test_planted_rows_can_be_divided(twin: Dataset, tmp_path: Path) -> None:
    planted = read_planted(twin.root)
    test = planted.take(planted.split == "test")
    test.write(tmp_path / "planted.parquet")
    back = read_planted(tmp_path / "planted.parquet")
    assert back.true_classes == test.true_classes
    assert back.image_id.tolist() == [image_id for image_id in planted.image_id if image_id.startswith("twin_test")]
    none = planted.take(np.zeros(len(planted), dtype=bool))
    none.write(tmp_path / "none.parquet")
    assert len(read_planted(tmp_path / "none.parquet")) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("classes", 0), ("classes", 1), ("classes", 1001), ("size", 15), ("train", 0), ("val", 0), ("test", -1),
        ("label_noise", -0.01), ("label_noise", 0.51), ("label_noise", float("nan")), ("seed", -1), ("occlusion", 1.5),
        ("background_clutter", 99.0), ("part_size", 0.0), ("train", 2.5),
    ],
)  # fmt: skip
def test_bad_numbers_name_their_field(tmp_path: Path, field: str, value: float) -> None:
    with pytest.raises(BadInput) as caught:
        make_twin(tmp_path / "out", replace(SMALL, **{field: value}))
    assert (caught.value.where, caught.value.row) == ("twin recipe", field)
    assert caught.value.fix
    assert not any(tmp_path.iterdir())


def test_other_bad_input(twin: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is there already"):
        make_twin(twin.root, SMALL)
    with pytest.raises(BadInput, match="threads"):
        make_twin(tmp_path / "out", SMALL, workers=0)
    with pytest.raises(BadInput, match="plain"):
        make_twin(tmp_path / "out", replace(SMALL, label_noise=0.5, duplicates=0.5))
    with pytest.raises(BadInput, match=r"planted\.parquet"):
        read_planted(tmp_path)
    (tmp_path / "planted.parquet").write_bytes((twin.root / "manifest.parquet").read_bytes())
    with pytest.raises(BadInput, match="other columns"):
        read_planted(tmp_path)
    with pytest.raises(BadInput, match="no kind"):
        read_planted(twin.root).ids("duplicate_exactly")


def test_what_was_stopped_goes_on_and_leaves_nothing_behind(twin: Dataset, tmp_path: Path) -> None:
    def stop(what: str, done: float, total: float | None, unit: str = "") -> None:
        if done == 90:  # train has 80
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_twin(tmp_path / "out", SMALL, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == [".out.growing"]
    seen: list[float] = []
    again = make_twin(tmp_path / "out", SMALL, progress=lambda what, done, total, unit="": seen.append(done))
    assert seen[:3] == [0, 80, 81]
    assert _files(again.root) == _files(twin.root)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_another_recipe_does_not_go_on_with_what_was_stopped(tmp_path: Path) -> None:
    def stop(what: str, done: float, total: float | None, unit: str = "") -> None:
        if done == 90:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_twin(tmp_path / "out", SMALL, progress=stop)
    few = replace(SMALL, seed=1, train=2, val=1, test=1)
    assert _files(make_twin(tmp_path / "out", few).root) == _files(make_twin(tmp_path / "plain", few).root)


def test_ilsvrc_has_its_classes_and_counts() -> None:
    recipe = TwinRecipe(ilsvrc=True)
    train, val, test = recipe.per_class
    assert (int(np.sum(train)), int(np.sum(val)), int(np.sum(test))) == (1_281_167, 50_000, 100_000)
    assert (int(np.min(train)), int(np.max(train)), int(np.count_nonzero(train == 1300))) == (732, 1300, 895)
    twentieth = replace(recipe, fraction=0.05).per_class
    assert [int(np.sum(counts)) for counts in twentieth[1:]] == [2_000, 5_000]
    assert replace(recipe, fraction=0.0).per_class[0].min() == 1


def test_an_ilsvrc_twin_keeps_each_class_count(tmp_path: Path) -> None:
    recipe = TwinRecipe(ilsvrc=True, fraction=0.001, size=16)
    plan = _begun(recipe)[1]
    for split, counts in enumerate(recipe.per_class):
        of_split = np.flatnonzero((plan.split == split) & (plan.first >= 0))
        assert (np.bincount(plan.first[of_split], minlength=1000) <= counts).all()
        assert np.count_nonzero(plan.split == split) == np.sum(counts)
    estimate = estimate_twin(recipe)
    assert estimate.n_images == len(plan) and 1024 * len(plan) <= estimate.n_bytes < 3000 * len(plan)


def test_progress_counts_pictures(tmp_path: Path) -> None:
    seen: list[tuple[float, float | None]] = []
    recipe = replace(SMALL, classes=2, train=1, val=1, test=1, size=16)
    make_twin(tmp_path / "out", recipe, lambda what, done, total, unit="": seen.append((done, total)))
    assert seen == [(done, 6) for done in range(7)]
