from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.taxonomy import DATA_NOUN, SynsetGraph, read_gloss, read_wordnet, wordnet

Writer = Callable[[Mapping[str, Sequence[str]]], tuple[Path, dict[str, str]]]
Noun = tuple[Path, dict[str, str]]


def test_a_small_file(toy: tuple[SynsetGraph, dict[str, str]]) -> None:
    graph, wnid = toy
    assert len(graph) == 8
    assert list(graph) == sorted(wnid.values())
    assert graph.lemmas(wnid["dog"]) == ("dog", "domestic_dog")
    assert graph.words(wnid["dog"]) == "dog, domestic dog"
    assert graph.gloss(wnid["dog"]) == "the gloss of dog"
    assert graph.parents(wnid["dog"]) == (wnid["animal"], wnid["pet"])
    assert graph.parents(wnid["Rex"]) == (wnid["dog"],)
    assert graph.parents(wnid["Rex"], instances=False) == ()
    assert graph.children(wnid["dog"]) == (wnid["puppy"], wnid["Rex"])
    assert graph.children(wnid["dog"], instances=False) == (wnid["puppy"],)


def test_glosses_only_where_asked_for(toy_noun: Noun) -> None:
    path, wnid = toy_noun
    assert read_wordnet(path).gloss(wnid["dog"]) is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"WordNet 3.0", b"WordNet 3.1", "do not say 'WordNet 3.0'"),
        (b" n 02 dog 0", b" n 03 dog 0", "says 3 words and has 2"),
        (b" n 02 dog 0", b" v 02 dog 0", "no whole line"),
        (b" n 02 dog 0", b" n 2 dog 0 ", "no whole line"),
        (b"| the gloss of cat", b"/ the gloss of cat", "no whole line"),
        (b"the gloss of cat", b"the gl\xe9ss of cat", "ascii"),
        (b" cat 0", b" cats 0", "stands at byte"),
        (b"  \n", b"  \r\n", "stands at byte"),
        (b"003 @ ", b"004 @ ", "says 4 pointers and has 3"),
        (b"v 0101", b"x 0101", "no whole line"),
        (b"@i", b"@ ", "no whole line"),
        (b"~i", b"#m", "does not point back"),
    ],
)
def test_a_bad_line_is_named(toy_noun: Noun, old: bytes, new: bytes, reason: str) -> None:
    path, _ = toy_noun
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(BadInput, match=reason) as caught:
        read_wordnet(path)
    assert caught.value.where == str(path)
    assert caught.value.fix is not None
    if "WordNet 3.1" not in new.decode("latin-1"):
        lines = [row for row, line in enumerate(content.splitlines(True), start=1) if old in line]
        assert isinstance(caught.value.row, int)
        assert min(lines) <= caught.value.row <= max(lines) + 4  # what follows a longer line is what no longer fits


def test_a_pointer_to_another_part_of_speech(toy_noun: Noun) -> None:
    path, wnid = toy_noun
    up = f"@ {wnid['animal'][1:]} n 0000".encode()
    path.write_bytes(path.read_bytes().replace(up, up.replace(b" n ", b" v "), 1))
    with pytest.raises(BadInput, match="does not lead from synset to synset"):
        read_wordnet(path)


def test_a_pointer_to_nowhere(toy_noun: Noun) -> None:
    path, wnid = toy_noun
    target = wnid["stone"][1:].encode()
    path.write_bytes(path.read_bytes().replace(b"~ " + target, b"~ 00000009"))
    with pytest.raises(BadInput, match="points at n00000009, which is not in the file") as caught:
        read_wordnet(path)
    assert caught.value.row == 2


def test_a_file_cut_anywhere_is_refused(toy_noun: Noun) -> None:
    path, _ = toy_noun
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(BadInput):
            read_wordnet(path)
    path.write_bytes(content[: content.index(b"\n", len(content) - 200) + 1])  # between two lines
    with pytest.raises(BadInput):
        read_wordnet(path)


def test_a_circle_is_refused(write_noun: Writer) -> None:
    path, _ = write_noun({"root": [], "egg": ["@ hen"], "hen": ["@ egg", "@ root"]})
    with pytest.raises(BadInput, match="is above itself"):
        read_wordnet(path)


def test_a_parent_named_twice_is_refused(write_noun: Writer) -> None:
    path, _ = write_noun({"root": [], "egg": ["@ root", "@i root"]})
    with pytest.raises(BadInput, match="names its parent n00000080 twice"):
        read_wordnet(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_wordnet(tmp_path / "none")
    with pytest.raises(BadInput, match="cannot be read"):
        read_wordnet(tmp_path)


def test_one_gloss_read_in_place(toy_noun: Noun) -> None:
    path, wnid = toy_noun
    assert read_gloss(path, wnid["dog"], ("dog", "domestic_dog")) == "the gloss of dog"
    assert read_gloss(path, wnid["dog"], ("dog",)) is None
    assert read_gloss(path, "n00000081", ("dog",)) is None
    assert read_gloss(path, "n99999999", ("dog",)) is None
    assert read_gloss(path.with_name("none"), wnid["dog"], ("dog", "domestic_dog")) is None


def test_the_real_file_is_what_the_table_holds(installed: SynsetGraph) -> None:
    table = wordnet()
    for name in ("offsets", "parent_start", "parent_positions", "is_instance"):
        assert np.array_equal(getattr(installed, name), getattr(table, name)), name
    assert installed.lemma_text == table.lemma_text


def test_glosses_of_the_real_file(installed: SynsetGraph) -> None:
    for wnid in list(installed)[::997]:
        assert read_gloss(DATA_NOUN, wnid, installed.lemmas(wnid)) == installed.gloss(wnid)
    gloss = installed.gloss("n02084071")
    assert gloss is not None
    assert gloss.startswith("a member of the genus Canis")
