"""What files of weights state of themselves: read back whole, held to, and never taken from strangers half."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList, View
from topfive.systems.weights.stated import Stated, read_statement, statement
from topfive.taxonomy import ilsvrc_classes

THREE = ClassList(("a", "b", "c"), ("Apple", "Bee", "Cat, tabby"))
VIEW = View(9, 8, "bilinear", mean=(0.1, 0.2, 0.3))
FILE = Path("file")
KEYS = st.lists(st.text(st.characters(exclude_characters="\t\r\n", codec="utf-8"), min_size=1), min_size=1, unique=True)


def test_a_statement_is_text_and_says_whose_classes_it_means() -> None:
    about = statement(THREE, VIEW)
    assert (about["classes"], about["names"]) == ("a\nb\nc", "Apple\nBee\nCat, tabby")
    assert about["classes_digest"] == THREE.digest
    assert read_statement(about, FILE, n=3) == Stated(THREE, VIEW)


@given(KEYS)
def test_any_classes_come_back(keys: list[str]) -> None:
    classes = ClassList(tuple(keys), tuple(keys))
    about = statement(classes, VIEW)
    assert read_statement(about, FILE).classes == classes


def test_a_statement_that_was_changed_is_refused() -> None:
    about = statement(THREE, VIEW)
    for changed in ("a\nc\nb", "a\nb", "a\nb\nb"):
        with pytest.raises(BadInput, match=r"file: states \d classes in its metadata that are not those it was writ"):
            read_statement(about | {"classes": changed}, FILE)
    with pytest.raises(BadInput, match=r"states 3 classes and gives 4 scores\. Export it again"):
        read_statement(about, FILE, n=4)


@pytest.mark.parametrize(
    "about",
    [{}, {"classes": "dog,cat,bird"}, {"classes": "a\nb"}, {"classes": "a\na\nb"}, {"classes": ""}, {"view": "{}"}],
)
def test_words_of_strangers_that_do_not_fit_are_no_statement(about: dict[str, str]) -> None:
    assert read_statement(about, FILE, n=3) == Stated()


def test_names_that_are_not_stated_are_ilsvrcs_or_the_keys() -> None:
    assert read_statement({"classes": "one"}, FILE).classes == ClassList(("one",), ("one",))
    found = read_statement({"classes": "n01440764\nunicorn", "view": "[1]"}, FILE, n=2)
    assert found == Stated(ClassList(("n01440764", "unicorn"), (ilsvrc_classes().names[0], "unicorn")))


def test_classes_asked_for_must_be_those_of_the_file() -> None:
    stated = Stated(THREE)
    assert stated.settle(None, FILE) == THREE
    assert stated.settle(ClassList(("a", "b", "c"), ("x", "y", "z")), FILE).names == ("x", "y", "z")
    assert Stated().settle(None, FILE) == ilsvrc_classes()
    assert Stated().settle(THREE, FILE) == THREE
    with pytest.raises(BadInput, match="has its classes in another order: b at 1, not c"):
        stated.settle(ClassList(("a", "c", "b"), ("1", "2", "3")), FILE)
    with pytest.raises(BadInput, match="has learnt 3 classes, not 2"):
        stated.settle(ClassList(("a", "b"), ("1", "2")), FILE)
