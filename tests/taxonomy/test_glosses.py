from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from topfive.taxonomy import gloss_of, wordnet

NOWHERE = Path("/nowhere")
DOG = "n02084071"


def test_the_definition_where_no_wordnet_is_installed(tmp_path: Path) -> None:
    table = tmp_path / "definitions.txt"
    table.write_text(f"n00001740\tthat which is\n{DOG}\ta friend\nn02084072\tno synset\n", encoding="utf-8")
    dog = wordnet().lemmas(DOG)
    assert gloss_of(DOG, dog, data_noun=NOWHERE, definitions=table) == "a friend"
    assert gloss_of("n00001740", ("entity",), data_noun=NOWHERE, definitions=table) == "that which is"
    assert gloss_of("n01440764", ("tench",), data_noun=NOWHERE, definitions=table) is None


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    table = tmp_path / "one.txt"
    table.write_text(f"{DOG}\ta friend", encoding="utf-8")
    assert gloss_of(DOG, wordnet().lemmas(DOG), data_noun=NOWHERE, definitions=table) == "a friend"


def test_wordnet_comes_first(toy_noun: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    path, wnid = toy_noun
    table = tmp_path / "definitions.txt"
    table.write_text(f"{wnid['dog']}\ta friend\n", encoding="utf-8")
    assert gloss_of(wnid["dog"], ("dog", "domestic_dog"), data_noun=path, definitions=table) == "the gloss of dog"
    assert gloss_of(wnid["dog"], ("hound",), data_noun=path, definitions=table) == "a friend"


def test_neither_is_there() -> None:
    assert gloss_of(DOG, wordnet().lemmas(DOG), data_noun=NOWHERE, definitions=NOWHERE) is None


@pytest.mark.skipif(find_spec("timm") is None, reason="pip install timm")
def test_timms_own_definitions() -> None:
    gloss = gloss_of("n00007846", ("person",), data_noun=NOWHERE)
    assert gloss == "a human being"
