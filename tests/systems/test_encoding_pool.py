"""Pictures on threads: rows in order whatever the threads, samples that repeat."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from topfive.loading import Pictures
from topfive.records import Dataset, View
from topfive.systems.features.encoding_pool import rows_of, sample_descriptors
from toy.drawn import drawn_set, pictures

VIEW = View(16, 16)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=3, tune=1, val=2, px=20)


def colour(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return picture.astype(np.float32).mean(axis=(0, 1))


def pixels(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return picture.reshape(-1, 3).astype(np.float32)


def test_rows_are_those_of_each_picture_in_order(drawn: Dataset) -> None:
    train = drawn.manifest.rows("train")
    expected = np.stack([colour(picture) for picture in Pictures(drawn, train).arrays(VIEW)])
    told: list[int] = []
    for workers, batch_size in ((1, 5), (3, 64)):
        found = rows_of(
            colour,
            3,
            Pictures(drawn, train, workers=workers),
            VIEW,
            batch_size=batch_size,
            progress=lambda task, done, total, unit="": told.append(done),
        )
        np.testing.assert_array_equal(found, expected)
        assert told[-1] == 18


def test_samples_are_of_the_kinds_asked_for_and_repeat(drawn: Dataset) -> None:
    train = pictures(drawn, "train")
    first = sample_descriptors((pixels, pixels), train, VIEW, 100, seed=3)
    again = sample_descriptors((pixels, pixels), Pictures(drawn, train.manifest, workers=1), VIEW, 100, seed=3)
    assert [sample.shape for sample in first] == [(100, 3), (100, 3)]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], sample_descriptors((pixels,), train, VIEW, 100, seed=4)[0])


def test_there_may_be_fewer_than_asked_for(drawn: Dataset) -> None:
    (found,) = sample_descriptors((pixels,), pictures(drawn, "tune"), VIEW, 10**6, seed=0)
    assert found.shape == (6 * 256, 3)


def test_an_error_in_a_picture_is_not_lost(drawn: Dataset) -> None:
    def fail(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        rows_of(fail, 3, pictures(drawn, "tune"), VIEW)
