"""Order and augmentation: pure functions of (seed, epoch, position)."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.loading import crop_flip, draws, integers, order
from topfive.records import BadInput

MASK = (1 << 64) - 1


def splitmix(state: int, count: int) -> list[int]:
    """SplitMix64 as published, one state at a time."""
    out = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out.append(z ^ (z >> 31))
    return out


def test_splitmix_itself_has_its_published_first_outputs() -> None:
    # The reference outputs for seed 1234567 that implementations in many languages test against.
    assert splitmix(1234567, 2) == [6457827717110365317, 3203168211198807973]


@given(st.integers(0, 2**63), st.integers(0, 500), st.integers(0, 300))
def test_draws_are_splitmix_from_a_hashed_key(seed: int, epoch: int, start: int) -> None:
    key = int.from_bytes(hashlib.blake2b(f"p:{seed}:{epoch}".encode(), digest_size=8).digest(), "little")
    assert draws("p", seed, epoch, np.arange(start, start + 5)).tolist() == splitmix(key, start + 5)[start:]


def test_integers_are_in_range_and_even() -> None:
    assert integers(np.array([0, MASK, 1 << 63], dtype=np.uint64), 10).tolist() == [0, 9, 5]
    assert integers(np.array([0, MASK], dtype=np.uint64), 1).tolist() == [0, 0]
    counts = np.bincount(integers(draws("x", 3, 0, np.arange(70_000)), 7))
    assert abs(counts - 10_000).max() < 500  # five standard deviations


def test_order_is_a_permutation_that_differs_by_seed_and_epoch() -> None:
    first = order(1000, 7, 0)
    assert first.dtype == np.int64
    assert sorted(first) == list(range(1000))
    np.testing.assert_array_equal(first, order(1000, 7, 0))
    assert (first != order(1000, 7, 1)).mean() > 0.9
    assert (first != order(1000, 8, 0)).mean() > 0.9
    assert order(0, 7, 0).tolist() == []
    assert order(1, 7, 0).tolist() == [0]


def test_order_stays_the_same_for_ever() -> None:
    # Training logs name (seed, epoch, step); a change of this list would change what they mean.
    assert order(8, 0, 0).tolist() == [2, 0, 4, 7, 1, 6, 3, 5]


def images(n: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def test_crops_are_windows_of_their_image_mirrored_half_of_the_time() -> None:
    whole = images(200, 7, 9)
    got = crop_flip(whole, 5, seed=1, epoch=2, positions=np.arange(200))
    mirrored, places = 0, set()
    for image, crop in zip(whole, got, strict=True):
        found = [
            (y, x, flip)
            for y in range(3)
            for x in range(5)
            for flip in (False, True)
            if np.array_equal(image[y : y + 5, x : x + 5][:, :: -1 if flip else 1], crop)
        ]
        assert len(found) == 1
        places.add(found[0][:2])
        mirrored += found[0][2]
    assert len(places) == 15
    assert 70 < mirrored < 130


def test_the_result_does_not_depend_on_batch_or_company() -> None:
    whole = images(50, 8, 8)
    at = np.arange(100, 150)
    together = crop_flip(whole, 6, seed=5, epoch=1, positions=at)
    rows = order(50, 1, 1)
    np.testing.assert_array_equal(crop_flip(whole[rows], 6, seed=5, epoch=1, positions=at[rows]), together[rows])
    alone = [crop_flip(whole[i : i + 1], 6, seed=5, epoch=1, positions=at[i : i + 1])[0] for i in range(50)]
    np.testing.assert_array_equal(np.stack(alone), together)
    assert not np.array_equal(crop_flip(whole, 6, seed=5, epoch=2, positions=at), together)


def test_a_full_crop_only_mirrors_and_none_is_none() -> None:
    whole = images(20, 4, 4)
    for image, crop in zip(whole, crop_flip(whole, 4, seed=0, epoch=0, positions=np.arange(20)), strict=True):
        assert np.array_equal(crop, image) or np.array_equal(crop, image[:, ::-1])
    assert crop_flip(whole[:0], 3, seed=0, epoch=0, positions=np.arange(0)).shape == (0, 3, 3, 3)


def test_crops_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match="does not fit"):
        crop_flip(images(1, 4, 6), 5, seed=0, epoch=0, positions=np.arange(1))
    with pytest.raises(BadInput, match="2 images have 1 positions"):
        crop_flip(images(2, 4, 4), 3, seed=0, epoch=0, positions=np.arange(1))
