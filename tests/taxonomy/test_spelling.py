from __future__ import annotations

import pytest

from topfive.taxonomy import ilsvrc_classes, meanings, wordnet
from topfive.taxonomy.spelling import fold, singulars


@pytest.mark.parametrize(
    ("words", "folded"),
    [
        ("Golden Retriever", b"golden_retriever"),
        ("  yellow lady's   slipper ", b"yellow_ladys_slipper"),
        ("T-shirt", b"t_shirt"),
        ("St._Bernard", b"st_bernard"),
        ("", b""),
        ("_'_", b""),
    ],
)
def test_fold(words: str, folded: bytes) -> None:
    assert fold(words) == folded


@pytest.mark.parametrize(
    ("plural", "singular"),
    [(b"foxes", b"fox"), (b"puppies", b"puppy"), (b"firemen", b"fireman"), (b"sunglasses", b"sunglass")],
)
def test_singulars(plural: bytes, singular: bytes) -> None:
    assert singular in set(singulars(plural))


def test_short_words_have_no_singular() -> None:
    assert list(singulars(b"s")) == []
    assert list(singulars(b"as")) == []


def test_classes_come_first_among_meanings() -> None:
    index = ilsvrc_classes().index
    assert [index.get(wnid) for wnid in meanings("Crane")][:2] == [134, 517]
    assert meanings("golden-retriever") == ("n02099601",)
    assert meanings("zzzz") == ()
    assert meanings("") == ()


def test_all_lemmas_of_a_class_name_it() -> None:
    """The words as the development kit writes them lead back to the synset, save where two classes share all."""
    for wnid in ilsvrc_classes().wnids:
        words = wordnet().words(wnid)
        assert wnid in meanings(words)[:2], words
        if "," in words:
            assert meanings(words)[0] == wnid, words


def test_meanings_equal_the_obvious_search() -> None:
    graph = wordnet()
    for name in ("dog", "cell", "hot-dog", "Etna"):
        owners = {wnid for wnid in graph if any(fold(lemma) == fold(name) for lemma in graph.lemmas(wnid))}
        assert set(meanings(name)) == owners
