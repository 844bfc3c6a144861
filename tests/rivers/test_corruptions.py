"""A model under corruptions made here: raw errors by corruption and severity, resumable, the same on every call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import jpeg
from topfive import flows
from topfive.loading import CorruptedPictures, Pictures
from topfive.records import BadInput, ClassList, Dataset, Manifest, View

VIEW = View(32, 32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
PAIRS = (("brightness", 1), ("brightness", 5), ("gaussian_noise", 3))


@pytest.fixture
def dataset(tmp_path: Path, three: ClassList) -> Dataset:
    """Twelve grey pictures of three brightnesses, a class each, and one that does not decode."""
    root = tmp_path / "set"
    root.mkdir()
    sizes = []
    for i in range(13):
        data = jpeg(np.full((32, 32, 3), (20, 60, 100)[i % 3], dtype=np.uint8)) if i < 12 else b"no picture"
        (root / f"{i}.jpg").write_bytes(data)
        sizes.append(len(data))
    columns: dict[str, Any] = {"image_id": [f"p{i}" for i in range(13)], "container": [f"{i}.jpg" for i in range(13)]}
    columns |= {"size": sizes, "class_index": [i % 3 for i in range(13)], "split": ["val"] * 13}
    made = Dataset(root, Manifest.from_columns(columns, three))
    made.write(root)
    return Dataset.read(root)


class Brightness:
    """Tells the three brightnesses apart by their mean; counts the batches that it is shown."""

    def __init__(self) -> None:
        self.batches = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.batches += 1
        mean = images.mean(axis=(1, 2, 3), keepdims=True)[:, :, 0, 0]
        return -np.abs(mean - np.array([20, 60, 100])).astype(np.float32)


def how(three: ClassList) -> flows.Inference:
    return flows.Inference(batch_size=4, check=False, view=VIEW, classes=three)


def test_errors_by_corruption_and_severity(dataset: Dataset, three: ClassList) -> None:
    value = flows.evaluate_corruptions(Brightness(), dataset, how=how(three), asked=flows.Corruptions(PAIRS))
    assert (value["protocol"], value["n"], value["clean_error"]) == ("imagenet-c/generated", 12, 0.0)
    by = {
        (row["corruption"], cell["severity"]): cell["error"]
        for row in value["corruptions"]
        for cell in row["severities"]
    }
    # 0.1 of 255 brighter, 20 becomes 46 and is called 60 (60 is nearer), 60 becomes 86 and is called 100.
    assert by["brightness", 1] == pytest.approx(2 / 3)
    assert by["brightness", 5] == pytest.approx(2 / 3)
    assert by["gaussian_noise", 3] < 1
    assert "mce" not in value
    assert (value["n_problems"], value["problems"][0]["image_id"]) == (1, "p12")
    assert value["mean_error"] is None, "not all of them were asked for"


def test_it_goes_on_where_it_stopped(dataset: Dataset, three: ClassList, tmp_path: Path) -> None:
    asked = flows.Corruptions(PAIRS, seed=4, out=tmp_path / "passes")
    model = Brightness()
    whole = flows.evaluate_corruptions(model, dataset, how=how(three), asked=asked)
    names = {"clean", "brightness-1", "brightness-5", "gaussian_noise-3"}
    assert {path.stem for path in (tmp_path / "passes").iterdir()} == names
    shown = model.batches
    again = flows.evaluate_corruptions(model, dataset, how=how(three), asked=asked)
    assert model.batches == shown, "nothing is predicted twice"
    assert again == whole | {"problems": []}
    (tmp_path / "passes" / "brightness-5.parquet").unlink()
    assert flows.evaluate_corruptions(model, dataset, how=how(three), asked=asked) == whole
    assert shown < model.batches < 2 * shown
    with pytest.raises(
        BadInput, match=r"brightness-1\.parquet: was made of other pictures, or with another view, seed"
    ):
        flows.evaluate_corruptions(
            model, dataset, how=how(three), asked=flows.Corruptions(PAIRS, seed=5, out=asked.out)
        )


def test_the_model_sees_what_corrupted_pictures_show(dataset: Dataset, three: ClassList) -> None:
    seen: list[np.ndarray] = []

    def model(images: np.ndarray) -> np.ndarray:
        seen.append(images.copy())
        return np.zeros((len(images), 3), np.float32)

    flows.evaluate_corruptions(model, dataset, how=how(three), asked=flows.Corruptions((("fog", 2),), seed=9))
    rows = dataset.manifest.rows("val").take(np.arange(12))
    fog = CorruptedPictures(Pictures(dataset, rows), "fog", 2, seed=9).arrays(VIEW)
    assert np.array_equal(np.concatenate(seen)[12:], fog)


@pytest.mark.parametrize(
    ("asked", "crops", "said"),
    [
        ((("rain", 1),), "1-crop", "is no corruption: 'rain'"),
        ((("fog", 9),), "1-crop", "has the severity 9"),
        ((("fog", 1), ("fog", 1)), "1-crop", "corruption fog:1: stands twice"),
        ((("fog", 1),), "10-crop", "Use the protocol 1-crop"),
    ],
)
def test_refusals(dataset: Dataset, asked: tuple[tuple[str, int], ...], crops: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        flows.evaluate_corruptions(
            Brightness(), dataset, how=flows.Inference(crops=crops), asked=flows.Corruptions(asked)
        )
    assert said in str(refused.value)
