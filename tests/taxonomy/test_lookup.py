from __future__ import annotations

import json
from pathlib import Path

import pytest

from topfive.records import BadInput
from topfive.taxonomy import DATA_NOUN, SynsetGraph, path, show, wordnet

KEYS = ["wnid", "words", "gloss", "parents", "children", "n_leaves", "height", "depth", "class_index", "ilsvrc_id"]
NOWHERE = Path("/nowhere/data.noun")


def test_the_card_of_a_synset_above_classes() -> None:
    card = show("n02084071", data_noun=NOWHERE, definitions=NOWHERE).to_json()
    assert list(card) == KEYS
    assert json.loads(json.dumps(card)) == card
    assert card["words"] == "dog, domestic dog, Canis familiaris"
    assert card["gloss"] is None
    assert card["parents"] == ["n01317541", "n02083346"]
    assert len(card["children"]) == 18
    assert (card["n_leaves"], card["height"], card["depth"], card["class_index"]) == (118, 5, 13, None)


def test_the_card_of_a_class() -> None:
    card = show("n01440764", data_noun=NOWHERE, definitions=NOWHERE)
    assert (card.words, card.n_leaves, card.class_index, card.children) == ("tench, Tinca tinca", 1, 0, ())


def test_the_card_of_the_root() -> None:
    card = show("n00001740", data_noun=NOWHERE, definitions=NOWHERE)
    assert (card.words, card.parents, card.n_leaves, card.height, card.depth) == ("entity", (), 1000, 19, 0)


def test_instances_are_children() -> None:
    etna = show("n09174718", data_noun=NOWHERE, definitions=NOWHERE)
    assert "Etna" in etna.words
    assert etna.parents == ("n09472597",)
    assert etna.wnid in show("n09472597", data_noun=NOWHERE, definitions=NOWHERE).children
    assert etna.wnid not in wordnet().children("n09472597", instances=False)


def test_the_gloss_of_the_installed_wordnet(installed: SynsetGraph) -> None:
    assert show("n01440764", data_noun=DATA_NOUN).gloss == installed.gloss("n01440764")


def test_another_wordnet_gives_no_gloss(toy_noun: tuple[Path, dict[str, str]]) -> None:
    assert show("n02084071", data_noun=toy_noun[0], definitions=NOWHERE).gloss is None


@pytest.mark.parametrize("wnid", ["dog", "n02084072", ""])
def test_what_is_no_synset_is_refused(wnid: str) -> None:
    with pytest.raises(BadInput, match="taxonomy find"):
        show(wnid)
    with pytest.raises(BadInput, match="taxonomy find"):
        path("n02084071", wnid)
    with pytest.raises(BadInput, match="taxonomy find"):
        path(wnid, "n02084071")


def test_the_path_between_two_cats() -> None:
    assert path("n02123045", "n02123159").to_json() == {
        "a": "n02123045",
        "b": "n02123159",
        "common": ["n02121808"],
        "height": 2,
        "from_a": ["n02123045", "n02121808"],
        "from_b": ["n02123159", "n02121808"],
    }


def test_the_path_to_itself_and_to_one_above() -> None:
    same = path("n02084071", "n02084071")
    assert (same.common, same.height, same.from_a, same.from_b) == (("n02084071",), 5, ("n02084071",), ("n02084071",))
    up = path("n02085620", "n02084071")
    assert up.common == ("n02084071",)
    assert (up.from_a[0], up.from_a[-1], up.from_b) == ("n02085620", "n02084071", ("n02084071",))


def test_several_lowest_common_ancestors_the_lowest_first() -> None:
    cat_and_dog = path("n02085620", "n02123045")  # Chihuahua and tabby: domestic animals and carnivores
    assert cat_and_dog.common == ("n01317541", "n02075296")
    assert [wordnet().height(wnid) for wnid in cat_and_dog.common] == [6, 7]
    assert cat_and_dog.height == 6
    assert cat_and_dog.from_a[-1] == cat_and_dog.from_b[-1] == "n01317541"
