from __future__ import annotations

from pathlib import Path

import pytest

from topfive.records import BadInput, ClassList
from topfive.taxonomy import WrittenList, ilsvrc_classes, read_written


def written(tmp_path: Path, text: str) -> WrittenList:
    path = tmp_path / "list.txt"
    path.write_text(text, encoding="utf-8")
    return read_written(path)


def test_a_list_by_name() -> None:
    found = read_written("ilsvrc")
    assert found.known == ilsvrc_classes()
    assert found.strict() == ilsvrc_classes()
    assert (found.lines[0], found.lines[-1], found.keys[0], found.names[0]) == (1, 1000, "n01440764", "")


def test_a_classes_table_and_a_dataset_folder(tmp_path: Path) -> None:
    ClassList(("n01443537", "n01440764"), ("goldfish", "tench")).write(tmp_path / "classes.tsv")
    for source in (tmp_path, tmp_path / "classes.tsv", str(tmp_path)):
        found = read_written(source)
        assert found.keys == ("n01443537", "n01440764")
        assert found.names == ("goldfish", "tench")
        assert found.lines == (2, 3)
        assert found.strict().wnids == ("n01443537", "n01440764")


def test_wnids_with_and_without_names(tmp_path: Path) -> None:
    found = written(tmp_path, "# mine\n\nn01440764\nn01443537\tgoldfish\n n02084071 dog, domestic dog \nn99999999,x\n")
    assert found.keys == ("n01440764", "n01443537", "n02084071", "n99999999")
    assert found.names == ("", "goldfish", "dog, domestic dog", "x")
    assert found.lines == (3, 4, 5, 6)
    assert found.synsets == ("n01440764", "n01443537", "n02084071", None)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_line_ends_quotes_and_comments_of_other_systems(tmp_path: Path, end: str) -> None:
    rows = ["# mine", "", "  # indented", "n01440764", '"n02129165","lion"', "n02123159;tiger cat", "n02123045: tabby"]
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf" + end.join([*rows, ""]).encode())
    found = read_written(tmp_path / "list.txt")
    assert found.synsets == ("n01440764", "n02129165", "n02123159", "n02123045")
    assert found.names == ("", "lion", "tiger cat", "tabby")
    assert found.lines == (4, 5, 6, 7)


def test_a_row_that_is_no_name_is_refused_in_short(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has 1,000,000 letters") as caught:
        written(tmp_path, "tench\n" + "x" * 1_000_000)
    assert caught.value.row == 2
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("source", ["", " "])
def test_no_list_is_refused(source: str) -> None:
    with pytest.raises(BadInput, match="no class list is named"):
        read_written(source)


def test_names(tmp_path: Path) -> None:
    found = written(tmp_path, "tench\nGolden-Retriever\ncrane\nblorb\ntench, Tinca tinca\n")
    assert found.synsets == ("n01440764", "n02099601", "n02012849", None, "n01440764")
    assert found.known.wnids == ("n01440764", "n02099601", "n02012849")
    assert found.known.names == ("tench", "golden retriever", "crane")


def test_what_may_not_be_chosen_from_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'blorb' is no noun synset") as caught:
        written(tmp_path, "tench\nblorb\n").strict()
    assert caught.value.row == 2
    with pytest.raises(BadInput, match="'n01440764' stands in row 1 too") as caught:
        written(tmp_path, "tench\nn01440764\n").strict()
    assert caught.value.row == 2


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "index\twnid\tname\n"])
def test_an_empty_list_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match="holds no class"):
        written(tmp_path, text)


def test_what_is_no_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="cannot be read as a class list") as caught:
        read_written(tmp_path / "none.txt")
    assert "ilsvrc" in str(caught.value)
    with pytest.raises(BadInput, match="cannot be read as a class list"):
        read_written(tmp_path)  # a folder without classes.tsv
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(BadInput, match="is no text"):
        read_written(tmp_path / "picture")
    monkeypatch.setattr("topfive.taxonomy.written._LARGEST", 10)
    with pytest.raises(BadInput, match="too much for a class list"):
        written(tmp_path, "n01440764 tench\n")
