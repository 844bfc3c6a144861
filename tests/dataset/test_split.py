"""Split: groups stay whole, growth moves nothing, and splits that are somebody's are left alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.releases import bare, manifest
from topfive.dataset.shares import shares
from topfive.dataset.split import SplitRule, divide
from topfive.records import UNKNOWN, BadInput, Dataset


def assigned(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.manifest.ids, dataset.manifest.column("split").tolist(), strict=True))


def oracle(name: str, seed: int, val: float, test: float) -> str:
    digest = hashlib.blake2b(name.encode(), digest_size=8, key=f"topfive split {seed}".encode()).digest()
    drawn = int.from_bytes(digest, "big") / 2**64
    return "test" if drawn < test else "val" if drawn >= 1 - val else "train"


def test_shares_are_the_hash_as_a_fraction() -> None:
    digest = hashlib.blake2b("ä".encode(), digest_size=8, key=b"salt").digest()
    assert shares(["ä"], "salt").tolist() == [int.from_bytes(digest, "big") / 2**64]
    assert shares([], "salt").shape == (0,)
    many = shares([str(i) for i in range(20_000)], "salt")
    assert abs(many.mean() - 0.5) < 0.01, "even, to five standard errors"


def test_each_image_goes_where_the_hash_of_its_group_says(tmp_path: Path) -> None:
    groups = ["" if i % 10 == 0 else f"g{i // 3}" for i in range(300)]
    report = divide(bare(manifest(300, group=groups), tmp_path / "a"), tmp_path / "b", SplitRule(0.2, 0.3, seed=4))
    got = assigned(Dataset.read(tmp_path / "b"))
    assert got == {f"i{i}": oracle(group or f"i{i}", 4, 0.2, 0.3) for i, group in enumerate(groups)}
    counts = {name: sum(split == name for split in got.values()) for name in ("train", "val", "test")}
    assert report.splits == counts
    assert (report.n_images, report.n_cut) == (300, 0)
    assert report.n_moved == 300 - counts["train"]
    for name, stated in report.classes.items():
        each = [sum(got[f"i{i}"] == name for i in range(300) if i % 3 == k) for k in range(3)]
        assert (stated.fewest, stated.median, stated.most) == (min(each), float(np.median(each)), max(each))
    assert (tmp_path / "b" / "SHA256SUMS").is_file()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 3), st.randoms())
def test_growth_moves_nothing(
    tmp_path_factory: pytest.TempPathFactory, old: int, more: int, seed: int, rng: object
) -> None:
    tmp = tmp_path_factory.mktemp("grow")
    ids = [f"i{i}" for i in range(old + more)]
    groups = [f"g{i // 2}" for i in range(old + more)]
    order = np.random.default_rng(rng.randrange(9)).permutation(old + more)  # type: ignore[attr-defined]
    small = bare(manifest(old, image_id=ids[:old], group=groups[:old]), tmp / "a")
    grown = manifest(old + more, image_id=[ids[i] for i in order], group=[groups[i] for i in order])
    rule = SplitRule(0.3, 0.3, seed)
    divide(small, tmp / "b", rule)
    divide(bare(grown, tmp / "c"), tmp / "d", rule)
    before, after = assigned(Dataset.read(tmp / "b")), assigned(Dataset.read(tmp / "d"))
    assert {image_id: after[image_id] for image_id in before} == before


def test_another_share_moves_images_between_train_and_that_split_only(tmp_path: Path) -> None:
    dataset = bare(manifest(500), tmp_path / "a")
    splits = []
    for i, rule in enumerate((SplitRule(0.1, 0.1), SplitRule(0.2, 0.1), SplitRule(0.1, 0.2), SplitRule(0.1, 0.1, 1))):
        divide(dataset, tmp_path / f"b{i}", rule)
        splits.append(assigned(Dataset.read(tmp_path / f"b{i}")))
    first, more_val, more_test, other_seed = splits
    assert {(first[i], more_val[i]) for i in first if first[i] != more_val[i]} == {("train", "val")}
    assert {(first[i], more_test[i]) for i in first if first[i] != more_test[i]} == {("train", "test")}
    assert first != other_seed


def test_by_another_column_says_which_groups_it_cuts(tmp_path: Path) -> None:
    countries = [f"country {i % 40}" for i in range(200)]
    dataset = bare(manifest(200, group=[f"g{i // 2}" for i in range(200)], country=countries), tmp_path / "a")
    report = divide(dataset, tmp_path / "b", SplitRule(0.3, 0.3, by="country"))
    got = assigned(Dataset.read(tmp_path / "b"))
    assert got["i0"] == oracle("country 0", 0, 0.3, 0.3)
    assert report.n_cut == sum(got[f"i{i}"] != got[f"i{i + 1}"] for i in range(0, 200, 2))
    with pytest.raises(BadInput, match="no column 'land'"):
        divide(dataset, tmp_path / "c", SplitRule(by="land"))


def test_official_and_sealed_splits_are_left_alone(tmp_path: Path) -> None:
    names = ["train"] * 60 + ["val"] * 20 + ["test"] * 20
    sealed = {"sealed": {"test": {"n": 20}}}
    rows = manifest(100, split=names).with_column("class_index", [0] * 80 + [UNKNOWN] * 20)
    dataset = bare(rows, tmp_path / "a", sealed)
    with pytest.raises(BadInput, match=r"splits of its own: train \(60\), val \(20\), test \(20\).*--of NAME.*--again"):
        divide(dataset, tmp_path / "b", SplitRule())
    with pytest.raises(BadInput, match="'test' is sealed"):
        divide(dataset, tmp_path / "b", SplitRule(of="test"))
    with pytest.raises(BadInput, match="no images in split 'dev'"):
        divide(dataset, tmp_path / "b", SplitRule(of="dev"))
    divide(dataset, tmp_path / "of", SplitRule(0.2, 0.0, of="train"))
    got = assigned(Dataset.read(tmp_path / "of"))
    assert [got[f"i{i}"] for i in range(60, 100)] == names[60:]
    assert {got[f"i{i}"] for i in range(60)} == {"train", "val"}
    divide(dataset, tmp_path / "again", SplitRule(0.2, 0.2, again=True))
    again = assigned(Dataset.read(tmp_path / "again"))
    assert [again[f"i{i}"] for i in range(80, 100)] == ["test"] * 20
    assert "train" in {again[f"i{i}"] for i in range(60, 80)}
    assert Dataset.read(tmp_path / "again").about["sealed"] == sealed["sealed"]
    one = bare(manifest(3, split=["test"] * 3), tmp_path / "one", sealed)
    with pytest.raises(BadInput, match="no split that is not sealed"):
        divide(one, tmp_path / "b", SplitRule())


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (SplitRule(val=-0.1), "val: -0.1 is no share"),
        (SplitRule(val=0.6, test=0.5), "take 1.1 of the images"),
        (SplitRule(of="train", again=True), "not both"),
    ],
)
def test_rules_that_are_none(tmp_path: Path, rule: SplitRule, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        divide(bare(manifest(3), tmp_path / "a"), tmp_path / "b", rule)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_a_manifest_of_many_row_groups_is_divided_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = manifest(100, group=[f"g{i // 2}" for i in range(100)], container=["x.tar"] * 100)
    divide(bare(rows, tmp_path / "a"), tmp_path / "b", SplitRule(0.2, 0.2))
    monkeypatch.setattr("topfive.records.manifest.ROW_GROUP", 16)
    divide(bare(rows, tmp_path / "c"), tmp_path / "d", SplitRule(0.2, 0.2))
    whole, walked = Dataset.read(tmp_path / "b").manifest, Dataset.read(tmp_path / "d").manifest
    assert walked.source.n_row_groups == 7
    assert assigned(Dataset.read(tmp_path / "b")) == assigned(Dataset.read(tmp_path / "d"))
    assert whole.column("container")[0] == str(tmp_path / "a" / "x.tar")
    assert walked.column("container")[99] == str(tmp_path / "c" / "x.tar")
