"""The tune rows: a tenth of train, by group, that growth does not move."""

from __future__ import annotations

import hashlib

import numpy as np

from topfive.dataset import tune_rows
from topfive.records import ClassList, Manifest


def manifest(ids: list[str], splits: list[str], groups: list[str] | None = None) -> Manifest:
    columns: dict[str, list[str]] = {"image_id": ids, "split": splits}
    if groups is not None:
        columns["group"] = groups
    return Manifest.from_columns(columns, ClassList(("a",), ("a",)))


def test_a_tenth_of_train_and_nothing_of_the_rest() -> None:
    ids = [f"image_{i}" for i in range(30_000)]
    splits = ["train"] * 20_000 + ["val"] * 5_000 + ["test"] * 5_000
    rows = tune_rows(manifest(ids, splits))
    assert rows.dtype == bool
    assert not rows[20_000:].any()
    assert abs(rows.sum() - 2_000) < 170  # four standard deviations


def test_it_is_the_hash_of_the_group_and_nothing_else() -> None:
    ids = [f"image_{i}" for i in range(300)]
    slow = []
    for name in ids:
        digest = hashlib.blake2b(name.encode(), digest_size=8, key=b"topfive tune 1").digest()
        slow.append(int.from_bytes(digest, "big") / 2**64 < 0.1)
    np.testing.assert_array_equal(tune_rows(manifest(ids, ["train"] * 300)), slow)


def test_a_group_stays_together_and_growth_moves_nothing() -> None:
    ids = [f"image_{i}" for i in range(2_000)]
    groups = [f"group_{i % 400}" for i in range(2_000)]
    rows = tune_rows(manifest(ids, ["train"] * 2_000, groups))
    for group in range(400):
        assert len(set(rows[group::400])) == 1
    part = tune_rows(manifest(ids[:700], ["train"] * 700, groups[:700]))
    np.testing.assert_array_equal(part, rows[:700])


def test_pictures_without_a_group_are_not_one_group() -> None:
    ids = [f"image_{i}" for i in range(500)]
    rows = tune_rows(manifest(ids, ["train"] * 500, [""] * 500))
    np.testing.assert_array_equal(rows, tune_rows(manifest(ids, ["train"] * 500)))


def test_an_empty_set_has_none() -> None:
    assert tune_rows(manifest([], [])).shape == (0,)
