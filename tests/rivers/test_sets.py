"""Any pictures as a set: a dataset folder, a folder by class, a tar of one; the same through public Python."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import topfive
from topfive.flows.sets import open_set
from topfive.loading import Pictures
from topfive.records import BadInput, ClassList, Dataset, Predictions, Truth, View
from toy.drawn import drawn_set

TWO = ClassList(("dark", "light"), ("dark", "light"))
VIEW = View(16, 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folders of four pictures."""
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.full((20, 24, 3), level + i, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{name}_{i}.png")
    return tmp_path / "set"


def brightness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    level = images.mean(axis=(1, 2, 3))
    return np.stack([255 - level, level], axis=1)


def shown(dataset: Dataset) -> NDArray[np.uint8]:
    return Pictures(dataset, dataset.manifest.rows("val")).arrays(VIEW)


def test_a_folder_by_class_and_a_tar_of_it_are_sets(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(folder, arcname=".")
    before = sorted(tmp_path.rglob("*"))
    plain, packed = open_set(folder), open_set(str(tmp_path / "set.tar"))
    assert sorted(tmp_path.rglob("*")) == before
    assert plain.classes == packed.classes == TWO
    assert plain.manifest.ids == packed.manifest.ids
    np.testing.assert_array_equal(shown(plain), shown(packed))
    assert plain.manifest.column("sha256").tolist() == [""] * 8  # nothing was hashed
    assert open_set(folder, split="test").manifest.splits() == {"test": 8}


def test_a_dataset_folder_is_read_as_it_is(tmp_path: Path) -> None:
    made = drawn_set(tmp_path / "drawn", train=1, tune=1, val=2)
    found = open_set(tmp_path / "drawn")
    assert found.manifest.digest == made.manifest.digest
    assert open_set(tmp_path / "drawn", devkit=tmp_path / "kit").manifest.digest == made.manifest.digest


def test_what_holds_no_pictures_is_refused_as_import_does(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not there"):
        open_set(tmp_path / "gone")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "words.txt").write_text("none")
    with pytest.raises(BadInput, match="holds no pictures"):
        open_set(tmp_path / "a")


def test_the_val_archive_takes_its_labels_from_the_kit(shared: Path, tmp_path: Path) -> None:
    from topfive.taxonomy import read_devkit

    kit_file = shared / "data" / "ILSVRC2012_devkit_t12.tar.gz"
    with tarfile.open(tmp_path / "ILSVRC2012_img_val.tar", "w") as archive:
        for number in (1, 2, 49_999):
            picture = tmp_path / f"ILSVRC2012_val_{number:08d}.JPEG"
            Image.fromarray(np.full((20, 20, 3), 90, dtype=np.uint8)).save(picture, "JPEG")
            archive.add(picture, arcname=picture.name)
            picture.unlink()
    with pytest.raises(BadInput, match="--devkit"):
        open_set(tmp_path / "ILSVRC2012_img_val.tar")
    found = open_set(tmp_path / "ILSVRC2012_img_val.tar", devkit=kit_file)
    kit = read_devkit(kit_file)
    assert [found.classes.wnids[i] for i in found.manifest.class_index] == [
        kit.wnids[kit.validation[number - 1] - 1] for number in (1, 2, 49_999)
    ]


def test_a_callable_is_evaluated_on_a_path(folder: Path) -> None:
    result = topfive.evaluate(brightness, folder, view=VIEW, classes=TWO)
    assert (result["n"], result["top1_correct"], result["top1_error"]) == (8, 8, 0.0)
    assert result["model"] == "brightness"
    worse = topfive.evaluate(lambda images: -brightness(images), folder, view=VIEW, classes=TWO)
    assert worse["top1_error"] == 1.0


def test_predictions_are_records_that_are_scored_and_compared(folder: Path, tmp_path: Path) -> None:
    dataset = open_set(folder)
    good = topfive.predict(brightness, dataset, view=VIEW, classes=TWO)
    bad = topfive.predict(lambda images: -brightness(images), dataset, view=VIEW, classes=TWO)
    assert isinstance(good, Predictions)
    assert good.logits is not None
    truth = Truth.single(dataset.manifest.ids, dataset.manifest.class_index, TWO)
    good.write(tmp_path / "good.parquet")
    for predictions in (good, tmp_path / "good.parquet", str(tmp_path / "good.parquet")):
        assert topfive.score(predictions, truth)["top1_correct"] == 8
    assert topfive.score(bad, dataset)["top1_correct"] == 0
    found = topfive.compare(good, bad, dataset)
    assert found["difference"] == -1.0
    assert found["n_discordant"] == 8


def test_a_low_number_is_explained(folder: Path) -> None:
    from topfive.flows.low_number import Looking
    from topfive.systems.models import open_model

    model = open_model(lambda images: -brightness(images), view=VIEW, classes=TWO)
    found = topfive.explain_low(model, folder, expected=0.0, how=Looking())
    assert (found.n, found.top1_error, found.named) == (8, 1.0, None)


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match="topfive has no 'guess'"):
        topfive.guess  # noqa: B018
