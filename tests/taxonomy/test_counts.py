from __future__ import annotations

from pathlib import Path

import pytest

from topfive.records import BadInput
from topfive.taxonomy import ilsvrc_classes, read_counts


def test_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "counts.txt"
    path.write_text("# images\nn01440764 1300\nn01443537\t7\n\n n02084071,0\n", encoding="utf-8")
    assert read_counts(path) == {"n01440764": 1300, "n01443537": 7, "n02084071": 0}


@pytest.mark.parametrize(
    ("text", "row", "reason"),
    [
        ("n01440764 1300\nn01443537 many\n", 2, "no wnid and number"),
        ("n01440764 -1\n", 1, "no wnid and number"),
        ("tench 5\n", 1, "no wnid and number"),
        ("n01440764 5\nn01440764 6\n", 2, "stands twice"),
        ("", None, "holds no count"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str, row: int | None, reason: str) -> None:
    path = tmp_path / "counts.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=reason) as caught:
        read_counts(path)
    assert (caught.value.where, caught.value.row) == (str(path), row)


def test_a_folder_of_classes(tmp_path: Path) -> None:
    for wnid, n in (("n01440764", 3), ("n01443537", 0)):
        (tmp_path / wnid / "images").mkdir(parents=True)
        for k in range(n):
            (tmp_path / wnid / "images" / f"{k}.jpg").touch()
    (tmp_path / "remarks").mkdir()
    assert read_counts(tmp_path) == {"n01440764": 3, "n01443537": 0}


def test_a_dataset_folder(tmp_path: Path) -> None:
    from topfive.dataset import TwinRecipe, make_twin

    made = make_twin(tmp_path / "twin", TwinRecipe(classes=4, train=6, val=2, test=2, size=32))
    counts = read_counts(tmp_path / "twin")
    assert tuple(counts) == made.classes.wnids
    index = made.manifest.class_index
    assert list(counts.values()) == [int((index == k).sum()) for k in range(4)]


def test_the_official_kit(shared: Path) -> None:
    counts = read_counts(shared / "data" / "ILSVRC2012_devkit_t12.tar.gz")
    assert set(counts) == set(ilsvrc_classes().wnids)
    assert (sum(counts.values()), counts["n02089078"]) == (1_281_167, 732)


def test_what_counts_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder named by a wnid"):
        read_counts(tmp_path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_counts(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="is no text"):
        read_counts(tmp_path / "binary")
