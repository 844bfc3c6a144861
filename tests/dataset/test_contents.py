"""Names of files in a release: allowed everywhere, different everywhere, and short enough."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.releases import pictured
from topfive.dataset.contents import Contents, file_name, shortened
from topfive.dataset.released import stated_facts, with_free_names
from topfive.records import BadInput, silent


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("n01440764_18", "n01440764_18"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        (".x.y", "%2Ex.y"),
        ("..", "%2E."),
        ("a\nb\x85", "a%0Ab%85"),
        ("\u00e4 \u732b", "\u00e4 \u732b"),
    ],
)
def test_file_name(text: str, name: str) -> None:
    assert file_name(text) == name


@given(st.text(min_size=1, max_size=300))
def test_every_name_is_one_that_a_file_can_have(text: str) -> None:
    name = file_name(text)
    assert 0 < len(name.encode()) <= 180 and name[0] != "."
    assert not any(unicodedata.category(c) == "Cc" or c in '/\\:*?"<>|' for c in name)


def test_a_long_name_ends_in_a_hash_of_all_of_it() -> None:
    one, other = file_name("n" * 300), file_name("n" * 299 + "m")
    assert one[:147] == other[:147] == "n" * 147 and one != other
    assert file_name("n" * 180) == "n" * 180
    assert shortened("a", "b") != shortened("a", "c")


def names_of(root: Path, ids: list[str]) -> dict[str, str]:
    dataset = pictured(root, len(ids), image_id=ids, split=["train"] * len(ids))
    contents = Contents("x", dataset, dataset.manifest, 10, silent)
    return {item.image_id: item.key for item in contents.items(range(len(ids)))}


def test_ids_that_are_one_on_some_file_system_get_names_of_their_own(tmp_path: Path) -> None:
    ids = ["Twin", "twin", "alone", "\u00e9", "e\u0301", "stra\u00dfe", "STRASSE"]
    names = names_of(tmp_path / "set", ids)
    assert names["alone"] == "alone"
    assert names["Twin"].startswith("Twin-") and names["twin"].startswith("twin-")
    folded = {unicodedata.normalize("NFC", name).casefold() for name in names.values()}
    assert len(folded) == len(ids)


def test_an_id_that_is_another_s_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"file name of another image.*Give it another id"):
        names_of(tmp_path / "set", ["Twin", "twin", shortened("twin", "twin")])


def test_columns_give_way_to_a_format_s_and_come_back() -> None:
    import pyarrow as pa

    fixed = {"sha256": [""], "width": pa.array([1], pa.int32()), "height": pa.array([1], pa.int32())}
    table = pa.table(fixed | {"label": [1], "own_label": [2], "own_own_label": [3], "year": [4]})
    written = with_free_names(table, ("label",))
    assert written.column_names[3:] == ["own_own_own_label", "own_label", "own_own_label", "year"]
    assert stated_facts(written, (), "x") == table
    assert with_free_names(written, ("other",)).schema.metadata is None, "nothing to undo"
    damaged = written.replace_schema_metadata({"topfive.renamed": "["})
    with pytest.raises(BadInput, match="names of columns are damaged"):
        stated_facts(damaged, (), "x")
    clash = written.replace_schema_metadata({"topfive.renamed": '{"year": "own_label"}'})
    with pytest.raises(BadInput, match="'own_label' twice"):
        stated_facts(clash, (), "x")
